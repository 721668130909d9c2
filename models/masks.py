"""Small masks of whole pixels and soft ones: growing, shrinking, blurring, ramps."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from models.kernels.ramps import ramped
from models.types import BoolArray, FloatArray, Picture

WIDE_PX = 6
"""From this radius on a distance transform is faster than a dilation by a disc."""
SHARPEN = 3.0
"""Soft masks are steepened this much about one half, or what is below shines through."""
LEVELS = 256
"""Grey levels."""
AnyMask = npt.NDArray[Any]
"""(H, W) bool, uint8 or float."""
Box = tuple[slice, slice]
"""Rows and columns of a picture."""
EVERYWHERE: Box = (slice(None), slice(None))


def box_of(mask: AnyMask, margin: float = 0) -> Box | None:
    """Rows and columns of (H, W) where `mask` is, and `margin` px more all round; None where it is nowhere."""
    rows = np.flatnonzero(mask.any(1))
    if len(rows) == 0:
        return None
    columns = np.flatnonzero(mask[rows[0] : rows[-1] + 1].any(0))
    more = int(np.ceil(margin))
    down, right = (
        slice(max(0, int(line[0]) - more), min(end, int(line[-1]) + 1 + more))
        for line, end in zip((rows, columns), mask.shape, strict=True)
    )
    return down, right


def common(first: Box, second: Box) -> Box | None:
    """What two boxes share; None where that is nothing."""
    rows, columns = (slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(first, second, strict=True))
    return (rows, columns) if rows.stop > rows.start and columns.stop > columns.start else None


def seen_from(box: Box, whole: Box) -> Box:
    """`box` of a photo as rows and columns of the part `whole` of it."""
    rows, columns = (slice(a.start - b.start, a.stop - b.start) for a, b in zip(box, whole, strict=True))
    return rows, columns


def grow(mask: AnyMask, px: float) -> npt.NDArray[np.uint8]:
    """`mask` (H, W) widened by `px` (at least 1) all round, 0 or 1."""
    if px > WIDE_PX:
        away = cv2.distanceTransform((mask == 0).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
        return np.asarray(away <= px, np.uint8)
    return np.asarray(cv2.dilate(mask.astype(np.uint8), _disc(px)), np.uint8)


def shrink(mask: AnyMask, px: float) -> npt.NDArray[np.uint8]:
    """`mask` (H, W) narrowed by `px` (at least 1) all round, 0 or 1."""
    if px > WIDE_PX:
        return np.asarray(1 - grow(mask == 0, px), np.uint8)
    return np.asarray(cv2.erode(mask.astype(np.uint8), _disc(px)), np.uint8)


def close(mask: AnyMask, px: float) -> npt.NDArray[np.uint8]:
    """`mask` (H, W) with gaps narrower than twice `px` filled, 0 or 1."""
    return shrink(grow(mask, px), px)


def opened(mask: AnyMask, px: float) -> npt.NDArray[np.uint8]:
    """`mask` (H, W) without what is narrower than twice `px`, 0 or 1."""
    return grow(shrink(mask, px), px)


def _disc(px: float) -> npt.NDArray[np.uint8]:
    size = 2 * max(1, round(px)) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)), np.uint8)


def blur(picture: AnyMask, sigma_px: float) -> FloatArray:
    """Gaussian blur of (H, W) or (H, W, C), float32."""
    return np.asarray(cv2.GaussianBlur(picture.astype(np.float32), (0, 0), sigma_px), np.float32)


def reduce(picture: AnyMask, size: tuple[int, int]) -> FloatArray:
    """(H, W) or (H, W, C) averaged down to `size` (w, h), float32."""
    return np.asarray(cv2.resize(picture.astype(np.float32), size, interpolation=cv2.INTER_AREA), np.float32)


def enlarge(picture: AnyMask, size: tuple[int, int]) -> FloatArray:
    """(H, W) or (H, W, C) interpolated up to `size` (w, h), float32."""
    return np.asarray(cv2.resize(picture.astype(np.float32), size, interpolation=cv2.INTER_LINEAR), np.float32)


def nearer(pair: FloatArray) -> FloatArray:
    """(2, H, W) -> (H, W) the smaller; NumPy's own reduction over a short axis takes several times as long."""
    smaller: FloatArray = np.minimum(pair[0], pair[1])
    return smaller


def larger(pair: FloatArray) -> FloatArray:
    """(2, H, W) -> (H, W) the larger."""
    greater: FloatArray = np.maximum(pair[0], pair[1])
    return greater


def strongest(picture: FloatArray) -> FloatArray:
    """(H, W, 3) -> (H, W) the greatest of a pixel's absolute channels."""
    size = np.abs(picture)
    greatest: FloatArray = np.maximum(np.maximum(size[..., 0], size[..., 1]), size[..., 2])
    return greatest


def median_colour(photo: Picture, mask: BoolArray) -> FloatArray:
    """(3,) median of `photo` (H, W, 3) where `mask` (H, W) is, which must be somewhere; by counting, as there are few grey levels."""
    inside = mask.view(np.uint8)
    middle = []
    for channel in range(photo.shape[2]):
        total = np.cumsum(cv2.calcHist([photo], [channel], inside, [LEVELS], [0, LEVELS]), dtype=np.int64)
        low, high = np.searchsorted(total, ((total[-1] - 1) // 2, total[-1] // 2), "right")
        middle.append((int(low) + int(high)) / 2)
    return np.array(middle, np.float32)


def ramp(value: FloatArray, start: float | FloatArray, stop: float | FloatArray) -> FloatArray:
    """0 at `start`, 1 at `stop`, linear between and held beyond; `stop` may be the smaller."""
    if value.dtype == np.float32 and value.flags.c_contiguous and not isinstance(start, np.ndarray) and not isinstance(stop, np.ndarray):
        return ramped(value.reshape(-1), float(start), float(stop - start)).reshape(value.shape)
    share: FloatArray = np.clip((value - start) / (stop - start), 0, 1)
    return share


def steep(mask: FloatArray) -> FloatArray:
    """A soft mask (0..1) with a narrow edge at one half."""
    return ramp(mask, 0.5 - 0.5 / SHARPEN, 0.5 + 0.5 / SHARPEN)
