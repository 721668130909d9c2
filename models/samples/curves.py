"""Plane curves of the pattern cutter: short functions on (N, 2) float64 polylines, in the garment's own units."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Line = npt.NDArray[np.float64]
"""(N, 2) x to the right, y down."""

FLIP = np.array([-1.0, 1.0])
"""Mirrors a line about x = 0."""


def points(*xy: tuple[float, float]) -> Line:
    return np.array(xy, dtype=np.float64).reshape(-1, 2)


Point = Sequence[float] | npt.NDArray[np.float64]


def bezier(p0: Point, p1: Point, p2: Point, p3: Point, count: int = 48) -> Line:
    """Cubic Bézier curve as `count` points, both ends included."""
    t = np.linspace(0.0, 1.0, count)[:, None]
    a, b, c, d = (np.asarray(p, dtype=np.float64) for p in (p0, p1, p2, p3))
    curve: Line = (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t**2 * c + t**3 * d
    return curve


def smooth(through: Line, each: int = 16) -> Line:
    """Centripetal Catmull-Rom curve through all points (it neither loops nor overshoots at uneven spacing)."""
    ends = np.vstack([2 * through[0] - through[1], through, 2 * through[-1] - through[-2]])
    pieces = []
    for a, b, c, d in zip(ends[:-3], ends[1:-2], ends[2:-1], ends[3:], strict=True):
        ta = 0.0
        tb = ta + max(float(np.hypot(*(b - a))), 1e-9) ** 0.5
        tc = tb + max(float(np.hypot(*(c - b))), 1e-9) ** 0.5
        td = tc + max(float(np.hypot(*(d - c))), 1e-9) ** 0.5
        t = np.linspace(tb, tc, each, endpoint=False)[:, None]
        ab = (tb - t) / (tb - ta) * a + (t - ta) / (tb - ta) * b
        bc = (tc - t) / (tc - tb) * b + (t - tb) / (tc - tb) * c
        cd = (td - t) / (td - tc) * c + (t - tc) / (td - tc) * d
        abc = (tc - t) / (tc - ta) * ab + (t - ta) / (tc - ta) * bc
        bcd = (td - t) / (td - tb) * bc + (t - tb) / (td - tb) * cd
        pieces.append((tc - t) / (tc - tb) * abc + (t - tb) / (tc - tb) * bcd)
    return np.vstack([*pieces, through[-1:]])


def lengths(line: Line) -> npt.NDArray[np.float64]:
    """(N,) arc length from the first point."""
    return np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])


def resample(line: Line, count: int) -> Line:
    """`count` points evenly spaced by arc length, both ends included."""
    at = lengths(line)
    even = np.linspace(0.0, at[-1], count)
    return np.stack([np.interp(even, at, line[:, 0]), np.interp(even, at, line[:, 1])], axis=1)


def rows(line: Line, count: int) -> Line:
    """`count` points evenly spaced in y; y must grow along the line."""
    even = np.linspace(line[0, 1], line[-1, 1], count)
    return np.stack([np.interp(even, line[:, 1], line[:, 0]), even], axis=1)


def normals(line: Line) -> Line:
    """(N, 2) unit normals, to the right of the direction of travel (with y down: clockwise)."""
    along = np.gradient(line, axis=0)
    along /= np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)[:, None]
    return np.stack([-along[:, 1], along[:, 0]], axis=1)


def offset(line: Line, distance: float | npt.NDArray[np.float64]) -> Line:
    """The parallel line `distance` to the right of the direction of travel."""
    shift: Line = normals(line) * np.reshape(np.asarray(distance, dtype=np.float64), (-1, 1))
    return line + shift


def mirrored(line: Line) -> Line:
    """The line about x = 0, running the other way, so that the halves of an outline join end to end."""
    flipped: Line = line * FLIP
    return flipped[::-1]
