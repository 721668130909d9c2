"""The line a garment is symmetric about, and the upright frame it defines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from models.garment.maskops import product
from models.types import BoolArray, FloatArray, Picture

SEARCH_SIDE: Final = 160
"""Longer side px of the small mask on which the axis is sought."""
LARGEST_TILT_DEG: Final = 10.0
TILT_STEP_DEG: Final = 1.0
UPRIGHT_BONUS: Final = 0.004
"""Overlap a tilt must gain per degree: garments are mostly laid straight."""
IGNORED_TILT_DEG: Final = 0.75
"""Smaller tilts are not worth resampling the mask."""


@dataclass(frozen=True, slots=True)
class Frame:
    """An upright frame: the picture turned by `tilt_deg` about `centre`, which lies on the axis."""

    centre: tuple[float, float]
    tilt_deg: float
    symmetry: float
    """0..1: share of the mask that its mirror image covers."""

    @property
    def axis_x(self) -> float:
        return self.centre[0]

    def resized(self, factor: float) -> Frame:
        """The frame of the picture brought to `factor` times its size."""
        x, y = ((c + 0.5) * factor - 0.5 for c in self.centre)
        return Frame((x, y), self.tilt_deg, self.symmetry)

    def _matrix(self) -> FloatArray:
        return np.asarray(cv2.getRotationMatrix2D(self.centre, self.tilt_deg, 1.0), np.float32)

    def upright(self, image: FloatArray) -> FloatArray:
        """`image` (h, w) in the frame, same size."""
        if self.tilt_deg == 0.0:
            return image
        return np.asarray(cv2.warpAffine(image, self._matrix(), (image.shape[1], image.shape[0]), flags=cv2.INTER_LINEAR), np.float32)

    def upright_picture(self, picture: Picture) -> Picture:
        """`picture` (h, w, 3) in the frame, same size."""
        if self.tilt_deg == 0.0:
            return picture
        size = (picture.shape[1], picture.shape[0])
        return np.asarray(cv2.warpAffine(picture, self._matrix(), size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8)

    def back(self, image: FloatArray) -> FloatArray:
        """`image` (h, w) of the frame, in the picture."""
        if self.tilt_deg == 0.0:
            return image
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpAffine(image, self._matrix(), (image.shape[1], image.shape[0]), flags=flags), np.float32)

    def to_picture(self, points: FloatArray) -> FloatArray:
        """(..., 2) xy of the frame, as xy of the picture."""
        if self.tilt_deg == 0.0:
            return points.astype(np.float32)
        inverse = cv2.invertAffineTransform(self._matrix().astype(np.float64))
        return (points @ inverse[:, :2].T + inverse[:, 2]).astype(np.float32)


def find_frame(mask: BoolArray) -> Frame:
    """The upright frame in which `mask` (h, w) overlaps its own mirror image most."""
    height, width = mask.shape
    factor = SEARCH_SIDE / max(height, width)
    small = np.asarray(cv2.resize(mask.astype(np.float32), None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), np.float32)
    ys, xs = np.nonzero(small > 0.5)
    middle = (float(xs.mean()), float(ys.mean()))
    area = float((small**2).sum())
    tilts = np.arange(-LARGEST_TILT_DEG, LARGEST_TILT_DEG + 0.1, TILT_STEP_DEG)
    found = [_best_axis(small, middle, float(t)) for t in tilts]
    scores = np.array([f[0] / area - UPRIGHT_BONUS * abs(t) for f, t in zip(found, tilts, strict=True)])
    k = int(scores.argmax())
    tilt = float(tilts[k])
    if 0 < k < len(tilts) - 1:
        bend = scores[k - 1] - 2 * scores[k] + scores[k + 1]
        tilt += float(0.5 * (scores[k - 1] - scores[k + 1]) / bend) * TILT_STEP_DEG if bend < -1e-9 else 0.0
    if abs(tilt) < IGNORED_TILT_DEG:
        tilt = 0.0
    overlap, axis = _best_axis(small, middle, tilt)
    # the axis crosses the turned picture's middle row at (axis, middle y): that point, turned back, is the centre
    turn = cv2.invertAffineTransform(cv2.getRotationMatrix2D(middle, tilt, 1.0))
    x, y = turn @ (axis, middle[1], 1.0)
    return Frame(((float(x) + 0.5) / factor - 0.5, (float(y) + 0.5) / factor - 0.5), tilt, min(1.0, overlap / area))


def _best_axis(small: FloatArray, middle: tuple[float, float], tilt_deg: float) -> tuple[float, float]:
    """Largest overlap with the mirror image over all vertical axes, and the axis' x, after turning by `tilt_deg`."""
    turned = small if tilt_deg == 0 else cv2.warpAffine(small, cv2.getRotationMatrix2D(middle, tilt_deg, 1.0), small.shape[::-1])
    width = turned.shape[1]
    # a row convolved with itself holds at 2 x its overlap with its mirror image about x: all rows at once are one matrix product,
    # summed along its diagonals
    diagonals = np.zeros((width, 2 * width + 1), np.float32)
    diagonals[:, :width] = product(np.asarray(turned, np.float32).T, np.asarray(turned, np.float32))
    overlap = diagonals.ravel()[: 2 * width * width].reshape(width, 2 * width).sum(0)
    k = int(overlap.argmax())
    before, at, after = overlap[k - 1], overlap[k], overlap[(k + 1) % (2 * width)]
    bend = before - 2 * at + after
    shift = 0.5 * (before - after) / bend if bend < -1e-9 else 0.0
    return float(at), (k + float(np.clip(shift, -0.5, 0.5))) / 2
