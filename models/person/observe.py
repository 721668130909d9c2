"""Finds the person in a photo with MediaPipe's networks: 33 landmarks and two masks of who is person and who is ground.

On a CPU they are MediaPipe's own tasks, elsewhere the same graphs in torch (`networks.py`, `graphs.py`). The detector sees the picture
at 224 x 224, so it misses people who are small, dark or fill the frame. When the photo as it is shows nobody, the same photo is looked
at in other ways (`views.py`), and what is found is carried back. Nothing here knows a face: pose and segmentation only. MediaPipe is
imported when an Observer is made, never before.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import cv2
import numpy as np

from models.assets import find
from models.errors import BodyNotVisible, NoPerson, PhotoTooSmall, SeveralPeople
from models.person.masks import PERSON_LEVEL, Box, ClassMaps, box_of, iou, only_around, overlap, unexplained
from models.person.networks import MediaPipeNetworks, Networks
from models.person.views import View, closer, second_looks, whole
from models.types import FloatArray, Notice, Picture, Pose

if TYPE_CHECKING:
    import torch

SMALLEST_PERSON_PX = 160  # under it a sleeve is a dozen pixels wide
SMALLEST_SIDE_PX = 64  # of the photo; smaller ones are not even looked at
SEEN, SURELY_SEEN = 0.5, 0.9  # a landmark's visibility from which it is taken for visible
SAME_PERSON_OVERLAP = 0.5  # of the smaller mask: one person found twice, or a part of them (hugging couples stay under 0.2)
RIVAL_SHARE = 0.6  # a second person's torso from this share of the largest on makes the choice a guess
OVERLOOKED_SHARE = 0.3  # of the wearer's pixels: so much unexplained person is looked at again
LOOK_CLOSER_BELOW = 0.55  # of the photo's height or width: a smaller person is read again in a crop, where masks are finer
STEADY_SHOULDERS = 0.15  # of the shoulder distance: what is found in a part of the photo stays put when looked at again; cups do not
STEADY_MASK_IOU = 0.7  # of the two networks' masks, for the same reason
SURE_MASK_IOU = 0.85  # of the two networks' masks: enough by itself for somebody who fills a photo
FILLS_SIDES = 3  # borders of the photo that somebody touches who is too near for the detector to place well
OUTSIDE_SLACK = 0.10  # of the shoulder distance: a shoulder joint this far outside the picture still lets the garment sit
CLASS_MAP_PX = (256, 256)  # the six-class segmenter sees no more
CHEST_REACH = 0.35  # of the shoulder distance, below the shoulders: less of the chest shows no garment
LEFT_SHOULDER, RIGHT_SHOULDER, LEFT_HIP, RIGHT_HIP = 11, 12, 23, 24
SHOULDERS = (LEFT_SHOULDER, RIGHT_SHOULDER)
HIPS = (LEFT_HIP, RIGHT_HIP)
CORE = (0, *SHOULDERS, *HIPS, 25, 26)  # nose, shoulders, hips, knees


@dataclass(frozen=True, slots=True)
class Observation:
    """Who is in a photo of (H, W), and where."""

    pose: Pose
    """The wearer."""
    box: Box
    """The wearer's visible part."""
    pose_mask: FloatArray
    """(H, W) 0..1: the wearer alone, from the landmark graph; smooth, loses thin parts."""
    selfie_mask: FloatArray
    """(H, W) 0..1: the wearer and what touches them, from the segmenter; sharper, may take a chair or a bag for a person."""
    others: tuple[Pose, ...] = ()
    """Further people, largest first."""
    notices: tuple[Notice, ...] = ()
    classes: ClassMaps | None = None
    """Hair, skin and clothes by the six-class segmenter, where its file is there."""

    @property
    def person_mask(self) -> FloatArray:
        """(H, W) 0..1: the mean of the two masks, which errs less than either."""
        mean: FloatArray = 0.5 * self.pose_mask + 0.5 * self.selfie_mask
        return mean


@dataclass(frozen=True, slots=True)
class _Found:
    """One person as the detector gave it, carried back to the photo."""

    pose: Pose
    mask: FloatArray
    """(H, W) 0..1."""
    box: Box
    view: View

    @property
    def torso_px(self) -> float:
        """Area of the torso, px²: shoulders to hips, hips as far as they are guessed."""
        xy = self.pose.xy
        across = np.linalg.norm(xy[LEFT_SHOULDER] - xy[RIGHT_SHOULDER])
        along = np.linalg.norm(xy[list(SHOULDERS)].mean(0) - xy[list(HIPS)].mean(0))
        return float(max(across, 0.4 * along) * along)  # seen from the side the shoulders are one


class Observer:
    """Holds the networks. One call at a time (a lock sees to it); close it, or use it as a context manager.

    Raises AssetError where the model files are missing or cannot be loaded. Opens no socket (mediapipe from 0.10.35 on would).
    """

    def __init__(self, assets_dir: Path | None = None, networks: Networks | None = None) -> None:
        """assets_dir: the folder of the model files (None: the user's cache); networks: others than MediaPipe's own tasks."""
        self._lock = threading.Lock()
        self._networks = MediaPipeNetworks(find(assets_dir)) if networks is None else networks

    @classmethod
    def on(cls, device: torch.device, assets_dir: Path | None = None) -> Observer:
        """One whose networks run on `device`: on a CPU as MediaPipe's tasks, which are faster there, elsewhere in torch."""
        if device.type == "cpu":
            return cls(assets_dir)
        from models.person.graphs import TorchNetworks

        return cls(networks=TorchNetworks(find(assets_dir), device))

    def __enter__(self) -> Observer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Frees the graphs; a second call does nothing."""
        with self._lock:
            self._networks.close()

    def observe(self, photo: Picture) -> Observation:
        """The wearer in `photo` (H, W, 3), the largest person where there are several of clearly different size.

        Raises NoPerson, SeveralPeople, BodyNotVisible or PhotoTooSmall.
        """
        if photo.ndim != 3 or photo.shape[2] != 3 or photo.dtype != np.uint8:
            raise ValueError(f"expected uint8 (H, W, 3), got {photo.dtype} {photo.shape}")
        if min(photo.shape[:2]) < SMALLEST_SIDE_PX or max(photo.shape[:2]) < SMALLEST_PERSON_PX:
            raise PhotoTooSmall(
                f"The photo is {photo.shape[1]} x {photo.shape[0]} pixels: the person must be at least {SMALLEST_PERSON_PX} pixels tall."
            )
        with self._lock:
            if self._networks.closed:
                raise RuntimeError("the observer is closed")
            found = self._find(photo)
            wearer, others = _choose(found)
            selfie = self._segment(photo, wearer.view)
            overlooked = self._overlooked(photo, selfie, found)
            if overlooked:
                wearer, others = _choose([*found, *overlooked])
                selfie = self._segment(photo, wearer.view)
            _check(wearer, photo.shape[0], photo.shape[1])
            selfie = only_around(selfie, wearer.mask, [other.mask for other in others])
            classes = self._classify(photo, wearer.view)
        notices = (Notice("several-people", "Several people are in the photo; the largest one is dressed."),) if others else ()
        return Observation(wearer.pose, wearer.box, wearer.mask, selfie, tuple(other.pose for other in others), notices, classes)

    def _find(self, photo: Picture) -> list[_Found]:
        found = self._detect(photo, [whole(photo)])
        if found:
            return [self._closer(photo, person) for person in found]
        for looks in second_looks(photo):
            # Zoomed in, the detector sees faces in prints and coffee cups: each finding has to be confirmed.
            guesses = _distinct(self._detect(photo, looks))
            found = [again for person in guesses if (again := self._confirmed(photo, person)) is not None]
            if found:
                break
        return found

    def _closer(self, photo: Picture, person: _Found) -> _Found:
        """The same person read with the usual ground around them, where they are small in the photo or fill it."""
        height, width = photo.shape[:2]
        box = person.box
        small = max(box.height / height, box.width / width) < LOOK_CLOSER_BELOW
        sides = (box.left <= 1) + (box.top <= 1) + (box.right >= width - 1) + (box.bottom >= height - 1)
        return (self._again(photo, person) or person) if small or sides >= FILLS_SIDES else person

    def _again(self, photo: Picture, person: _Found) -> _Found | None:
        core = person.pose.xy[list(CORE)]
        low, high = core.min(0), core.max(0)
        height, width = photo.shape[:2]
        box = person.box  # a tile may have cut the mask: the landmarks tell how far the person reaches
        left, top = min(box.left, max(float(low[0]), 0.0)), min(box.top, max(float(low[1]), 0.0))
        right, bottom = max(box.right, min(float(high[0]), width)), max(box.bottom, min(float(high[1]), height))
        view = closer(photo, (left, top, right, bottom))
        again = max(self._detect(photo, [view]), key=lambda other: overlap(other.mask, person.mask), default=None)
        return again if again is not None and overlap(again.mask, person.mask) >= SAME_PERSON_OVERLAP else None

    def _confirmed(self, photo: Picture, person: _Found) -> _Found | None:
        """The person as a second look shows them; None where it shows nobody, or somebody else."""
        shoulders = list(SHOULDERS)
        padded = person.view.width > photo.shape[1] and person.view.height > photo.shape[0]
        if padded and (person.pose.visibility[shoulders] > SURELY_SEEN).all():
            agreed = iou(self._segment(photo, person.view), person.mask)
            if agreed >= SURE_MASK_IOU and max(person.box.height / photo.shape[0], person.box.width / photo.shape[1]) > LOOK_CLOSER_BELOW:
                return person
        again = self._again(photo, person)
        if again is None:
            return None
        before, after = person.pose.xy[shoulders], again.pose.xy[shoulders]
        moved = np.linalg.norm(after - before, axis=1).max()
        if moved > STEADY_SHOULDERS * np.linalg.norm(before[0] - before[1]):
            return None
        return again if iou(self._segment(photo, again.view), again.mask) >= STEADY_MASK_IOU else None

    def _overlooked(self, photo: Picture, selfie: FloatArray, found: list[_Found]) -> list[_Found]:
        """People whom the segmenter sees and the detector, content with the first, has passed over."""
        wearer_px = max(np.count_nonzero(person.mask > PERSON_LEVEL) for person in found)
        people: list[_Found] = []
        boxes = unexplained(selfie, [person.mask for person in found], OVERLOOKED_SHARE * wearer_px)
        for person in self._detect(photo, [closer(photo, (box.left, box.top, box.right, box.bottom)) for box in boxes]):
            new = all(overlap(person.mask, other.mask) < SAME_PERSON_OVERLAP for other in [*found, *people])
            if new and overlap(person.mask, selfie) >= STEADY_MASK_IOU:
                people.append(person)
        return people

    def _detect(self, photo: Picture, views: Sequence[View]) -> list[_Found]:
        people: list[_Found] = []
        if not views:
            return people
        for view, sightings in zip(views, self._networks.people([view.look(photo) for view in views]), strict=True):
            for seen in sightings:
                xy, depth = view.to_photo(seen.landmarks[:, :2]), seen.landmarks[:, 2] * view.scale_x
                spread = view.mask_to_photo(seen.mask, photo.shape[:2])
                box = box_of(spread)
                if box is not None:
                    people.append(_Found(Pose(xy, depth, seen.landmarks[:, 3].clip(0, 1)), spread, box, view))
        return people

    def _segment(self, photo: Picture, view: View) -> FloatArray:
        (mask,) = self._networks.silhouettes([view.look(photo)])
        return view.mask_to_photo(mask, photo.shape[:2])

    def _classify(self, photo: Picture, view: View) -> ClassMaps | None:
        planes = self._networks.classes(view.look(photo))
        if planes is None:
            return None
        small = [cv2.resize(plane, CLASS_MAP_PX) for plane in planes]
        return ClassMaps(np.stack(small).astype(np.float32), view.left, view.top, view.width, view.height)


def _choose(found: list[_Found]) -> tuple[_Found, list[_Found]]:
    """The wearer, and the others by size."""
    people = sorted(_distinct(found), key=lambda person: person.torso_px, reverse=True)
    if not people:
        raise NoPerson("No person was found in the photo.")
    wearer, others = people[0], people[1:]
    if others and others[0].torso_px > RIVAL_SHARE * wearer.torso_px:
        raise SeveralPeople(
            "Several people of similar size are in the photo, so it is unclear who should be dressed: please crop it to one person."
        )
    return wearer, others


def _distinct(found: Iterable[_Found]) -> list[_Found]:
    """Without the same person found twice: the larger finding stays."""
    kept: list[_Found] = []
    for person in sorted(found, key=lambda person: person.torso_px, reverse=True):
        if all(overlap(person.mask, other.mask) < SAME_PERSON_OVERLAP for other in kept):
            kept.append(person)
    return kept


def _check(wearer: _Found, height: int, width: int) -> None:
    """Raises where the person cannot be dressed: too small, or without shoulders and chest in the picture."""
    if wearer.box.height < SMALLEST_PERSON_PX:
        raise PhotoTooSmall(f"The person is {wearer.box.height:.0f} pixels tall in the photo: at least {SMALLEST_PERSON_PX} are needed.")
    shoulders, hips = wearer.pose.xy[list(SHOULDERS)], wearer.pose.xy[list(HIPS)].mean(0)
    unit = float(np.linalg.norm(shoulders[0] - shoulders[1]))
    down = hips - shoulders.mean(0)
    chest = shoulders.mean(0) + CHEST_REACH * unit * down / max(float(np.linalg.norm(down)), 1.0)
    needed = np.vstack([shoulders, chest])
    inside = (needed >= -OUTSIDE_SLACK * unit).all() and (
        needed <= [width - 1 + OUTSIDE_SLACK * unit, height - 1 + OUTSIDE_SLACK * unit]
    ).all()
    if not inside or (wearer.pose.visibility[list(SHOULDERS)] < SEEN).all():
        raise BodyNotVisible(
            "The shoulders and the chest are not in the picture: please take the photo from the head to at least the chest."
        )
