"""A garment's outline as two half outlines, each seen as if it were the right half.

A half outline runs from the top of the axis outwards, round sleeve or armhole, down the side and back to the axis
along the hem. Its points are (u, y): u px outwards from the axis, y px downwards. So one piece of code reads both
sides, and left and right can be compared point by point.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from models.errors import GarmentNotReadable
from models.garment.maskops import components, reachable_from_border
from models.types import BoolArray, FloatArray

CUT_WIDTH: Final = 3
"""px: how wide a sleeve that touches the torso is cut from it."""
CUT_SIDEWAYS: Final = 3.0
"""What a px to the side costs such a cut against a px downwards."""
OUTLINE_BLUR: Final = 2.0
"""px: smoothing of the outline along itself; pixel stairs go, corners stay within a pixel."""

SIGNS: Final = (-1.0, 1.0)
"""x direction of "outwards" of the left and the right half."""


@dataclass(frozen=True, slots=True)
class Half:
    """One half outline, a point about every px."""

    points: FloatArray
    """(n, 2) u, y."""

    @property
    def u(self) -> FloatArray:
        return self.points[:, 0]

    @property
    def y(self) -> FloatArray:
        return self.points[:, 1]


LOOP_TOP: Final = 0.12
SLIT_ASIDE: Final = 0.1
"""Holes that begin so high up (share of the height), or lie so near to the middle (share of the width), are loops and slits."""


def open_gaps(mask: BoolArray) -> BoolArray:
    """`mask` with each hole beside the torso opened downwards: a sleeve that touches the torso below its gap.

    The loops of straps and the slits in its middle are closed: they are no part of its outline.
    """
    outside = reachable_from_border(~mask, diagonally=True)
    holes = ~mask & ~outside
    if not holes.any():
        return mask
    count, labels, stats = components(holes)
    result = mask.astype(np.uint8)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    for i in range(1, count):
        x, y, w, h = (int(v) for v in stats[i, :4])
        hole = np.s_[y : y + h, x : x + w]
        piece = labels[hole] == i
        aside = abs(x + w / 2 - (columns[0] + columns[-1]) / 2)
        if y < rows[0] + LOOP_TOP * len(rows) or aside < SLIT_ASIDE * len(columns):
            result[hole][piece] = 1
            continue
        if h < 1.5 * w:
            continue
        x, y = x + int(piece[-1].argmax()), y + h - 1
        oy, ox = np.nonzero(outside[y:])
        if not oy.size:
            continue
        k = int(np.argmin(oy + CUT_SIDEWAYS * np.abs(ox - x)))
        cv2.line(result, (x, y), (int(ox[k]), int(oy[k]) + y), 0, CUT_WIDTH)
    opened: BoolArray = result.astype(bool)
    return opened


def halves(mask: BoolArray, axis_x: float) -> tuple[Half, Half]:
    """The left and the right half outline of `mask` (h, w).

    Raises GarmentNotReadable when the outline does not cross the axis.
    """
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = max(contours, key=cv2.contourArea).reshape(-1, 2).astype(np.float32)
    outline = _smooth_ring(outline)
    u = outline[:, 0] - axis_x
    crossing = np.flatnonzero((u <= 0) != (np.roll(u, -1) <= 0))
    if crossing.size < 2:
        raise GarmentNotReadable("The garment's two sides could not be told apart: lay it out flat, front up.")
    top, bottom = crossing[outline[crossing, 1].argmin()], crossing[outline[crossing, 1].argmax()]
    forward = np.roll(outline, -(top + 1), axis=0)[: (bottom - top) % len(outline)]
    backward = np.roll(outline, -(bottom + 1), axis=0)[: (top - bottom) % len(outline)][::-1]
    pair = sorted((forward, backward), key=lambda half: float(half[:, 0].mean()))
    left, right = (Half(resample(_outwards(half, axis_x, sign), step_px=1.0)) for half, sign in zip(pair, SIGNS, strict=True))
    return left, right


def half_between(side: BoolArray, start: FloatArray, stop: FloatArray, axis_x: float, sign: float) -> Half:
    """The outline of `side` (h, w), one half of a garment, the outer way round from near `start` (2,) xy to near `stop`.

    `sign` -1 for the left half, 1 for the right. Raises GarmentNotReadable when there is no cloth on that side.
    """
    contours, _ = cv2.findContours(side.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        raise GarmentNotReadable("The garment's two sides could not be told apart: lay it out flat, front up.")
    outline = max(contours, key=cv2.contourArea).reshape(-1, 2).astype(np.float32)
    outline = _smooth_ring(outline)
    first, last = (int(np.hypot(*(outline - point).T).argmin()) for point in (start, stop))
    forward = np.roll(outline, -first, axis=0)[: (last - first) % len(outline) + 1]
    backward = np.roll(outline, -last, axis=0)[: (first - last) % len(outline) + 1][::-1]
    outer = max((forward, backward), key=lambda way: float(np.abs(way[:, 0] - axis_x).max()))
    if len(outer) < 8:
        raise GarmentNotReadable("The garment's two sides could not be told apart: lay it out flat, front up.")
    return Half(resample(_outwards(outer, axis_x, sign), step_px=1.0))


def _outwards(half: FloatArray, axis_x: float, sign: float) -> FloatArray:
    return np.stack([(half[:, 0] - axis_x) * sign, half[:, 1]], -1).astype(np.float32)


def to_frame(points: FloatArray, axis_x: float, side: int) -> FloatArray:
    """(..., 2) (u, y) of half `side` (0 left, 1 right), as (x, y) of the upright frame."""
    return np.stack([axis_x + SIGNS[side] * points[..., 0], points[..., 1]], -1).astype(np.float32)


def _smooth_ring(ring: FloatArray) -> FloatArray:
    reach = int(4 * OUTLINE_BLUR)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / OUTLINE_BLUR) ** 2)
    kernel /= kernel.sum()
    padded = np.concatenate([ring[-reach:], ring, ring[:reach]])
    return np.stack([np.convolve(padded[:, k], kernel, mode="valid") for k in (0, 1)], -1).astype(np.float32)


def resample(curve: FloatArray, *, step_px: float = 0.0, count: int = 0) -> FloatArray:
    """(n, 2) the polyline at even arc length: `count` points, or one about every `step_px`."""
    length = np.r_[0.0, np.cumsum(np.hypot(*np.diff(curve, axis=0).T))]
    n = count or max(2, round(float(length[-1]) / step_px) + 1)
    at = np.linspace(0.0, length[-1], n)
    return np.stack([np.interp(at, length, curve[:, k]) for k in (0, 1)], -1).astype(np.float32)


def turning(half: Half, reach: int) -> FloatArray:
    """(n,) radians by which the outline turns at each point, over `reach` px to both sides; concave is negative.

    Down to -270 degrees at the end of a slit: a turn of more than 165 degrees is taken as a slit, not as a spike.
    """
    p = half.points
    n = len(p)
    before = p - p[np.maximum(np.arange(n) - reach, 0)]
    after = p[np.minimum(np.arange(n) + reach, n - 1)] - p
    cross = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    angle = np.arctan2(cross, (before * after).sum(-1))
    angle = np.where(angle > np.deg2rad(165), angle - 2 * np.pi, angle)
    angle[:reach] = angle[n - reach :] = 0.0
    return np.asarray(angle, np.float32)


def corner(half: Half, at: int, reach: int, most: float) -> FloatArray:
    """(2,) the sharp corner at outline point `at`: where straight lines through both its arms meet.

    Antialiasing, seams and contact shadow round a concave corner and fill the end of a slit. The lines are fitted
    between a third of `reach` and `reach` px from `at`; moves further than `most` px are not believed.
    """
    p = half.points
    near = max(2, reach // 3)
    at_rest = np.asarray(p[at], np.float32)
    arms = p[max(0, at - reach) : at - near + 1], p[at + near : at + reach + 1]
    if min(len(arm) for arm in arms) < 4:
        return at_rest
    (a, u), (b, v) = (line(arm) for arm in arms)
    cross = float(u[0] * v[1] - u[1] * v[0])
    if abs(cross) < 0.05:
        return at_rest
    t = float((b - a)[0] * v[1] - (b - a)[1] * v[0]) / cross
    met = a + t * u
    step = met - p[at]
    length = float(np.hypot(*step))
    return np.asarray(p[at] + step * min(1.0, most / max(length, 1e-6)), np.float32)


def line(points: FloatArray) -> tuple[FloatArray, FloatArray]:
    """A point (2,) of the line through `points` (n, 2) and its direction (2,)."""
    middle = np.asarray(points.mean(0), np.float32)
    _, _, axes = np.linalg.svd(points - middle, full_matrices=False)
    return middle, np.asarray(axes[0], np.float32)


def furthest(points: FloatArray, direction: tuple[float, float]) -> int:
    """Index of the point of `points` (n, 2) that lies furthest in `direction`."""
    return int((points @ np.asarray(direction, np.float32)).argmax())


def off_chord(points: FloatArray) -> FloatArray:
    """(n,) signed distance px of each point from the line through the first and the last; positive is convex."""
    a, b = points[0], points[-1]
    d = (b - a) / max(1e-6, float(np.hypot(*(b - a))))
    r = points - a
    return np.asarray(d[1] * r[:, 0] - d[0] * r[:, 1], np.float32)
