"""Neck, collar and shoulder tip on one half outline of an upper garment."""

from __future__ import annotations

from typing import Final

import numpy as np

from models.garment.halves import Half, furthest, line, off_chord, turning
from models.types import FloatArray

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
NECK_APART: Final = 0.15
NECK_WINDOW: Final = 0.06
"""Corners of both sides that lie further apart than the first, mirrored (torso widths), cannot both be the neck's: it is where both sides
together have the best ones, within the second of one distance from the axis."""
COLLAR_RISE: Final = (0.07, 0.29)
"""Torso widths a collar stands above the neck point."""
HOOD_RISE: Final = (0.26, 0.95)
HOOD_BULGE: Final = 0.02
HOOD_TOP: Final = 0.05
"""A hood stands so much, bulges so much over its foot, and is highest at the axis but for so much: torso widths."""
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
LINE_BEND: Final = (0.001, 0.003, 0.005, 0.007)
"""Torso widths by which the outline then lies under the line where the shoulder ends; the places found with each are averaged."""


def neck_distance(pair: tuple[Half, Half], width: float, armpits: tuple[int, int] | None) -> float | None:
    """How far (px) from the axis the neck's corners lie, where each side by itself would put them elsewhere; else None."""
    stops = armpits or (len(pair[0].points) // 2, len(pair[1].points) // 2)
    corners = [_neck_corner(half, width, stop) for half, stop in zip(pair, stops, strict=True)]
    found = [float(half.u[corner]) for half, corner in zip(pair, corners, strict=True)]
    if abs(found[0] - found[1]) < NECK_APART * width:
        return None

    def together(u: float) -> float:
        both = (_worth(half, width, stop)[np.abs(half.u[:stop] - u) < NECK_WINDOW * width] for half, stop in zip(pair, stops, strict=True))
        return float(sum(worth.max(initial=-np.inf) for worth in both))

    return max(found, key=together)


def find_neck(half: Half, width: float, armpit: int | None, distance: float | None = None) -> tuple[int, int | None]:
    """Index of the side neck point, and of the top of a collar that stands above it; distance: see `neck_distance`."""
    stop = armpit if armpit is not None else len(half.points) // 2
    upper = half.points[:stop]
    top = _neck_corner(half, width, stop, distance)
    hood = _hood_foot(half, width, stop)
    if hood is not None:
        return hood, top
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


def _hood_foot(half: Half, width: float, stop: int) -> int | None:
    """Index of the hollow at the foot of a hood that stands above the neck, if there is one."""
    if half.y[0] > half.y[:stop].min() + HOOD_TOP * width:
        return None
    y = half.y[:stop] - half.y[:stop].min()
    span = np.flatnonzero((y > HOOD_RISE[0] * width) & (y < HOOD_RISE[1] * width) & (half.u[:stop] < COLLAR_FOOT * width))
    if not span.size:
        return None
    foot = int(span[half.u[span].argmin()])
    bulges = half.u[:foot].max(initial=0.0) > half.u[foot] + HOOD_BULGE * width
    # below its foot the shoulder goes out again
    beyond = half.u[foot : min(stop, foot + round(0.3 * width))].max() > half.u[foot] + 0.1 * width
    return foot if bulges and beyond else None


def _neck_corner(half: Half, width: float, stop: int, distance: float | None = None) -> int:
    """Index of the corner, near the top of the outline, between neckline (or collar's edge) and shoulder."""
    worth = _worth(half, width, stop)
    if distance is not None:
        near = np.abs(half.u[:stop] - distance) < NECK_WINDOW * width
        worth = np.where(near, worth, -np.inf) if np.isfinite(worth[near]).any() else worth
    return int(worth.argmax())


def _worth(half: Half, width: float, stop: int) -> FloatArray:
    """(stop,) how much of a neck's corner each point of the outline has: radians."""
    upper = half.points[:stop]
    turn = turning(half, max(3, round(NECK_REACH * width)))[:stop]
    lean = np.deg2rad(NECK_LEAN_DEG)
    height = upper @ np.array([np.sin(lean), -np.cos(lean)], np.float32)
    u, y = upper.T
    inside = (u > NECK_FROM[0] * width) & (u < NECK_FROM[1] * width) & (y < y.min() + NECK_DROP * width)
    if not inside.any():
        return np.asarray(height - height.max(), np.float32)
    worth = np.minimum(turn, NECK_TURN) + NECK_HEIGHT * (height - height[inside].max()) / width
    return np.where(inside, worth, -np.inf).astype(np.float32)


def shoulder_tip(half: Half, width: float, neck: int, armpit: int) -> int:
    """Where the straight shoulder line begins to bend into the sleeve, near its usual place above the armpit."""
    usual = half.u[armpit] - TIP_INSIDE * width
    above = np.arange(neck, armpit)
    above = above[: int(half.u[above].argmax()) + 1] if above.size else above
    if above.size < 3:
        return neck
    step = max(1, round(0.01 * width))
    first, ahead = neck + round(LINE_FROM * width), round(LINE_AHEAD * width)
    at = first + round(LINE_LEAST * width)
    reached, bend = [float(half.u[min(at, len(half.points) - 1)])], [0.0]
    while at + ahead < armpit and reached[-1] < usual + TIP_RANGE * width and bend[-1] < LINE_BEND[-1]:
        middle, direction = line(half.points[first:at])
        direction = direction * np.sign(direction[0])
        off = (half.points[at : at + ahead] - middle) @ np.array([-direction[1], direction[0]])
        reached.append(float(half.u[at]))
        bend.append(max(float(off.mean()) / width, bend[-1]))
        at += step
    reached.append(max(reached[-1], usual + TIP_RANGE * width))
    bend.append(max(LINE_BEND[-1], bend[-1]) + 1e-3)
    # one bend is a matter of a pixel's noise; the mean over several is not
    crossed = np.interp(LINE_BEND, bend, reached)
    u = float(np.clip(crossed, usual - TIP_RANGE * width, usual + TIP_RANGE * width).mean())
    return int(above[np.abs(half.u[above] - u).argmin()])


def bare_shoulder(half: Half, width: float, neck: int) -> int:
    """Outer end of a shoulder without a sleeve: furthest up and out."""
    below = np.flatnonzero(half.y[neck:] > half.y[neck] + 0.35 * width)
    stop = neck + int(below[0]) if below.size else len(half.points)
    return neck + furthest(half.points[neck : max(stop, neck + 1)], (0.7, -0.7))
