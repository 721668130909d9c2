"""Full sleeves that lie on the torso: the ground begins far under the armpits. They are cut from the torso along their seams."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from models.garment.halves import CUT_WIDTH, to_frame
from models.garment.landmarks import UpperMarks
from models.types import BoolArray

DEEP: Final = 0.9
"""Armpit widths under the shoulder tips from which on both sides a corner of the outline is no armpit ..."""
USUAL: Final = 0.6
"""... which lies about here, on the way to the shoulder tip."""


def with_open_seams(mask: BoolArray, marks: UpperMarks, axis_x: float) -> BoolArray | None:
    """`mask` (h, w), upright, cut open between sleeves and torso up to where armpits usually are; None where that is not needed."""
    if not marks.sleeved:
        return None
    pairs = list(zip(marks.halves, marks.sides, strict=True))
    if min(float(half.y[m.armpit] - half.y[m.shoulder]) for half, m in pairs) < DEEP * marks.torso_width:
        return None
    result = mask.astype(np.uint8)
    for k, (half, m) in enumerate(pairs):
        pit, tip = half.points[m.armpit], half.points[m.shoulder]
        share = 1 - USUAL * marks.torso_width / max(1.0, float(pit[1] - tip[1]))
        # a little under the corner, so that the cut meets the ground there
        ends = to_frame(np.stack([pit + 0.05 * (pit - tip), pit + share * (tip - pit)]), axis_x, k)
        (x0, y0), (x1, y1) = (tuple(round(float(v)) for v in end) for end in ends)
        cv2.line(result, (x0, y0), (x1, y1), 0, CUT_WIDTH)
    return result.astype(bool)
