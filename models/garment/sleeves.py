"""A sleeve as two outline curves: the largest quadrilateral over its outer half gives the corners of the cuff."""

from __future__ import annotations

from typing import Final

import numpy as np

from models.garment.halves import Half, resample
from models.types import FloatArray

SLEEVE_POINTS: Final = 13
"""Points of each of a sleeve's two curves."""
OUTER_HALF: Final = 0.5
"""The cuff is sought beyond this share of the sleeve's length."""
FAR_SHARE: Final = 92
"""Percentile of distance from the sleeve's root beyond which outline points tell its direction."""
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
    first, last = int(beyond[0]), int(beyond[-1])
    tried = np.unique(np.linspace(first, last, CANDIDATES).astype(int))
    if tried.size < 4:
        middle = len(arc) // 2
        return resample(arc[: middle + 1], count=SLEEVE_POINTS), resample(arc[middle:][::-1], count=SLEEVE_POINTS)
    q = arc[tried]
    upper, lower = arc[first], arc[last]
    # area of (upper, outer, inner, lower) for every pair of corners, by its two triangles
    outer, inner = q[:, None] - upper, q[None] - upper
    across = lower - upper
    area = (outer[..., 0] * inner[..., 1] - outer[..., 1] * inner[..., 0]) + (inner[..., 0] * across[1] - inner[..., 1] * across[0])
    order = np.arange(len(q))
    area = np.where(order[:, None] < order[None], area, -np.inf)
    i, j = np.unravel_index(int(area.argmax()), area.shape)
    outer_end, inner_end = int(tried[i]), int(tried[j])
    return resample(arc[: outer_end + 1], count=SLEEVE_POINTS), resample(arc[inner_end:][::-1], count=SLEEVE_POINTS)
