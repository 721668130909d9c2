"""Where the sleeves, or the armholes, of an upper garment meet its sides.

An armpit is a sharp concave corner of the outline with a sleeve above it, and the two lie at mirrored places: the best
pair of corners is taken, not the best corner of each side.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from models.garment.halves import Half, corner, line, turning
from models.types import FloatArray

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
SLEEVELESS_PIT: Final = (0.28, 0.40, 0.60)
"""Depth of an armhole in torso widths: least, usual, most."""
SLEEVELESS_TURN_DEG: Final = 14.0
ARMS: Final = (0.05, 0.20)
"""Torso widths along the outline between which underarm and side are fitted when both are straight there: JPEG fills the tip
of a narrow armpit."""
STRAIGHT: Final = 0.005
"""Torso widths that four fifths of them may be off the line."""
ARMS_CROSS: Final = 0.2
"""Sine of the angle between them, at least."""
ARMS_MOVE: Final = 0.12
"""Torso widths that this may move an armpit, upwards."""
NEAR_ENOUGH: Final = 0.025
"""Torso widths within which the corner that the closest surroundings tell is better."""
HIDDEN_FROM: Final = 0.78
"""A slit that begins so many torso widths under the shoulder begins below the armpit: the sleeve lies over the torso there, ..."""
HANGS: Final = 0.95
"""... if it reaches so many torso widths down from the shoulder: short sleeves stand off, ..."""
HIDDEN_PIT: Final = 0.64
"""... and the torso's armpit is at the depth where open ones are."""
HIDDEN_LEAN: Final = 0.15
"""The underarm runs up to it over the torso, and inwards by so much."""
CORNER_REACH: Final = 0.09
CORNER_MOVE: Final = 0.06
"""Torso widths: how much of the outline tells the corner of an armpit, and how far that may move it."""


def find_armpits(pair: tuple[Half, Half], width: float) -> tuple[tuple[int, int], float] | None:
    """Indices of both armpits and the blunter one's turn in radians, or None without sleeves."""
    lists = [_candidates(half, width) for half in pair]
    best, found = -1e9, None
    for i, turn_i in lists[0]:
        for j, turn_j in lists[1]:
            apart = float(np.hypot(*(pair[0].points[i] - pair[1].points[j]))) / width
            score = turn_i + turn_j - MIRROR_COST * apart
            if score > best:
                best, found = score, ((i, j), min(turn_i, turn_j))
    return found


def _candidates(half: Half, width: float) -> list[tuple[int, float]]:
    """Index and worth, in radians, of each concave corner that may be an armpit."""
    top = shoulder_level(half, width)
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


def shoulder_level(half: Half, width: float) -> float:
    """y of the outline a quarter of the torso's width from the axis: the shoulder, above any collar."""
    outer = np.flatnonzero(half.u > 0.3 * width)
    return float(half.y[outer[0]]) if outer.size else float(half.y.min())


def bare_armpit(half: Half, width: float, tip: int) -> int:
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


def with_corner(half: Half, armpit: int, width: float) -> Half:
    """`half` whose point `armpit` is the sharp corner that its surroundings point at."""
    points = half.points.copy()
    near = corner(half, armpit, max(6, round(CORNER_REACH * width)), CORNER_MOVE * width)
    far = _far_corner(half, armpit, width)
    points[armpit] = far if far is not None and np.hypot(*(far - near)) > NEAR_ENOUGH * width else near
    return Half(points)


def with_hidden_pit(half: Half, armpit: int, width: float) -> tuple[Half, int]:
    """`half` with the torso's side and the underarm run on, one on the other, up to the armpit that a sleeve hides; and how many
    points further along that is. The slit's corner is `armpit`."""
    x, y = half.points[armpit]
    rise = float(y) - (shoulder_level(half, width) + HIDDEN_PIT * width)
    count = round(rise)
    if count < 2:
        return half, 0
    step = np.arange(1, count + 1, dtype=np.float32)[:, None]
    up = np.array([[x, y]], np.float32) - step * np.array([[HIDDEN_LEAN, 1.0]], np.float32)
    points = np.concatenate([half.points[: armpit + 1], up, up[-2::-1], half.points[armpit:]])
    return Half(points.astype(np.float32)), count


def _far_corner(half: Half, armpit: int, width: float) -> FloatArray | None:
    """(2,) where the underarm and the side would meet if both ran on straight, or None where they are not straight."""
    near, far = (round(share * width) for share in ARMS)
    arms = half.points[max(0, armpit - far) : max(0, armpit - near)], half.points[armpit + near : armpit + far]
    if min(len(arm) for arm in arms) < (far - near) // 2:
        return None
    fitted = []
    for arm in arms:
        middle, along = line(arm)
        off = np.abs((arm - middle) @ np.array([-along[1], along[0]], np.float32))
        # bumps aside
        middle, along = line(arm[off <= max(0.5, 2 * float(np.median(off)))])
        off = np.abs((arm - middle) @ np.array([-along[1], along[0]], np.float32))
        if np.percentile(off, 80) > STRAIGHT * width:
            return None
        fitted.append((middle, along))
    (a, u), (b, v) = fitted
    cross = float(u[0] * v[1] - u[1] * v[0])
    if abs(cross) < ARMS_CROSS:
        return None
    met = a + float((b - a)[0] * v[1] - (b - a)[1] * v[0]) / cross * u
    step = met - half.points[armpit]
    within = float(np.hypot(*step)) < ARMS_MOVE * width and step[1] < 0
    return np.asarray(met, np.float32) if within else None
