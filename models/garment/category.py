"""The category of a garment from its outline alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from models.garment.axis import find_frame
from models.types import BoolArray, Category, FloatArray

LEG_GAP: Final = 0.30
"""Trousers: share of the height over which the axis is empty from the hem up."""
WIDE_TOP: Final = 0.65
"""Trousers: width near the top edge, share of the widest run."""
SKIRT_TOP: Final = 0.40
SKIRT_SHRINK: Final = 0.03
"""Skirts never narrow on their upper 45 % by more than this share of the whole width."""
FLAT_TOP: Final = 0.95
"""Lower garments: share of the top edge's middle that lies within a few rows of the top."""
DRESS_RATIO: Final = 3.15
"""Dresses: height over the narrowest run at the waist."""
DRESS_ASPECT: Final = 1.5
"""Dresses: height over width of the whole."""
SWING_FLARE: Final = 1.4
SWING_RATIO: Final = 2.7
SWING_ASPECT: Final = 1.35
SWING_GAP: Final = 0.05
"""The same two where the hem is so many times as wide as the waist, and nothing hangs below it (long sleeves do)."""


@dataclass(frozen=True, slots=True)
class _Shape:
    """What is measured on an outline; widths are those of runs that hold the axis, or of the whole row where it is split."""

    gap: float
    """Share of the height, from the hem up, over which the axis is empty."""
    flat: float
    """Share of the top edge's middle that is cloth within a few rows of the top."""
    near_top: float
    """Extent of the cloth near the top, over the widest."""
    ratio: float
    """Height over the width at the waist."""
    aspect: float
    """Height over width."""
    shrink: float
    """How much the extent narrows on the upper 45 %, over the whole width."""
    apart: float
    """Share of the lower rows in which something hangs beside the run on the axis: sleeves, legs."""
    grows: float
    """How much wider the cloth becomes between 3 % and 12 % of the height, over the whole width."""
    flare: float
    """Width near the hem over that at the waist."""


def find_category(mask: BoolArray) -> tuple[Category, float]:
    """The category of the garment `mask` (H, W), and 0..1 how far it is from being another."""
    shape = _measure(mask)
    if shape.gap >= LEG_GAP and shape.flat >= FLAT_TOP and shape.near_top >= WIDE_TOP:
        return Category.LOWER, _sure(shape.gap / LEG_GAP, 2.0)
    skirt = shape.apart < 0.1 and shape.flat >= FLAT_TOP and shape.near_top >= SKIRT_TOP and shape.grows < 0.2
    if skirt and shape.shrink < SKIRT_SHRINK and shape.ratio > 0.9:
        return Category.LOWER, _sure(SKIRT_SHRINK / max(shape.shrink, 1e-3), 3.0)
    # a skirt that swings out is one at a length at which a straight garment may still be a tunic
    needed, aspect = (SWING_RATIO, SWING_ASPECT) if shape.flare >= SWING_FLARE and shape.gap < SWING_GAP else (DRESS_RATIO, DRESS_ASPECT)
    if shape.ratio >= needed and shape.aspect >= aspect:
        return Category.DRESS, _sure(min(shape.ratio / needed, shape.aspect / aspect), 1.3)
    return Category.UPPER, _sure(max(needed / shape.ratio, aspect / shape.aspect), 1.3)


def _sure(margin: float, full: float) -> float:
    """0.5 at a margin of 1 (on the line), 1 at `full`."""
    return float(np.clip(0.5 + 0.5 * (margin - 1) / (full - 1), 0.5, 1.0))


def _measure(mask: BoolArray) -> _Shape:
    frame = find_frame(mask)
    upright = frame.upright(mask.astype(np.float32)) > 0.5
    ys, xs = np.nonzero(upright)
    y0, height, whole = int(ys.min()), int(np.ptp(ys)) + 1, float(np.ptp(xs) + 1)
    axis = int(np.clip(round(frame.axis_x), 0, mask.shape[1] - 1))
    inner, outer = [], []
    for row in upright[y0 : y0 + height]:
        cloth = np.flatnonzero(row)
        extent = float(cloth[-1] - cloth[0] + 1) if cloth.size else 0.0
        empty = np.flatnonzero(~row)
        left, right = empty[empty < axis], empty[empty > axis]
        run = float((right[0] if right.size else len(row)) - (left[-1] if left.size else -1) - 1) if row[axis] else 0.0
        outer.append(extent)
        inner.append(run if run > 0.25 * whole else extent)
    runs, extents = _smooth(inner, height), _smooth(outer, height)

    def at(share: float) -> int:
        return min(height - 1, int(share * height))

    waist = float(runs[at(0.28) : at(0.6)].min())
    upper = extents[at(0.03) : at(0.45)]
    legs = upright[y0 : y0 + height, max(0, axis - 2) : axis + 3].any(1)
    filled = np.flatnonzero(legs)
    gap = (height - 1 - int(filled[-1])) / height if filled.size else 1.0
    return _Shape(
        gap=gap,
        flat=_flatness(upright, y0, height),
        near_top=float(extents[at(0.03)] / extents.max()),
        ratio=height / max(waist, 1.0),
        aspect=height / whole,
        shrink=float((np.maximum.accumulate(upper) - upper).max() / whole),
        apart=float((runs[at(0.72) : at(0.97)] < 0.8 * extents[at(0.72) : at(0.97)]).mean()),
        grows=float((extents[at(0.12)] - extents[at(0.03)]) / whole),
        flare=float(np.median(runs[at(0.85 * (1 - gap)) : at(0.97 * (1 - gap))])) / max(waist, 1.0) if gap < LEG_GAP else 1.0,
    )


def _smooth(values: list[float], height: int) -> FloatArray:
    reach = 2 * int(0.012 * height) + 1
    return np.asarray(cv2.blur(np.asarray(values, np.float32)[:, None], (1, reach))[:, 0], np.float32)


def _flatness(upright: BoolArray, y0: int, height: int) -> float:
    """Share of the columns near the top edge's middle 80 % whose cloth begins within 5 % of the height."""
    band = upright[y0 : y0 + max(2, int(0.06 * height))].any(0)
    columns = np.flatnonzero(band)
    left, right = int(columns[0]), int(columns[-1])
    cut = int(0.1 * (right - left))
    middle = upright[y0 : y0 + max(2, int(0.05 * height)), left + cut : right - cut + 1].any(0)
    return float(middle.mean()) if middle.size else 0.0
