"""Work on masks and their outlines: filling, pieces, antialiasing."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from models.types import BoolArray, FloatArray, Picture

SMOOTH_CLEAR: Final = 1.0
SMOOTH_FAINT: Final = 4.0
"""Blur radius px (of 1024) of the outline where it is clear, and where the garment hardly differs from the ground."""
FAINT: Final = (4.0, 10.0)
"""Distances from the ground, Lab units, at which an outline is wholly faint and wholly clear."""
SLOPE: Final = 1.6
"""Steepness of the antialiased edge: coverage per px over the blurred mask's."""


def odd_kernel(size: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A round structuring element at least 1 px wide, `size` rounded up to odd."""
    size = max(1, size) | 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)), np.uint8)


def components(mask: BoolArray) -> tuple[int, np.ndarray[tuple[int, ...], np.dtype[np.int32]], np.ndarray[tuple[int, ...], np.dtype[np.int32]]]:
    """Number of labels (0 is the ground), the (h, w) labels and OpenCV's (n, 5) stats."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    return count, np.asarray(labels), np.asarray(stats)


def fill_holes(mask: BoolArray) -> BoolArray:
    """`mask` with everything that cannot be reached from the border."""
    padded = np.pad(1 - mask.astype(np.uint8), 1, constant_values=1)
    cv2.floodFill(padded, None, (0, 0), 2)
    result: BoolArray = padded[1:-1, 1:-1] != 2
    return result


def antialias(picture: Picture, mask: BoolArray, distance: FloatArray) -> FloatArray:
    """(h, w) 0..1: a smooth outline at sub-pixel position, smoother where `distance` from the ground is small."""
    hard = mask.astype(np.float32)
    inside = cv2.GaussianBlur(distance * hard, (0, 0), 6) / np.maximum(cv2.GaussianBlur(hard, (0, 0), 6), 1e-3)
    clear = np.clip((inside - FAINT[0]) / (FAINT[1] - FAINT[0]), 0, 1)
    fine = _slope(cv2.GaussianBlur(hard, (0, 0), SMOOTH_CLEAR), SMOOTH_CLEAR)
    coarse = _slope(cv2.GaussianBlur(hard, (0, 0), SMOOTH_FAINT), SMOOTH_FAINT)
    result: FloatArray = (clear * fine + (1 - clear) * coarse).astype(np.float32)
    return result


def _slope(blurred: FloatArray, sigma: float) -> FloatArray:
    """A blurred edge made about one pixel wide again: its slope at 1/2 is 1 / (sigma sqrt(2 pi))."""
    return np.clip((blurred - 0.5) * (sigma * np.sqrt(2 * np.pi)) / SLOPE + 0.5, 0, 1).astype(np.float32)
