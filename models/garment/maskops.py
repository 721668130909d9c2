"""Operations on masks and maps of a picture, typed: OpenCV's own signatures promise any array."""

from __future__ import annotations

from typing import Final, TypeVar

import cv2
import numpy as np
import numpy.typing as npt
import torch

from models.bits import BitMask
from models.types import BoolArray, FloatArray, Picture

Kernel = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int32]
Indices = npt.NDArray[np.intp]
LARGE: Final = 7
"""Discs from this diameter on, px, are laid over masks bit by bit."""


def disk(size: int) -> Kernel:
    """A round structuring element at least 1 px wide, `size` px rounded up to odd."""
    size = max(1, size) | 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)), np.uint8)


def box(height: int, width: int) -> Kernel:
    """A rectangular structuring element."""
    return np.ones((height, width), np.uint8)


def dilated(mask: BoolArray, kernel: Kernel) -> BoolArray:
    if _is_large(kernel):
        return BitMask(mask, _reach(kernel)).grow(kernel).mask
    return np.asarray(cv2.dilate(mask.view(np.uint8), kernel), np.uint8).view(np.bool_)


def eroded(mask: BoolArray, kernel: Kernel) -> BoolArray:
    if _is_large(kernel):
        return BitMask(mask, _reach(kernel)).shrink(kernel).mask
    return np.asarray(cv2.erode(mask.view(np.uint8), kernel), np.uint8).view(np.bool_)


def opened(mask: BoolArray, kernel: Kernel) -> BoolArray:
    """`mask` without what `kernel` does not fit into."""
    if _is_large(kernel):
        return BitMask(mask, _reach(kernel)).shrink(kernel).grow(kernel).mask
    return np.asarray(cv2.morphologyEx(mask.view(np.uint8), cv2.MORPH_OPEN, kernel), np.uint8).view(np.bool_)


def closed(mask: BoolArray, kernel: Kernel) -> BoolArray:
    """`mask` with the gaps that `kernel` does not fit into."""
    if _is_large(kernel):
        return BitMask(mask, _reach(kernel)).grow(kernel).shrink(kernel).mask
    return np.asarray(cv2.morphologyEx(mask.view(np.uint8), cv2.MORPH_CLOSE, kernel), np.uint8).view(np.bool_)


def _is_large(kernel: Kernel) -> bool:
    """Whether it is a disc that OpenCV takes long for; boxes it splits into rows and columns."""
    return len(kernel) >= LARGE and not kernel.all()


def _reach(kernel: Kernel) -> int:
    return int(kernel.shape[1] // 2)


def components(mask: BoolArray) -> tuple[int, Labels, Labels]:
    """Number of labels (0 is what is not in `mask`), the (h, w) labels and OpenCV's (n, 5) stats: x, y, width, height, area."""
    labels: Labels = np.zeros(mask.shape, np.int32)
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    if not width:
        return 1, labels, np.array([[0, 0, mask.shape[1], mask.shape[0], mask.size]], np.int32)
    part = np.s_[y : y + height, x : x + width]
    count, labels[part], found, _ = cv2.connectedComponentsWithStatsWithAlgorithm(mask.view(np.uint8)[part], 8, cv2.CV_32S, cv2.CCL_BBDT)
    stats: Labels = np.asarray(found, np.int32)
    stats[:, :2] += (x, y)
    return count, labels, stats


def sized(mask: BoolArray) -> tuple[Labels, Indices]:
    """`components` without their boxes, which take most of the time: the (h, w) labels and the (n,) areas."""
    _, found = cv2.connectedComponents(mask.view(np.uint8))
    labels: Labels = np.asarray(found, np.int32)
    return labels, np.bincount(labels.ravel())


def reachable_from_border(free: BoolArray, *, diagonally: bool = False) -> BoolArray:
    """The part of `free` (h, w) that connects to the picture's border, by the pixels' sides or by their corners too."""
    padded = np.pad(free.view(np.uint8), 1, constant_values=1)
    cv2.floodFill(padded, None, (0, 0), 2, flags=8 if diagonally else 4)
    result: BoolArray = padded[1:-1, 1:-1] == 2
    return result


def reachable_by(free: BoolArray, kernel: Kernel) -> BoolArray:
    """The part of `free` (h, w) that `kernel`, coming from the picture's border, sweeps without leaving it."""
    return dilated(reachable_from_border(eroded(free, kernel)), kernel)


def fill_holes(mask: BoolArray) -> BoolArray:
    """`mask` with everything that cannot be reached from the border."""
    return ~reachable_from_border(~mask)


def distance_to(mask: BoolArray) -> FloatArray:
    """(h, w) px to the nearest pixel of `mask`."""
    return np.asarray(cv2.distanceTransform((~mask).view(np.uint8), cv2.DIST_L2, 3), np.float32)


def blurred(values: FloatArray, radius: float) -> FloatArray:
    """(h, w) or (h, w, c) Gaussian blur of standard deviation `radius` px."""
    return np.asarray(cv2.GaussianBlur(values, (0, 0), radius), np.float32)


def local_mean(values: FloatArray, side: int) -> FloatArray:
    """(h, w) mean over squares of `side` px."""
    return np.asarray(cv2.blur(values, (side, side)), np.float32)


def local_max(values: FloatArray, reach: int) -> FloatArray:
    """(h, w) the largest of `values` within `reach` px to each side."""
    return np.asarray(cv2.dilate(values, box(2 * reach + 1, 2 * reach + 1)), np.float32)


def local_min(values: FloatArray, reach: int) -> FloatArray:
    """(h, w) the smallest of `values` within `reach` px to each side."""
    return np.asarray(cv2.erode(values, box(2 * reach + 1, 2 * reach + 1)), np.float32)


def extents(mask: BoolArray) -> tuple[Indices, Indices]:
    """(h,) column of the first pixel of each row of `mask` (h, w), and of the last plus one; both 0 in empty rows."""
    seen = mask.any(1)
    first = np.where(seen, mask.argmax(1), 0)
    return first, np.where(seen, mask.shape[1] - mask[:, ::-1].argmax(1), 0)


def runs_at(mask: BoolArray, column: int) -> Indices:
    """(h,) length of each row's run that holds `column`; 0 where that is empty."""
    right = np.pad(~mask[:, column:], ((0, 0), (0, 1)), constant_values=True).argmax(1)
    left = np.pad(~mask[:, column::-1], ((0, 0), (0, 1)), constant_values=True).argmax(1)
    return np.where(mask[:, column], left + right - 1, 0)


CONTRAST: Final = np.arange(256, dtype=np.float32)[None, :, None].repeat(3, 2)
CONTRAST[..., 0] = 55 * np.log(CONTRAST[..., 0] + 14)
"""8-bit Lab with lightness on a logarithmic scale: an edge in a black garment counts as one in a white garment."""


def contrast_lab(picture: Picture, radius: float, part: tuple[slice, slice] = np.s_[:, :]) -> FloatArray:
    """`CONTRAST` of `picture` (h, w, 3), blurred by `radius` px, in `part` of it; 0 elsewhere."""
    result = np.zeros(picture.shape, np.float32)
    result[part] = blurred(np.asarray(cv2.LUT(cv2.cvtColor(picture[part], cv2.COLOR_RGB2LAB), CONTRAST), np.float32), radius)
    return result


F = TypeVar("F", np.float32, np.float64)


def product(a: npt.NDArray[F], b: npt.NDArray[F]) -> npt.NDArray[F]:
    """Matrix product by torch, which uses as many threads as the engine allows: NumPy's own starts one on each core, and on a busy
    machine they wait for each other far longer than the product takes.
    """
    result: npt.NDArray[F] = (torch.from_numpy(a) @ torch.from_numpy(b)).numpy()
    return result
