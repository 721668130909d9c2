"""Landmarks of an upper garment, from its outline alone.

Armpits come first; everything else is found on the stretches that they cut the outline into.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from models.errors import GarmentNotReadable
from models.garment.armpits import HANGS, HIDDEN_FROM, SLIT_DEG, bare_armpit, find_armpits, shoulder_level, with_corner, with_hidden_pit
from models.garment.halves import Half, furthest
from models.garment.maskops import runs_at
from models.garment.shoulders import bare_shoulder, find_neck, neck_distance, shoulder_tip
from models.types import BoolArray, FloatArray

AGREE_FROM: Final = 0.04
AGREE_WITHIN: Final = 0.2
"""Torso widths: landmarks of both sides that lie further apart, mirrored, than cloth is laid unevenly, but no further than one
garment's can be, are moved to their middle."""
SHORTEST_SIDE: Final = 0.1
"""Torso widths a side measures at least."""
TORSO_ROWS: Final = (0.45, 0.8)
"""Shares of a top's height between which its torso hangs free of sleeves."""
BODICE_ROWS: Final = (0.15, 0.55)
CHEST_OVER_WAIST: Final = 1.1
"""Shares of a dress's height between which its waist lies, from maxi to mini; and the chest's width over the waist's."""
LONGEST: Final = 5.5
"""Armpit widths from the neck to the hem of the longest dress."""
STRAP_SHARE: Final = 1 / 7
SIDE_ROWS: Final = 9
DRESS_ROWS: Final = 17
"""Rows of `side` of tops and of dresses."""


@dataclass(frozen=True, slots=True)
class SideMarks:
    """Landmarks of one half, as indices into its outline."""

    neck: int
    shoulder: int
    armpit: int
    hem: int
    collar: int | None


@dataclass(frozen=True, slots=True)
class UpperMarks:
    """Landmarks of both halves."""

    halves: tuple[Half, Half]
    """The half outlines, their armpits sharpened."""
    sides: tuple[SideMarks, SideMarks]
    sleeved: bool
    straps: bool
    torso_width: float
    armpit_turn: float
    """Radians: how sharp the blunter armpit is (0 without sleeves)."""


def find_marks(mask: BoolArray, axis_x: float, pair: tuple[Half, Half], *, dress: bool = False) -> UpperMarks:
    """Landmarks of the upper garment, or `dress`, `mask` (upright) with half outlines `pair`.

    Raises GarmentNotReadable when the outline is not that of an upper garment laid out flat.
    """
    width = bodice_width(mask, axis_x) if dress else torso_width(mask, axis_x)
    armpits = find_armpits(pair, width)
    if armpits is not None:
        width = float(sum(half.u[i] for half, i in zip(pair, armpits[0], strict=True)))
        first, second = (with_corner(half, i, width) for half, i in zip(pair, armpits[0], strict=True))
        pair = (first, second)
    marks = []
    distance = neck_distance(pair, width, armpits[0] if armpits else None)
    for k, half in enumerate(pair):
        neck, collar = find_neck(half, width, armpits[0][k] if armpits else None, distance)
        if armpits:
            pit = armpits[0][k]
            tip = shoulder_tip(half, width, neck, pit)
        else:
            tip = bare_shoulder(half, width, neck)
            pit = bare_armpit(half, width, tip)
        marks.append(SideMarks(neck, tip, pit, _hem(half, pit), collar))
    left, right = marks
    if (left.collar is None) != (right.collar is None):
        left, right = (_without_collar(m, half, width, armpits is not None) for m, half in zip(marks, pair, strict=True))
    left, right = _agreed(pair, (left, right), width, ("shoulder",) if dress else ("shoulder", "hem"))
    if armpits is not None and armpits[1] > np.deg2rad(SLIT_DEG):
        pair, (left, right) = _under_sleeves(pair, (left, right), width)
    _check(pair, (left, right), width)
    _check_slender(pair, (left, right), width)
    shoulder = [float(np.hypot(*(h.points[m.shoulder] - h.points[m.neck]))) for h, m in zip(pair, (left, right), strict=True)]
    straps = armpits is None and max(shoulder) < STRAP_SHARE * width
    return UpperMarks(pair, (left, right), armpits is not None, straps, width, armpits[1] if armpits else 0.0)


def _under_sleeves(
    pair: tuple[Half, Half], marks: tuple[SideMarks, SideMarks], width: float
) -> tuple[tuple[Half, Half], tuple[SideMarks, SideMarks]]:
    """`pair` and `marks` with the armpits where sleeves that lie over the torso hide them: what is seen of those slits begins lower."""
    depths = [(half.y[m.armpit] - shoulder_level(half, width)) / width for half, m in zip(pair, marks, strict=True)]
    reach = [np.hypot(*(half.points[m.shoulder : m.armpit] - half.points[m.shoulder]).T).max() for half, m in zip(pair, marks, strict=True)]
    if np.mean(depths) < HIDDEN_FROM or np.mean(reach) < HANGS * width:
        return pair, marks
    found = [with_hidden_pit(half, m.armpit, width) for half, m in zip(pair, marks, strict=True)]
    (left, right), (first, second) = marks, (count for _, count in found)
    raised = (
        replace(left, armpit=left.armpit + first, hem=left.hem + 2 * first),
        replace(right, armpit=right.armpit + second, hem=right.hem + 2 * second),
    )
    return (found[0][0], found[1][0]), raised


def _check_slender(pair: tuple[Half, Half], marks: tuple[SideMarks, SideMarks], width: float) -> None:
    """Raises GarmentNotReadable when the garment is too long for its armpit width."""
    tall = float(np.mean([half.y[m.hem] - half.y[m.neck] for half, m in zip(pair, marks, strict=True)]))
    if tall > LONGEST * width:
        raise GarmentNotReadable("The garment is too narrow for its length; it may be folded lengthwise: lay it out flat, front up.")


def _check(pair: tuple[Half, Half], marks: tuple[SideMarks, SideMarks], width: float) -> None:
    """Raises GarmentNotReadable unless the landmarks follow each other as on a garment laid out flat."""
    for half, m in zip(pair, marks, strict=True):
        in_order = m.neck <= m.shoulder < m.armpit < m.hem - 2
        if not in_order or half.y[m.hem] - half.y[m.armpit] < SHORTEST_SIDE * width or half.y[m.armpit] <= half.y[m.shoulder]:
            raise GarmentNotReadable("Neck, shoulders and sides were not found: lay the garment out flat, front up, sleeves apart.")


def _agreed(
    pair: tuple[Half, Half], marks: tuple[SideMarks, SideMarks], width: float, names: tuple[str, ...]
) -> tuple[SideMarks, SideMarks]:
    """`marks` with those of `names` moved to where both sides agree, unless they lie far apart (hems of dresses are cut slanted)."""
    left, right = marks
    for name in names:
        index = [int(getattr(m, name)) for m in (left, right)]
        places = [half.points[i] for half, i in zip(pair, index, strict=True)]
        apart = float(np.hypot(*(places[0] - places[1]))) / width
        if not AGREE_FROM < apart < AGREE_WITHIN:
            continue
        middle = (places[0] + places[1]) / 2
        reach = int(AGREE_WITHIN * width)
        spans = [(max(0, i - reach), half.points[max(0, i - reach) : i + reach + 1]) for half, i in zip(pair, index, strict=True)]
        found = [first + int(np.hypot(*(points - middle).T).argmin()) for first, points in spans]
        if name == "hem":
            left, right = (replace(m, hem=max(i, m.armpit + 3)) for m, i in zip((left, right), found, strict=True))
        else:
            left, right = (replace(m, shoulder=i) for m, i in zip((left, right), found, strict=True))
    return left, right


def torso_width(mask: BoolArray, axis_x: float) -> float:
    """Median px, over the lower middle rows, of the run that holds the axis."""
    return float(np.median(_runs(mask, axis_x, TORSO_ROWS)))


def bodice_width(mask: BoolArray, axis_x: float) -> float:
    """Width px of a dress at the chest, from its narrowest run above the skirt."""
    return CHEST_OVER_WAIST * float(np.percentile(_runs(mask, axis_x, BODICE_ROWS), 10))


def _runs(mask: BoolArray, axis_x: float, rows: tuple[float, float]) -> npt.NDArray[np.float64]:
    """(n,) lengths px of the runs that hold the axis, over the given shares of the height."""
    ys = np.flatnonzero(mask.any(1))
    top, bottom = int(ys[0]), int(ys[-1])
    x = int(np.clip(round(axis_x), 0, mask.shape[1] - 1))
    runs = runs_at(mask[top + int(rows[0] * (bottom - top)) : top + int(rows[1] * (bottom - top))], x)
    widths = runs[runs > 0].astype(np.float64)
    if not widths.size:
        raise GarmentNotReadable("The garment has no cloth along its middle: close it if it opens in front, and lay it out flat, front up.")
    return widths


def _without_collar(marks: SideMarks, half: Half, width: float, sleeved: bool) -> SideMarks:
    """A collar seen on one side only is none."""
    if marks.collar is None:
        return marks
    tip = marks.shoulder if sleeved else bare_shoulder(half, width, marks.collar)
    return SideMarks(marks.collar, tip, marks.armpit, marks.hem, None)


def _hem(half: Half, armpit: int) -> int:
    """Lower corner of the torso: furthest down and out."""
    return armpit + furthest(half.points[armpit:], (0.7, 0.7))


def side_line(half: Half, armpit: int, hem: int, rows: int = SIDE_ROWS) -> FloatArray:
    """(rows, 2) u, y of the outline at even heights from armpit to hem corner."""
    arc = half.points[armpit : hem + 1]
    ys = np.linspace(arc[0, 1], arc[-1, 1], rows)
    # the outline may turn back a little: take it as a function of height by running maximum
    height = np.maximum.accumulate(arc[:, 1]) + np.arange(len(arc)) * 1e-4
    u = np.interp(ys, height, arc[:, 0])
    u[0], u[-1] = arc[0, 0], arc[-1, 0]
    return np.stack([u, ys], -1).astype(np.float32)
