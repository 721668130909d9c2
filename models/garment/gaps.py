"""Holes in a garment's silhouette through which the ground is seen."""

from __future__ import annotations

from typing import Final

import numpy as np

from models.garment.ground import Ground
from models.garment.maskops import components, dilated, disk, local_max, local_mean, opened
from models.garment.outline import STANDS_OFF, framed
from models.types import BoolArray

GAP_AREA: Final = 0.0004
"""Smallest area of a gap, share of the garment's."""
GAP_SLENDER: Final = 1.8
"""A gap beside the torso is at least so many times taller than wide."""
GAP_HEIGHT: Final = 0.08
"""Its height, share of the garment's."""
GAP_ASIDE: Final = 0.15
"""Its distance from the garment's middle, share of the width."""
STRAP_ROWS: Final = 0.4
"""Gaps between straps lie in this upper share of the garment."""
STRAP_COVER: Final = 0.25
"""Share of the rows above a gap between straps that may be cloth."""
STRAP_HEIGHT: Final = 0.05
STRAP_AREA: Final = 0.01
"""Such a gap stands and is at least so high, share of the garment's height, or has at least this share of its area."""
RINGING: Final = 0.04
"""Share of the change of lightness beside it that ground in a gap may differ by: JPEG."""
RIM_PX: Final = 7
"""Diameter px by which a gap's clean middle is grown into its rim."""


def gaps(ground: Ground, filled: BoolArray, cloth: BoolArray) -> BoolArray:
    """(h, w) ground seen through `filled`: tall islands beside the torso, and islands under thin straps.

    Other ground-coloured islands are print.
    """
    ringing = RINGING * local_max(np.abs(ground.difference[..., 0]), RIM_PX)
    grounded = local_mean(ground.distance, 3) < np.maximum(1.5 * ground.threshold, ringing)
    stands_off = ground.distance > STANDS_OFF * ground.threshold
    count, labels, stats = components(opened(filled & ~cloth & grounded, disk(3)))
    clean = np.zeros_like(filled)
    ys, xs = np.nonzero(filled)
    if not ys.size:
        return clean
    left, width, top, height = int(xs.min()), int(np.ptp(xs)) + 1, int(ys.min()), int(np.ptp(ys)) + 1
    least = GAP_AREA * float(filled.sum())
    for i in range(1, count):
        x, y, w, h, area = (int(v) for v in stats[i])
        if area < least:
            continue
        aside = abs(x + w / 2 - left - width / 2) / width
        tall = h > GAP_SLENDER * w and aside > GAP_ASIDE and h > GAP_HEIGHT * height
        above = filled[top:y, x : x + w]
        loop = (h > w and h > STRAP_HEIGHT * height) or area > STRAP_AREA * filled.sum()
        strap = loop and y < top + STRAP_ROWS * height and above.size > 0 and above.mean() < STRAP_COVER
        if (tall or strap) and framed(stands_off, labels == i, (x, y, w, h)):
            clean |= labels == i
    grown: BoolArray = dilated(clean, disk(RIM_PX)) & filled & ~cloth
    return grown
