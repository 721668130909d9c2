"""The category of a garment from its outline alone.

Lower garments have a straight upper edge and, below its corners, no shoulders: their sides fall off and do not narrow.
A dress is a top that is long for its chest; a skirt that swings out makes it one at a length at which a straight garment
may still be a tunic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from models.errors import GarmentNotReadable
from models.garment.axis import Frame, find_frame
from models.garment.halves import halves, off_chord, open_gaps
from models.garment.landmarks import find_marks, side_line
from models.garment.legs import find_parting
from models.garment.lower import LowerMarks, find_lower_marks
from models.garment.maskops import extents, runs_at
from models.types import BoolArray, Category, FloatArray

FLAT_TOP: Final = 0.95
"""Lower garments: share of the top edge's middle that lies within a few rows of the top."""
LEG_GAP: Final = 0.30
"""Trousers: share of the height, from the hem up, over which the legs are apart."""
SHOULDER: Final = 0.12
"""Lower garments: shoulders, half widths of the whole, are shorter than this ..."""
FRAYED: Final = 0.35
"""... or than this, where there are legs: torn jeans have fringes."""
SHOULDER_DEG: Final = 38.0
"""What goes outwards flatter than this is a shoulder or a sleeve; the sides of circle skirts fall at 45 degrees and more."""
SHOULDER_ROWS: Final = 0.45
"""Share of the height from the top within which shoulders lie."""
DIRECTION_REACH: Final = 0.03
"""Whole widths over which the outline's direction is measured."""
SHRINK: Final = 0.03
"""Skirts never narrow on their upper 45 % by more than this share of the whole width."""
HOLLOW: Final = 0.012
"""Skirts are no more hollow than this, whole widths, under the corners of their tops: they run over the hips."""
HOLLOW_ROWS: Final = 0.3
DOME: Final = 0.11
"""The back of a waistband rises less than this, waist widths, over the waist's corners."""
APART: Final = 0.12
"""Share of the lower rows in which something may hang beside a skirt: ribbons."""
NARROW_TOP: Final = 0.2
"""The upper edge of a lower garment measures at least this share of the whole width: what is narrower is a collar."""
DRESS_LENGTH: Final = 3.35
FLARE_WEIGHT: Final = 0.7
"""Dresses: length from the neck over the armpit width, plus this times the hem's width over the waist's, is at least so much:
straight ones from 2.65 armpit widths, full skirts from about 2.1."""
FLARE_MOST: Final = 2.0
"""Wider hems count the same."""
DRESS_SPREAD: Final = 0.4
"""The score is full so far from that limit."""
DRESS_RATIO: Final = 3.15
"""Where armpits are not found: height over the narrowest run at the waist."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What tells lower garments on an outline."""

    flat: float
    """Share of the top edge's middle that is cloth within a few rows of the top."""
    legs: float
    """Share of the height over which legs are apart."""
    shoulder: float
    """How far the outline goes outwards flatter than `SHOULDER_DEG` below the corners of its top, half widths of the whole."""
    shrink: float
    """How much the extent narrows on the upper 45 %, over the whole width."""
    hollow: float
    """How far the outline lies inside the straight line from the top's corner to `HOLLOW_ROWS` of the height, whole widths: armholes."""
    dome: float
    """How far the top rises over the line between its corners, over their distance: necks and shoulders do."""
    apart: float
    """Share of the lower half's rows in which something hangs beside the run on the axis: sleeves, where there are no legs."""
    top: float
    """Width between the corners of the top over the whole width."""


def find_category(mask: BoolArray, frame: Frame | None = None) -> tuple[Category, float]:
    """The category of the garment `mask` (H, W), and 0.5..1 how far it is from being another; `frame` its upright frame, if known."""
    frame = frame or find_frame(mask)
    upright = frame.upright(mask.astype(np.float32)) > 0.5
    lower = lower_score(measure(upright, frame.axis_x))
    if lower >= 0.5:
        return Category.LOWER, lower
    dress = _dress_score(upright, frame)
    return (Category.DRESS, dress) if dress >= 0.5 else (Category.UPPER, min(1 - dress, max(0.5, 1 - lower)))


def lower_score(shape: Shape) -> float:
    """0..1, from 0.5 on a lower garment: each measure's distance from its limit, the worst counts."""
    if shape.legs >= LEG_GAP:
        margins = [
            _margin(-shape.dome, -DOME, 0.08),
            _margin(shape.flat, FLAT_TOP - 0.25, 0.3),
            _margin(-shape.shoulder, -FRAYED, 0.3),
            _margin(shape.top, NARROW_TOP, 0.15),
        ]
    else:
        margins = [
            _margin(shape.flat, FLAT_TOP, 0.05),
            _margin(-shape.shoulder, -SHOULDER, 0.12),
            _margin(-shape.shrink, -SHRINK, 0.03),
            _margin(-shape.dome, -DOME, 0.05),
            _margin(-shape.apart, -APART, 0.12),
            _margin(-shape.hollow, -HOLLOW, 0.012),
            _margin(shape.top, NARROW_TOP, 0.1),
        ]
    return min(margins)


def _margin(value: float, limit: float, full: float) -> float:
    """0.5 at `limit`, 1 at `full` over it, 0 as far under it."""
    return float(np.clip(0.5 + 0.5 * (value - limit) / full, 0.0, 1.0))


def _dress_score(upright: BoolArray, frame: Frame) -> float:
    """0..1, from 0.5 on a dress."""
    try:
        opened = open_gaps(upright)
        marks = find_marks(opened, frame.axis_x, halves(opened, frame.axis_x), dress=True)
    except GarmentNotReadable:
        rows = np.flatnonzero(upright.any(1))
        runs = upright[rows[0] + int(0.28 * len(rows)) : rows[0] + int(0.6 * len(rows))].sum(1)
        return _margin(len(rows) / max(float(runs.min()), 1.0), DRESS_RATIO, 1.0)
    pairs = list(zip(marks.halves, marks.sides, strict=True))
    left, right = (side_line(half, side.armpit, side.hem, 60) for half, side in pairs)
    across = left[:, 0] + right[:, 0]
    neck, hem = (float(np.mean([half.y[getattr(side, name)] for half, side in pairs])) for name in ("neck", "hem"))
    # just over the corners, which are rounded; the waist lies somewhere on the upper three quarters
    flare = min(FLARE_MOST, float(across[-3] / across[3:45].min()))
    return _margin((hem - neck) / float(across[0]) + FLARE_WEIGHT * flare, DRESS_LENGTH, DRESS_SPREAD)


def measure(upright: BoolArray, axis_x: float) -> Shape:
    ys, xs = np.flatnonzero(upright.any(1)), np.flatnonzero(upright.any(0))
    y0, height, whole = int(ys[0]), int(np.ptp(ys)) + 1, float(np.ptp(xs) + 1)
    rows = upright[y0 : y0 + height]
    first, end = extents(rows)
    upper = _smooth((end - first).astype(np.float32), height)[int(0.03 * height) : int(SHOULDER_ROWS * height)]
    try:
        marks = find_lower_marks(upright, axis_x)
    except GarmentNotReadable:
        return Shape(0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0)
    parting = find_parting(upright, axis_x)
    legs = 0.0 if parting.crotch_y is None else (y0 + height - parting.crotch_y) / height
    corners = marks.waist_corners(axis_x)
    return Shape(
        flat=_flatness(upright, corners, height),
        legs=legs,
        shoulder=_shoulder(marks, y0 + SHOULDER_ROWS * height, whole),
        shrink=float((np.maximum.accumulate(upper) - upper).max() / whole),
        hollow=_hollow(marks, y0 + HOLLOW_ROWS * height) / whole,
        dome=float((corners[:, 1].mean() - y0) / max(1.0, corners[1, 0] - corners[0, 0])),
        apart=_apart(rows[height // 2 : int(0.97 * height)], round(axis_x)) if legs == 0.0 else 0.0,
        top=float(corners[1, 0] - corners[0, 0]) / whole,
    )


def _shoulder(marks: LowerMarks, lowest: float, whole: float) -> float:
    """How far the outline goes outwards nearly level below the corners of the top and above `lowest`, half widths; the lesser side."""
    reach = max(3, round(DIRECTION_REACH * whole))
    found = []
    for half, at in zip(marks.halves, marks.waist, strict=True):
        arc = half.points[at : marks.hem[0] if half is marks.halves[0] else marks.hem[1]]
        arc = arc[: int(np.argmax(arc[:, 1] > lowest)) or len(arc)]
        if len(arc) <= reach:
            found.append(0.0)
            continue
        along = arc[reach:] - arc[:-reach]
        level = np.abs(np.arctan2(along[:, 1], along[:, 0])) < np.deg2rad(SHOULDER_DEG)
        # the corner itself turns from level to steep
        level[: 2 * reach] &= bool(level[reach : 3 * reach].all())
        found.append(float(along[level, 0].sum()) / reach / (whole / 2))
    return min(found)


def _hollow(marks: LowerMarks, lowest: float) -> float:
    """How far, px, the outline between the corners of the top and `lowest` lies inside the straight line; the lesser side."""
    found = []
    for half, at in zip(marks.halves, marks.waist, strict=True):
        arc = half.points[at : max(at + 3, int(np.argmax(half.y > lowest)))]
        found.append(max(0.0, -float(off_chord(arc).min())))
    return min(found)


def _apart(rows: BoolArray, axis: int) -> float:
    """Share of `rows` (n, w) whose run at column `axis` is clearly shorter than their whole extent."""
    run, (first, end) = runs_at(rows, axis), extents(rows)
    return int(np.count_nonzero((run > 0) & (run < 0.9 * (end - first)))) / max(1, len(rows))


def _smooth(values: FloatArray, height: int) -> FloatArray:
    reach = 2 * int(0.012 * height) + 1
    return np.asarray(cv2.blur(values[:, None], (1, reach))[:, 0], np.float32)


def _flatness(upright: BoolArray, corners: FloatArray, height: int) -> float:
    """Share of the columns of the middle 80 % between the top's `corners` whose cloth begins within 5 % of the height of them."""
    left, right = corners[:, 0]
    cut = 0.1 * (right - left)
    columns = slice(max(0, round(left + cut)), max(1, round(right - cut) + 1))
    middle = upright[: int(corners[:, 1].mean() + 0.05 * height) + 1, columns].any(0)
    return float(middle.mean()) if middle.size else 0.0
