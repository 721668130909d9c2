"""Where a lower garment parts into legs: the gap between them, the crotch, and the line that cuts one leg from the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from models.garment.maskops import components, extents
from models.types import BoolArray, FloatArray

ASIDE: Final = 0.14
"""A gap between legs comes so near to the axis, share of the garment's width."""
GAP_FROM: Final = 0.22
"""Share of the height above which no gap between legs ends."""
PIECE_ROWS: Final = 0.012
"""Pieces of gap under this share of the height are frayed edges."""
LEGS_ROWS: Final = 0.06
"""Share of the height over which legs are apart, at least: skirts' hems have shallower notches."""
NOTCH_ROWS: Final = 0.03
NOTCH_SLENDER: Final = 2.0
"""A shallower notch is one between legs that touch when it is so much deeper than wide."""
HEM_WIDTH: Final = 0.22
"""A gap that is wider than this share of the whole where it begins is the ground under a short top, between its sleeves."""
HEM_AT: Final = 0.02
"""Share of the height under its upper end at which its width is taken."""
HIP_FROM: Final = 0.8
"""The hip width is the largest extent down to so many waist widths under the waist."""
RISE_MOST: Final = 1.12
"""Hip widths under the waist: crotches lie higher; a gap that begins lower shows legs that touch above it ..."""
RISE_USUAL: Final = 0.72
"""... and the crotch is assumed at the usual rise ..."""
SLIT_LENGTH: Final = 1.9
"""... unless the whole is shorter than this many hip widths: then the gap is the slit of a skirt."""


@dataclass(frozen=True, slots=True)
class Parting:
    """How the garment parts: `x_of` its middle line at every row, and the crotch's row."""

    x_of: FloatArray
    """(h,) x that divides left from right: the axis down to the crotch, then the middle of the gap."""
    crotch_y: int | None
    """None for skirts."""
    seen: bool
    """True when the crotch is where the ground begins; False when it is assumed (or there is none)."""


def find_parting(mask: BoolArray, axis_x: float) -> Parting:
    """How the lower garment `mask` (h, w), upright, parts about its axis."""
    height = mask.shape[0]
    straight = np.full(height, axis_x, np.float32)
    ys, xs = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top, bottom, width = int(ys[0]), int(ys[-1]), float(np.ptp(xs) + 1)
    tall = bottom - top + 1
    gap = _between_legs(mask, axis_x, width, top, tall)
    rows = np.flatnonzero(gap.any(1))
    if not _are_legs(gap, len(rows), tall):
        return Parting(straight, None, seen=False)
    hip = hip_width(mask)
    first = int(rows[0])
    if gap[first + int(HEM_AT * tall)].sum() > HEM_WIDTH * width:
        return Parting(straight, None, seen=False)
    rise = (first - top) / hip
    if rise > RISE_MOST and tall < SLIT_LENGTH * hip:
        return Parting(straight, None, seen=False)
    middle = (gap[rows] @ np.arange(gap.shape[1], dtype=np.float32) / gap[rows].sum(1)).astype(np.float32)
    seen = rise <= RISE_MOST
    crotch = first if seen else top + round(RISE_USUAL * hip)
    start = float(np.median(middle[: max(3, len(rows) // 40)])) if seen else axis_x
    x_of = np.interp(np.arange(height), np.r_[crotch, rows + 1], np.r_[start, middle]).astype(np.float32)
    # above the crotch the line runs straight from the waist's middle
    above = np.arange(height) < crotch
    x_of[above] = np.interp(np.flatnonzero(above), [top, crotch], [axis_x, start])
    return Parting(x_of, crotch, seen)


def hip_width(mask: BoolArray) -> float:
    """Largest extent px of the upper part of the lower garment `mask` (h, w)."""
    first, end = extents(mask)
    wide = (end - first)[end > first].astype(np.float64)
    waist = float(np.median(wide[: max(3, len(wide) // 20)]))
    return float(np.percentile(wide[: max(3, int(HIP_FROM * waist))], 95))


def _between_legs(mask: BoolArray, axis_x: float, width: float, top: int, tall: int) -> BoolArray:
    """(h, w) ground with cloth on its left and its right, near the axis and in the lower part."""
    # near the axis only: beside a torso there is ground between it and its sleeves
    columns = np.flatnonzero(np.abs(np.arange(mask.shape[1]) - axis_x) < ASIDE * width)
    near = np.s_[:, columns[0] : columns[-1] + 1] if columns.size else np.s_[:, :0]
    first, end = extents(mask)
    between = ~mask[near] & (columns >= first[:, None]) & (columns < end[:, None])
    count, labels, stats = components(between)
    kept = np.zeros(count, np.bool_)
    for i in range(1, count):
        y, h = int(stats[i][1]), int(stats[i][3])
        kept[i] = h > PIECE_ROWS * tall and y > top + GAP_FROM * tall and y + h > top + 0.5 * tall
    result = np.zeros_like(mask)
    if kept.any():
        result[near] = kept[labels]
    return result


def _are_legs(gap: BoolArray, rows: int, tall: int) -> bool:
    """Whether `gap`, `rows` high in a garment `tall` px high, lies between legs."""
    if rows >= LEGS_ROWS * tall:
        return True
    return bool(rows >= NOTCH_ROWS * tall and rows > NOTCH_SLENDER * gap.sum() / max(rows, 1))
