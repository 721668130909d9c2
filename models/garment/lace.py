"""Lace and net at the edges of a plain garment: what lies behind it shows through.

Each of its pixels is a mixture of the thread's colour, which is the garment's, and of what the packshot shows behind it:
the ground or the lace of the other side, both of the ground's tint. Prints and cuffs are even, or brighter than the
ground, or of other colours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from models.garment.ground import Ground
from models.garment.maskops import blurred, closed, components, dilated, disk, eroded, local_mean, opened
from models.types import BoolArray, FloatArray, Picture

PLAIN_SHARE: Final = 0.6
PLAIN: Final = 14.0
"""Share of the garment that lies within so many Lab units of its main colour."""
STANDS_OUT: Final = 45.0
"""Lab units between that colour and the ground."""
OFF_LINE: Final = 14.0
"""Lab units by which a mixture may be off the line between both."""
OPEN_SHARE: Final = 0.75
DENSE: Final = 0.3
WINDOW: Final = 0.035
"""Lace: within such a window (share of the garment's width) more than `DENSE` of the pixels are mixed to less than `OPEN_SHARE` thread."""
ALIEN: Final = (0.1, 0.25)
"""Share of other colours in the window, at most: to find lace, and to follow it."""
LIVELY: Final = 0.07
FINE_PX: Final = 7
"""Its share of thread varies so much within so many px, in the mean."""
NOT_BRIGHTER: Final = 0.97
"""Share of its pixels that are no brighter than the ground."""
LEAST_AREA: Final = 0.006
LEAST_EDGE: Final = 0.05
"""A piece of lace has at least so much of the garment's area, and touches its outline for so long, shares of the garment's width."""
LEAST_ALPHA: Final = 0.34
"""Lace stays part of the garment's mask."""

COARSE: Final = 2
"""The garment's main colour is read off every so many rows and columns."""
UNMIXED: Final = 0.15
"""Lace that lets through so much is wholly of the thread's colour."""


@dataclass(frozen=True, slots=True)
class Lace:
    alpha: FloatArray
    """(h, w) 0..1: how far the cloth hides what is behind it; 1 where there is no lace."""
    thread: tuple[int, int, int]
    """RGB."""


def find_lace(picture: Picture, mask: BoolArray, ground: Ground) -> Lace | None:
    """The lace of the garment `mask` (h, w) of `picture` (h, w, 3), or None."""
    columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    if not columns.size:
        return None
    window = max(5, round(WINDOW * len(columns))) | 1
    margin = window + FINE_PX
    part = np.s_[max(0, int(rows[0]) - margin) : int(rows[-1]) + margin, max(0, int(columns[0]) - margin) : int(columns[-1]) + margin]
    found = _within(picture[part], np.ascontiguousarray(mask[part]), ground.difference[:, *part], len(columns), window)
    if found is None:
        return None
    alpha = np.ones(mask.shape, np.float32)
    alpha[part] = found.alpha
    return Lace(alpha, found.thread)


def _within(picture: Picture, mask: BoolArray, difference: FloatArray, width: int, window: int) -> Lace | None:
    """`find_lace` in the box of the garment, `width` px wide; `difference` (3, h, w) from the ground, `window` px."""
    core = eroded(mask, disk(13))
    some = np.s_[::COARSE, ::COARSE]
    few, seen_core = difference[:, *some], core[some]
    if not seen_core.any():
        return None
    main = np.array([np.median(plane[seen_core]) for plane in few], np.float32)
    length = float(np.linalg.norm(main))
    if length < STANDS_OUT or (_length(few - main[:, None, None])[seen_core] < PLAIN).mean() < PLAIN_SHARE:
        return None
    share = np.zeros(mask.shape, np.float32)
    for plane, part in zip(difference, main / np.float32(length**2), strict=True):
        share += plane * part
    off = _length(difference - main[:, None, None] * share)
    inner = eroded(mask, disk(5))
    weight = np.maximum(local_mean(inner.astype(np.float32), window), 1e-3)
    mixed = inner & (share < OPEN_SHARE) & (off < OFF_LINE)
    other = inner & (off >= OFF_LINE)
    dense = local_mean(mixed.astype(np.float32), window) / weight
    alien = local_mean(other.astype(np.float32), window) / weight
    fine = local_mean(np.abs(share - local_mean(share, FINE_PX)), window)
    region = mask & (dense > DENSE) & (alien < ALIEN[0]) & (fine > 0.7 * LIVELY)
    region = closed(opened(region, disk(window // 2)), disk(window)) & mask
    rim = dilated(~mask, disk(5))
    count, labels, stats = components(region)
    found, least = np.zeros_like(mask), LEAST_AREA * mask.sum()
    for i in range(1, count):
        if stats[i, cv2.CC_STAT_AREA] < least:
            continue
        piece = labels == i
        seen = piece & inner
        if (piece & rim).sum() < 2 * LEAST_EDGE * width or not seen.any():
            continue
        if fine[seen].mean() > LIVELY and (difference[0][seen] * np.sign(main[0]) > -2.0).mean() > NOT_BRIGHTER:
            found |= piece
    if not found.any():
        return None
    # what hangs together with it: net in its midst is even
    _, labels, _ = components(found | (mask & (dense > DENSE) & (alien < ALIEN[1])))
    found = closed(np.isin(labels, np.setdiff1d(labels[found], 0)), disk(window // 2)) & mask
    soft = blurred(found.astype(np.float32), window / 6)
    alpha = 1 - soft * (1 - np.clip(share, LEAST_ALPHA, 1))
    plain = _length(difference - main[:, None, None]) < PLAIN
    colour = np.median(picture[core & plain], 0)
    return Lace(np.asarray(alpha, np.float32), (int(colour[0]), int(colour[1]), int(colour[2])))


def _length(planes: FloatArray) -> FloatArray:
    """(3, h, w) -> (h, w)."""
    squares: FloatArray = planes[0] * planes[0]
    for plane in planes[1:]:
        squares += plane * plane
    return np.sqrt(squares)


def thread_coloured(picture: Picture, lace: FloatArray, thread: tuple[int, int, int]) -> Picture:
    """`picture` (H, W, 3) whose lace, of alpha `lace` (H, W), has the thread's colour: what showed through it is gone."""
    share = np.clip((1 - lace) / UNMIXED, 0, 1)[..., None]
    mixed = picture.astype(np.float32) * (1 - share) + np.array(thread, np.float32) * share
    return np.asarray(np.rint(mixed), np.uint8)
