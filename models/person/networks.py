"""The networks that see people: what they are asked, and MediaPipe's own tasks, which answer on a CPU.

On other devices the same graphs run in torch, see `models.person.graphs`.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from models.assets import PersonAssets
from models.errors import AssetError
from models.person.quiet import quiet_stderr
from models.types import FloatArray, Picture

MOST_PEOPLE = 3  # asked of the detector: the wearer and two more tell all that there is to decide


@dataclass(frozen=True, slots=True)
class Sighting:
    """One person in a picture of (h, w)."""

    landmarks: FloatArray
    """(33, 4): x and y (0 and 1 are the picture's borders), z in the picture's widths, and visibility 0..1."""
    mask: FloatArray
    """(h, w) 0..1: this person."""


class Networks(Protocol):
    """Looks at pictures uint8 (h, w, 3), one or several at once; one call at a time."""

    def people(self, looks: Sequence[Picture]) -> list[list[Sighting]]:
        """Up to MOST_PEOPLE people of each picture, the surest first."""
        ...

    def silhouettes(self, looks: Sequence[Picture]) -> list[FloatArray]:
        """(h, w) 0..1 of each picture: people, all of them."""
        ...

    def classes(self, look: Picture) -> list[FloatArray] | None:
        """(h, w) 0..1 of each of the six classes; None where the segmenter's file is missing."""
        ...

    def close(self) -> None:
        """Frees the networks; a second call does nothing."""
        ...

    @property
    def closed(self) -> bool: ...


class MediaPipeNetworks:
    """MediaPipe's tasks; picture after picture.

    Raises AssetError where the model files cannot be loaded. Opens no socket (mediapipe from 0.10.35 on would).
    """

    def __init__(self, assets: PersonAssets) -> None:
        self._talks = True  # MediaPipe writes its greetings to stderr until it has found somebody once
        with quiet_stderr():
            try:
                self._landmarker, self._segmenter, self._image = _load(assets)
            except (RuntimeError, ValueError, OSError) as error:
                raise AssetError(f"MediaPipe cannot load its model files from {assets.pose.parent}: {error}") from error
        # Left to the interpreter's end, MediaPipe's own finalisers fail loudly.
        self._finalizer = weakref.finalize(self, _close, self._landmarker, self._segmenter)
        self._classifier = None if assets.multiclass is None else SixClasses(assets.multiclass)

    @property
    def closed(self) -> bool:
        return not self._finalizer.alive

    def close(self) -> None:
        self._finalizer()
        if self._classifier is not None:
            self._classifier.close()

    def people(self, looks: Sequence[Picture]) -> list[list[Sighting]]:
        return [self._people(look) for look in looks]

    def _people(self, look: Picture) -> list[Sighting]:
        with quiet_stderr(self._talks):
            result = self._landmarker.detect(self._image(look))
        if not result.pose_landmarks:
            return []
        self._talks = False
        return [
            Sighting(np.array([(mark.x, mark.y, mark.z, mark.visibility) for mark in landmarks], np.float32), _plane(mask))
            for landmarks, mask in zip(result.pose_landmarks, result.segmentation_masks or (), strict=True)
        ]

    def silhouettes(self, looks: Sequence[Picture]) -> list[FloatArray]:
        with quiet_stderr(self._talks):
            return [_plane(self._segmenter.segment(self._image(look)).confidence_masks[-1]) for look in looks]

    def classes(self, look: Picture) -> list[FloatArray] | None:
        return None if self._classifier is None else self._classifier(look)


class SixClasses:
    """MediaPipe's six-class segmenter, on every device: only Google's store has its file."""

    def __init__(self, path: Path) -> None:
        with quiet_stderr():
            try:
                self._segmenter, self._image = _segmenter(path), _image_maker()
            except (RuntimeError, ValueError, OSError) as error:
                raise AssetError(f"MediaPipe cannot load {path}: {error}") from error
        self._finalizer = weakref.finalize(self, _close, self._segmenter)

    def __call__(self, look: Picture) -> list[FloatArray]:
        """(h, w) 0..1 of each class."""
        with quiet_stderr():
            return [_plane(mask) for mask in self._segmenter.segment(self._image(look)).confidence_masks]

    def close(self) -> None:
        self._finalizer()


def _plane(mask: Any) -> FloatArray:
    """(h, w) of a mask, copied: its memory is MediaPipe's own."""
    return np.array(mask.numpy_view().reshape(mask.height, mask.width))


def _load(assets: PersonAssets) -> tuple[Any, Any, Any]:
    """Landmarker, person segmenter, and what makes MediaPipe's image of a picture."""
    from mediapipe.tasks.python import BaseOptions, vision

    landmarker = vision.PoseLandmarker.create_from_options(
        vision.PoseLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=str(assets.pose)),
            running_mode=vision.RunningMode.IMAGE,
            num_poses=MOST_PEOPLE,
            output_segmentation_masks=True,
        )
    )
    selfie, image = _segmenter(assets.selfie), _image_maker()
    empty = image(np.zeros((256, 256, 3), np.uint8))
    landmarker.detect(empty)  # the first call is slow and talkative
    selfie.segment(empty)
    return landmarker, selfie, image


def _segmenter(path: Path) -> Any:
    from mediapipe.tasks.python import BaseOptions, vision

    return vision.ImageSegmenter.create_from_options(
        vision.ImageSegmenterOptions(
            base_options=BaseOptions(model_asset_path=str(path)),
            running_mode=vision.RunningMode.IMAGE,
            output_confidence_masks=True,
        )
    )


def _image_maker() -> Any:
    import mediapipe

    def image(picture: Picture) -> Any:
        return mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(picture))

    return image


def _close(*tasks: Any) -> None:
    for task in tasks:
        try:
            task.close()
        except RuntimeError:  # the interpreter ends and MediaPipe's own threads are gone: nothing to free, and no second attempt
            task._handle = None  # noqa: SLF001 - its finaliser would complain on stderr
