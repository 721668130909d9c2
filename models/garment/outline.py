"""Work on masks and their outlines: filling, pieces, antialiasing."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from models.types import BoolArray, FloatArray

SMOOTH_CLEAR: Final = 1.0
SMOOTH_FAINT: Final = 6.0
"""Blur radius px (of 1024) of the outline where it is clear, and where garment and ground hardly differ."""
SIDES: Final = 3.0
"""Blur radius px over which the two sides of the outline are compared."""
FAINT: Final = (0.7, 1.6)
"""How much further from the ground the inner side is, Lab units, where an outline is wholly faint and wholly clear."""
PASSAGE: Final = 9
CREEP: Final = 16
"""px: the ground reaches through gaps so wide, and so far into narrower ones."""
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
    return ~reachable_from_border(~mask)


def fill_pockets(mask: BoolArray) -> BoolArray:
    """`mask` with everything that cannot be reached from the border through passages at least `PASSAGE` px wide.

    Light cloth that differs too little from the ground is cut off from it by its seams but for narrow leaks along them.
    """
    free = (~mask).astype(np.uint8)
    wide = cv2.dilate(reachable_from_border(cv2.erode(free, odd_kernel(PASSAGE)).astype(bool)).astype(np.uint8), odd_kernel(PASSAGE))
    outside = cv2.bitwise_and(wide, free)
    # into corners, but not along a leak
    for _ in range(CREEP // 2):
        outside = cv2.bitwise_and(cv2.dilate(outside, np.ones((5, 5), np.uint8)), free)
    holes = fill_holes(mask)
    result: BoolArray = holes | (outside == 0)
    # the narrow end of a gap beside the torso is no pocket
    count, labels, stats = components(result & ~holes)
    for i in range(1, count):
        x, y, w, h, area = (int(v) for v in stats[i])
        if h > w and area < (PASSAGE + 2) * h:
            box = np.s_[y : y + h, x : x + w]
            result[box][labels[box] == i] = False
    return result


def opened(mask: BoolArray, size: int) -> BoolArray:
    """`mask` without what is narrower than `size` px."""
    return cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, odd_kernel(size)).astype(bool)


def local_max(values: FloatArray, reach: int) -> FloatArray:
    """(h, w) the largest of `values` within `reach` px to each side."""
    return np.asarray(cv2.dilate(values, np.ones((2 * reach + 1,) * 2, np.uint8)), np.float32)


def reachable_from_border(free: BoolArray) -> BoolArray:
    """The part of `free` (h, w) that connects to the picture's border."""
    padded = np.pad(free.astype(np.uint8), 1, constant_values=1)
    cv2.floodFill(padded, None, (0, 0), 2)
    result: BoolArray = padded[1:-1, 1:-1] == 2
    return result


def antialias(mask: BoolArray, distance: FloatArray, noise: float) -> FloatArray:
    """(h, w) 0..1: a smooth outline at sub-pixel position, smoother where `distance` from the ground changes little across it."""
    hard = mask.astype(np.float32)
    share = cv2.GaussianBlur(hard, (0, 0), SIDES)
    near = np.minimum(distance, 10.0)
    inside = cv2.GaussianBlur(near * hard, (0, 0), SIDES)
    outside = cv2.GaussianBlur(near, (0, 0), SIDES) - inside
    contrast = inside / np.maximum(share, 1e-2) - outside / np.maximum(1 - share, 1e-2)
    unit = max(1.0, 0.7 * noise)
    clear = np.clip((contrast / unit - FAINT[0]) / (FAINT[1] - FAINT[0]), 0, 1)
    clear = cv2.GaussianBlur(clear, (0, 0), SIDES)
    fine = _slope(cv2.GaussianBlur(hard, (0, 0), SMOOTH_CLEAR), SMOOTH_CLEAR)
    coarse = _slope(cv2.GaussianBlur(hard, (0, 0), SMOOTH_FAINT), SMOOTH_FAINT)
    result: FloatArray = (clear * fine + (1 - clear) * coarse).astype(np.float32)
    return result


def _slope(blurred: FloatArray, sigma: float) -> FloatArray:
    """A blurred edge made about one pixel wide again: its slope at 1/2 is 1 / (sigma sqrt(2 pi))."""
    return np.clip((blurred - 0.5) * (sigma * np.sqrt(2 * np.pi)) / SLOPE + 0.5, 0, 1).astype(np.float32)
