"""A sleeve as two outline curves: the largest quadrilateral over its outer half gives the corners of the cuff."""

from __future__ import annotations

from typing import Final

import numpy as np

from models.garment.halves import Half, off_chord, resample
from models.types import FloatArray

SLEEVE_POINTS: Final = 13
"""Points of each of a sleeve's two curves."""
OUTER_HALF: Final = 0.5
"""The cuff is sought beyond this share of the sleeve's length."""
FAR_SHARE: Final = 92
"""Percentile of distance from the sleeve's root beyond which outline points tell its direction."""
NEARLY: Final = 0.998
"""Quadrilaterals of at least this share of the largest one's area count as large."""
NARROW_CUFF: Final = 0.35
CROSSWISE_DEG: Final = 55.0
UNDERARM_LEAST: Final = 0.08
"""A cuff under this share of the sleeve's width at its root is none where the underarm runs at such an angle to the outer edge;
the underarm is then this share of what was found."""
CANDIDATES: Final = 140
"""Outline points tried as corners of the cuff."""


def sleeve_curves(half: Half, shoulder: int, armpit: int) -> tuple[FloatArray, FloatArray]:
    """The (K, 2) outer and the (K, 2) inner curve of the sleeve between `shoulder` and `armpit`, in (u, y)."""
    arc = half.points[shoulder : armpit + 1]
    root = (arc[0] + arc[-1]) / 2
    distance = np.hypot(*(arc - root).T)
    end = arc[distance >= np.percentile(distance, FAR_SHARE)].mean(0)
    direction = (end - root) / max(1e-6, float(np.hypot(*(end - root))))
    along = (arc - root) @ direction
    beyond = np.flatnonzero(along > OUTER_HALF * along.max())
    outer, inner = _cuff(arc, int(beyond[0]), int(beyond[-1]))
    cuff, root_width = (float(np.hypot(*(arc[i] - arc[j]))) for i, j in ((outer, inner), (0, -1)))
    if cuff < NARROW_CUFF * root_width and _angle_deg(arc[outer] - arc[0], arc[inner] - arc[-1]) > CROSSWISE_DEG:
        # what was taken for the underarm runs across the sleeve: a cuff that reaches into the armpit
        inner = max(inner, len(arc) - 1 - max(2, round(UNDERARM_LEAST * (len(arc) - inner))))
        outer = int(off_chord(arc[: inner + 1]).argmax())
    return resample(arc[: outer + 1], count=SLEEVE_POINTS), resample(arc[inner:][::-1], count=SLEEVE_POINTS)


def _angle_deg(a: FloatArray, b: FloatArray) -> float:
    return float(np.degrees(np.arccos(np.clip(a @ b / max(1e-6, float(np.hypot(*a) * np.hypot(*b))), -1, 1))))


def _cuff(arc: FloatArray, first: int, last: int) -> tuple[int, int]:
    """Indices of the outer and the inner corner of the cuff, between `first` and `last` of the outline `arc` (n, 2)."""
    tried = np.unique(np.linspace(first, last, CANDIDATES).astype(int))
    if tried.size < 4:
        return (first + last) // 2, min(last, (first + last) // 2 + 1)
    q = arc[tried]
    upper, across = arc[first], arc[last] - arc[first]
    # area of (upper, outer, inner, lower) for every pair of corners, by its two triangles
    outer, inner = q[:, None] - upper, q[None] - upper
    area = (outer[..., 0] * inner[..., 1] - outer[..., 1] * inner[..., 0]) + (inner[..., 0] * across[1] - inner[..., 1] * across[0])
    order = np.arange(len(q))
    area = np.where(order[:, None] < order[None], area, -np.inf)
    # along a straight edge the corner may lie anywhere: take the widest cuff
    cuff = np.hypot(*np.moveaxis(q[:, None] - q[None], -1, 0))
    i, j = np.unravel_index(int(np.where(area >= NEARLY * area.max(), cuff, -np.inf).argmax()), area.shape)
    return int(tried[i]), int(tried[j])
