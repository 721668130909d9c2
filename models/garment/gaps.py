"""Holes in a garment's silhouette through which the ground is seen."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from models.garment.ground import Ground
from models.garment.maskops import components, dilated, disk, local_mean, opened
from models.garment.outline import FRAMED, STANDS_OFF, framed
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
STRAP_BREADTH: Final = 0.16
"""A strap and its loop are together narrower than this share of the garment's width ..."""
STRAP_SLENDER: Final = 1.8
STRAP_FRAMED: Final = 0.45
"""... and the loop is so much taller than wide; a patterned strap frames it with the ground's colour in places."""
KEYHOLE: Final = (3.0, 0.04, 0.10, 0.08)
"""A slit under the neckline is so many times taller than wide, and at least so high, begins so close under the outline (shares of the
height), and lies so close to the middle (share of the width)."""
LOOP_PX: Final = (3, 5)
"""Ground so wide that continues a slit, or a plain strap's loop, belongs to it; and a patterned strap's."""
PLAIN_FRAMED: Final = 0.92
"""Plain straps frame their loops so far round."""
RINGING: Final = 0.04
"""Share of the change of lightness beside it that ground in a gap may differ by: JPEG."""
RIM_PX: Final = 7
"""Diameter px by which a gap's clean middle is grown into its rim."""


def gaps(ground: Ground, filled: BoolArray, cloth: BoolArray, clear: BoolArray) -> BoolArray:
    """(h, w) ground seen through `filled`: tall islands beside the torso, and islands under thin straps.

    Other ground-coloured islands are print. `clear` is the part of `cloth` that is seen, not concluded.
    """
    ringing = RINGING * ground.light_within(RIM_PX)
    grounded = local_mean(ground.distance, 3) < np.maximum(1.5 * ground.threshold, ringing)
    stands_off = ground.distance > STANDS_OFF * ground.threshold
    count, labels, stats = components(opened(filled & ~cloth & grounded, disk(3)))
    clean = np.zeros_like(filled)
    left, top, width, height = cv2.boundingRect(filled.view(np.uint8))
    if not width:
        return clean
    least = GAP_AREA * float(filled.sum())
    thin = filled & ~opened(filled, disk(round(STRAP_BREADTH * width)))
    plain = np.zeros_like(filled)
    thin[int(top + STRAP_ROWS * height) :] = False
    for i in range(1, count):
        x, y, w, h, area = (int(v) for v in stats[i])
        if area < least:
            continue
        aside = abs(x + w / 2 - left - width / 2) / width
        tall = h > GAP_SLENDER * w and aside > GAP_ASIDE and h > GAP_HEIGHT * height
        above = filled[top:y, x : x + w]
        loop = (h > w and h > STRAP_HEIGHT * height) or area > STRAP_AREA * filled.sum()
        strap = loop and y < top + STRAP_ROWS * height and above.size > 0 and above.mean() < STRAP_COVER
        piece = labels == i
        keyhole = _keyhole(filled, (x, y, w, h), (left, top, width, height))
        loop = h > STRAP_SLENDER * w and thin[piece].mean() > FRAMED
        if (tall or strap or keyhole or loop) and framed(stands_off, piece, (x, y, w, h), STRAP_FRAMED if loop else FRAMED):
            clean |= piece
            if keyhole or (loop and framed(stands_off, piece, (x, y, w, h), PLAIN_FRAMED)):
                around = np.s_[max(0, y - h) : y + 2 * h, max(0, x - w) : x + 2 * w]
                plain[around] = True
                thin[around] |= keyhole
    if (clean & thin).any():
        # the narrow ends of loops, which the search for faint cloth closed
        ways = (opened(filled & ~clear & plain, disk(LOOP_PX[0])) | opened(filled & grounded & thin, disk(LOOP_PX[1]))) | (clean & thin)
        _, labels, _ = components(ways)
        clean |= ways & np.isin(labels, np.setdiff1d(labels[clean & thin], 0))
        cloth = cloth & ~clean
    grown: BoolArray = dilated(clean, disk(RIM_PX)) & filled & ~cloth
    return grown


def _keyhole(filled: BoolArray, piece: tuple[int, int, int, int], garment: tuple[int, int, int, int]) -> bool:
    """Whether the island in the box `piece` (x, y, width, height) is a slit under the neckline of the `garment`."""
    (x, y, w, h), (left, top, width, height) = piece, garment
    column = filled[top:y, x : x + w]
    covered = float(column.sum()) / max(w, 1)
    middle = abs(x + w / 2 - left - width / 2) < KEYHOLE[3] * width
    return middle and h > KEYHOLE[0] * w and h > KEYHOLE[1] * height and covered < KEYHOLE[2] * height and y < top + STRAP_ROWS * height
