"""The size garments are read at: every picture is brought to it, so that results do not depend on its resolution."""

from __future__ import annotations

from typing import Final, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from models.types import FloatArray

WORK_SIDE: Final = 1024
"""Length of the longer side while reading, px."""

A = TypeVar("A", np.uint8, np.float32)


def work_factor(height: int, width: int) -> float:
    """Working pixels per picture pixel."""
    return WORK_SIDE / max(height, width)


def to_work(picture: npt.NDArray[A]) -> npt.NDArray[A]:
    """(H, W) or (H, W, 3) brought to the working size; the same array where it has it."""
    height, width = picture.shape[:2]
    factor = work_factor(height, width)
    if factor == 1.0:
        return picture
    size = (max(8, round(width * factor)), max(8, round(height * factor)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC), picture.dtype)


def to_picture(work: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """(h, w) or (h, w, C) at working size brought to `shape`[:2]."""
    if work.shape[:2] == tuple(shape[:2]):
        return work
    shrink = shape[0] < work.shape[0]
    return np.asarray(cv2.resize(work, (shape[1], shape[0]), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_LINEAR), np.float32)


def points_to_picture(points: FloatArray, work_shape: tuple[int, ...], shape: tuple[int, ...]) -> FloatArray:
    """(..., 2) xy of the working picture, as xy of the picture; pixel centres are at whole numbers in both."""
    ratio = np.array([shape[1] / work_shape[1], shape[0] / work_shape[0]], np.float32)
    return ((points + 0.5) * ratio - 0.5).astype(np.float32)
