"""Landmarks of an upper garment, from its outline alone.

Armpits come first: the sharpest concave corners of the two half outlines that lie at mirrored places with a sleeve
above them. Everything else is found on the stretches that they cut the outline into.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from models.errors import GarmentNotReadable
from models.garment.halves import Half, corner, furthest, line, off_chord, turning
from models.types import BoolArray, FloatArray

ARMPIT_REACHES: Final = (0.11, 0.22)
"""Torso widths to both sides over which the outline's turn is measured at an armpit: corners, and the soft bends of dolman sleeves."""
ARMPIT_LEAST_TURN_DEG: Final = 16.0
ARMPIT_FROM: Final = 0.14
ARMPIT_TO: Final = (1.0, 1.7)
"""Torso widths under the shoulder within which armpits lie; slits between a sleeve and the torso may begin deeper."""
SLIT_DEG: Final = 110.0
"""A turn from which a concave corner is such a slit."""
ARMPIT_USUAL: Final = 0.42
ARMPIT_UNUSUAL: Final = 0.9
"""Radians of turn that one torso width off the usual depth costs."""
MIRROR_COST: Final = 6.0
"""Radians of turn that one torso width between mirrored armpits costs."""
SLEEVE_LEAST: Final = 0.045
"""Torso widths a sleeve must reach out beyond its armpit."""
BELOW_ARMPIT: Final = 0.3
"""Torso widths below an armpit within which the torso must not reach out further (else it is an armhole)."""
NECK_REACH: Final = 0.07
"""Torso widths to both sides over which the outline's turn is measured at the neck."""
NECK_FROM: Final = (0.06, 0.55)
NECK_DROP: Final = 0.12
"""Torso widths from the axis, and under the top of the outline, within which the neck's corner lies."""
NECK_TURN: Final = 1.0
"""Radians: corners sharper than this count the same."""
NECK_LEAN_DEG: Final = 8.0
NECK_HEIGHT: Final = 9.0
"""Radians that a corner must be sharper per torso width it lies lower, seen from a direction a little outwards of up."""
COLLAR_RISE: Final = (0.07, 0.29)
"""Torso widths a collar stands above the neck point."""
COLLAR_FOOT: Final = 0.36
"""Torso widths from the axis within which its foot lies; further out it is an armhole."""
COLLAR_HOLLOW: Final = 0.02
"""Torso widths by which the outline is hollow at the foot of a collar, at least."""
TIP_INSIDE: Final = 0.05
"""Torso widths a shoulder tip usually lies inside the armpit."""
TIP_RANGE: Final = 0.08
"""Torso widths from there within which the bend is believed."""
LINE_FROM: Final = 0.05
LINE_LEAST: Final = 0.12
LINE_AHEAD: Final = 0.06
"""Torso widths: the shoulder line is fitted from so far outside the neck, over at least so much, and compared with so much
of the outline ahead of it."""
LINE_BEND: Final = 0.004
"""Torso widths by which the outline then lies under the line where the shoulder ends."""
SLEEVELESS_PIT: Final = (0.28, 0.40, 0.60)
"""Depth of an armhole in torso widths: least, usual, most."""
SLEEVELESS_TURN_DEG: Final = 14.0
AGREE_FROM: Final = 0.04
AGREE_WITHIN: Final = 0.2
"""Torso widths: landmarks of both sides that lie further apart, mirrored, than cloth is laid unevenly, but no further than one
garment's can be, are moved to their middle."""
CORNER_REACH: Final = 0.09
CORNER_MOVE: Final = 0.06
"""Torso widths: how much of the outline tells the corner of an armpit, and how far that may move it."""
SHORTEST_SIDE: Final = 0.1
"""Torso widths a side measures at least."""
STRAP_SHARE: Final = 1 / 7
SIDE_ROWS: Final = 9


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


def find_marks(mask: BoolArray, axis_x: float, pair: tuple[Half, Half]) -> UpperMarks:
    """Landmarks of the upper garment `mask` (upright) with half outlines `pair`.

    Raises GarmentNotReadable when the outline is not that of an upper garment laid out flat.
    """
    width = torso_width(mask, axis_x)
    armpits = _armpits(pair, width)
    if armpits is not None:
        width = float(sum(half.u[i] for half, i in zip(pair, armpits[0], strict=True)))
        first, second = (_with_corner(half, i, width) for half, i in zip(pair, armpits[0], strict=True))
        pair = (first, second)
    marks = []
    for k, half in enumerate(pair):
        neck, collar = _neck(half, width, armpits[0][k] if armpits else None)
        if armpits:
            pit = armpits[0][k]
            tip = _shoulder_tip(half, width, neck, pit)
        else:
            tip = _bare_shoulder(half, width, neck)
            pit = _bare_armpit(half, width, tip)
        marks.append(SideMarks(neck, tip, pit, _hem(half, pit), collar))
    left, right = marks
    if (left.collar is None) != (right.collar is None):
        left, right = (_without_collar(m, half, width, armpits is not None) for m, half in zip(marks, pair, strict=True))
    left, right = _agreed(pair, (left, right), width)
    _check(pair, (left, right), width)
    shoulder = [float(np.hypot(*(h.points[m.shoulder] - h.points[m.neck]))) for h, m in zip(pair, (left, right), strict=True)]
    straps = armpits is None and max(shoulder) < STRAP_SHARE * width
    return UpperMarks(pair, (left, right), armpits is not None, straps, width, armpits[1] if armpits else 0.0)


def _check(pair: tuple[Half, Half], marks: tuple[SideMarks, SideMarks], width: float) -> None:
    """Raises GarmentNotReadable unless the landmarks follow each other as on a garment laid out flat."""
    for half, m in zip(pair, marks, strict=True):
        in_order = m.neck <= m.shoulder < m.armpit < m.hem - 2
        if not in_order or half.y[m.hem] - half.y[m.armpit] < SHORTEST_SIDE * width or half.y[m.armpit] <= half.y[m.shoulder]:
            raise GarmentNotReadable("Neck, shoulders and sides of the garment could not be told apart: lay it out flat, front up, sleeves apart.")


def _agreed(pair: tuple[Half, Half], marks: tuple[SideMarks, SideMarks], width: float) -> tuple[SideMarks, SideMarks]:
    """`marks` with shoulder tips and hem corners moved to where both sides agree, unless they lie far apart."""
    moved = []
    for name in ("shoulder", "hem"):
        index = [int(getattr(m, name)) for m in marks]
        places = [half.points[i] for half, i in zip(pair, index, strict=True)]
        apart = float(np.hypot(*(places[0] - places[1]))) / width
        if not AGREE_FROM < apart < AGREE_WITHIN:
            moved.append(index)
            continue
        middle = (places[0] + places[1]) / 2
        reach = int(AGREE_WITHIN * width)
        spans = [(max(0, i - reach), half.points[max(0, i - reach) : i + reach + 1]) for half, i in zip(pair, index, strict=True)]
        found = [first + int(np.hypot(*(points - middle).T).argmin()) for first, points in spans]
        moved.append([max(i, m.armpit + 3) if name == "hem" else i for i, m in zip(found, marks, strict=True)])
    left, right = (replace(m, shoulder=moved[0][k], hem=moved[1][k]) for k, m in enumerate(marks))
    return left, right


def _with_corner(half: Half, armpit: int, width: float) -> Half:
    """`half` whose point `armpit` is the sharp corner that its surroundings point at."""
    points = half.points.copy()
    points[armpit] = corner(half, armpit, max(6, round(CORNER_REACH * width)), CORNER_MOVE * width)
    return Half(points)


def torso_width(mask: BoolArray, axis_x: float) -> float:
    """Median px, over the lower middle rows, of the run that holds the axis."""
    ys = np.flatnonzero(mask.any(1))
    top, bottom = int(ys[0]), int(ys[-1])
    x = int(np.clip(round(axis_x), 0, mask.shape[1] - 1))
    widths = []
    for y in range(top + int(0.45 * (bottom - top)), top + int(0.8 * (bottom - top))):
        if mask[y, x]:
            empty = np.flatnonzero(~mask[y])
            right = empty[empty > x]
            left = empty[empty < x]
            widths.append((right[0] if right.size else mask.shape[1]) - (left[-1] if left.size else -1) - 1)
    if not widths:
        raise GarmentNotReadable("The garment has no cloth along its middle: lay it out flat, front up.")
    return float(np.median(widths))


def _armpits(pair: tuple[Half, Half], width: float) -> tuple[tuple[int, int], float] | None:
    """Indices of both armpits and the blunter one's turn in radians, or None without sleeves."""
    lists = [_armpit_candidates(half, width) for half in pair]
    best, found = -1e9, None
    for i, turn_i in lists[0]:
        for j, turn_j in lists[1]:
            apart = float(np.hypot(*(pair[0].points[i] - pair[1].points[j]))) / width
            score = turn_i + turn_j - MIRROR_COST * apart
            if score > best:
                best, found = score, ((i, j), min(turn_i, turn_j))
    return found


def _armpit_candidates(half: Half, width: float) -> list[tuple[int, float]]:
    """Index and worth, in radians, of each concave corner that may be an armpit."""
    top = _shoulder_level(half, width)
    result = []
    for share in ARMPIT_REACHES:
        reach = max(3, round(share * width))
        turn = -turning(half, reach)
        for i in np.flatnonzero(turn > np.deg2rad(ARMPIT_LEAST_TURN_DEG)):
            if turn[i] < turn[max(0, i - reach // 2) : i + reach // 2 + 1].max():
                continue
            depth = (half.y[i] - top) / width
            deepest = ARMPIT_TO[1] if turn[i] > np.deg2rad(SLIT_DEG) else ARMPIT_TO[0]
            if not ARMPIT_FROM < depth < deepest or not 0.22 * width < half.u[i] < 0.95 * width:
                continue
            sleeve = half.u[:i].max() - half.u[i]
            after = half.points[i : i + int(1.5 * BELOW_ARMPIT * width)]
            torso = after[after[:, 1] < half.y[i] + BELOW_ARMPIT * width]
            flare = max(0.0, float(torso[:, 0].max() - half.u[i])) if len(torso) else 0.0
            if sleeve - flare < SLEEVE_LEAST * width:
                continue
            result.append((int(i), float(turn[i]) - ARMPIT_UNUSUAL * max(0.0, abs(depth - ARMPIT_USUAL) - 0.1)))
    return result


def _shoulder_level(half: Half, width: float) -> float:
    """y of the outline a quarter of the torso's width from the axis: the shoulder, above any collar."""
    outer = np.flatnonzero(half.u > 0.3 * width)
    return float(half.y[outer[0]]) if outer.size else float(half.y.min())


def _neck(half: Half, width: float, armpit: int | None) -> tuple[int, int | None]:
    """Index of the side neck point, and of the top of a collar that stands above it."""
    stop = armpit if armpit is not None else len(half.points) // 2
    upper = half.points[:stop]
    top = _neck_corner(half, width, stop)
    outer = np.flatnonzero(upper[top:, 0] > min(0.42 * width, float(upper[:, 0].max()) * 0.85))
    lower = np.flatnonzero(upper[top:, 1] > upper[top, 1] + COLLAR_RISE[1] * width)
    end = top + min(int(reached[0]) if reached.size else len(upper) - top - 1 for reached in (outer, lower))
    if end - top < 5:
        return top, None
    hollow = off_chord(half.points[top : end + 1])
    foot = top + int(hollow.argmin())
    rise = float(half.y[foot] - half.y[top]) / width
    if -hollow.min() > COLLAR_HOLLOW * width and COLLAR_RISE[0] < rise < COLLAR_RISE[1] and half.u[foot] < COLLAR_FOOT * width:
        return foot, top
    return top, None


def _neck_corner(half: Half, width: float, stop: int) -> int:
    """Index of the corner, near the top of the outline, between neckline (or collar's edge) and shoulder."""
    upper = half.points[:stop]
    turn = turning(half, max(3, round(NECK_REACH * width)))[:stop]
    lean = np.deg2rad(NECK_LEAN_DEG)
    height = upper @ np.array([np.sin(lean), -np.cos(lean)], np.float32)
    inside = (upper[:, 0] > NECK_FROM[0] * width) & (upper[:, 0] < NECK_FROM[1] * width) & (upper[:, 1] < upper[:, 1].min() + NECK_DROP * width)
    if not inside.any():
        return int(height.argmax())
    worth = np.where(inside, np.minimum(turn, NECK_TURN) + NECK_HEIGHT * (height - height[inside].max()) / width, -np.inf)
    return int(worth.argmax())


def _without_collar(marks: SideMarks, half: Half, width: float, sleeved: bool) -> SideMarks:
    """A collar seen on one side only is none."""
    if marks.collar is None:
        return marks
    tip = marks.shoulder if sleeved else _bare_shoulder(half, width, marks.collar)
    return SideMarks(marks.collar, tip, marks.armpit, marks.hem, None)


def _shoulder_tip(half: Half, width: float, neck: int, armpit: int) -> int:
    """Where the straight shoulder line begins to bend into the sleeve, near its usual place above the armpit."""
    usual = half.u[armpit] - TIP_INSIDE * width
    above = np.arange(neck, armpit)
    above = above[: int(half.u[above].argmax()) + 1] if above.size else above
    if above.size < 3:
        return neck
    step = max(1, round(0.01 * width))
    first, ahead = neck + round(LINE_FROM * width), round(LINE_AHEAD * width)
    at = first + round(LINE_LEAST * width)
    while at + ahead < armpit and half.u[at] < usual + TIP_RANGE * width:
        middle, direction = line(half.points[first:at])
        direction = direction * np.sign(direction[0])
        off = (half.points[at : at + ahead] - middle) @ np.array([-direction[1], direction[0]])
        if off.mean() > LINE_BEND * width:
            break
        at += step
    u = float(np.clip(half.u[min(at, len(half.points) - 1)], usual - TIP_RANGE * width, usual + TIP_RANGE * width))
    return int(above[np.abs(half.u[above] - u).argmin()])


def _bare_shoulder(half: Half, width: float, neck: int) -> int:
    """Outer end of a shoulder without a sleeve: furthest up and out."""
    below = np.flatnonzero(half.y[neck:] > half.y[neck] + 0.35 * width)
    stop = neck + int(below[0]) if below.size else len(half.points)
    return neck + furthest(half.points[neck : max(stop, neck + 1)], (0.7, -0.7))


def _bare_armpit(half: Half, width: float, tip: int) -> int:
    """Lower end of an armhole: the convex corner where it meets the side, else at the usual depth."""
    least, usual, most = (half.y[tip] + d * width for d in SLEEVELESS_PIT)
    arc = np.arange(tip, len(half.points))
    inside = arc[(half.y[arc] >= least) & (half.y[arc] <= most) & (half.u[arc] > 0.3 * width)]
    if inside.size < 3:
        return int(arc[np.abs(half.y[arc] - usual).argmin()])
    turn = turning(half, max(3, round(0.12 * width)))[inside]
    if turn.max() > np.deg2rad(SLEEVELESS_TURN_DEG):
        return int(inside[turn.argmax()])
    return int(inside[np.abs(half.y[inside] - usual).argmin()])


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
