"""Garments that come cut out: what a background remover punched out of their midst is put back.

White print is taken for the white ground by removers that go by colour. Real openings stay: between sleeve and torso,
between legs, under straps.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from models.garment.gaps import GAP_ASIDE, GAP_HEIGHT, GAP_SLENDER, STRAP_COVER, STRAP_ROWS
from models.garment.maskops import components, dilated, disk, distance_to, fill_holes
from models.types import BoolArray, LabelMap, Picture

HOLE_MOST: Final = 0.08
"""Share of the garment's area that a hole in print measures at most."""
LEGS_TO: Final = 0.8
"""The gap between legs that touch at their hems reaches down to this share of the height."""
LACE_HOLES: Final = 40
LACE_NEAR: Final = (0.04, 0.2)
"""More holes than that are lace or net, where more than the second share of them lies nearer to the outline than the first share of
the width; print lies in the midst."""
RIM_PX: Final = 5
"""Diameter px by which a hole is grown into its soft rim."""
BLACK: Final = 8
"""8-bit: where nothing is brighter the hidden colour was thrown away; print of the ground's colour is white."""


def mended(picture: Picture, alpha: LabelMap) -> tuple[Picture, LabelMap]:
    """`picture` (H, W, 3) and its cut-out `alpha` (H, W) 0..255 with the holes in its print filled."""
    solid = alpha > 127
    whole = fill_holes(solid)
    holes = whole & ~solid
    count, labels, stats = components(holes)
    if count < 2:
        return picture, alpha
    ys, xs = np.flatnonzero(whole.any(1)), np.flatnonzero(whole.any(0))
    box = (int(xs[0]), int(ys[0]), len(xs), len(ys))
    if count > LACE_HOLES and float((distance_to(~whole)[holes] < LACE_NEAR[0] * len(xs)).mean()) > LACE_NEAR[1]:
        return picture, alpha
    printed = np.zeros(count, bool)
    for i in range(1, count):
        x, y, w, h, area = (int(v) for v in stats[i])
        printed[i] = area < HOLE_MOST * solid.sum() and not _opening(solid, (x, y, w, h), box)
    if not printed.any():
        return picture, alpha
    filled: BoolArray = dilated(printed[labels], disk(RIM_PX)) & whole
    filled[holes & ~printed[labels]] = False
    share = (alpha[filled].astype(np.float32) / 255)[:, None]
    hidden = picture[filled].astype(np.float32)
    hidden = np.where(hidden.max(1, keepdims=True) < BLACK, 255 * (1 - share) + hidden * share, hidden)
    result, opaque = picture.copy(), alpha.copy()
    result[filled] = np.rint(hidden).astype(np.uint8)
    opaque[filled] = 255
    return result, opaque


def _opening(solid: BoolArray, hole: tuple[int, int, int, int], garment: tuple[int, int, int, int]) -> bool:
    """Whether the hole in the box `hole` (x, y, width, height) is an opening of the `garment`: tall and aside, or under straps."""
    (x, y, w, h), (left, top, width, height) = hole, garment
    aside = abs(x + w / 2 - left - width / 2) / width
    if h > GAP_SLENDER * w and h > GAP_HEIGHT * height and (aside > GAP_ASIDE or y + h > top + LEGS_TO * height):
        return True
    above = solid[top:y, x : x + w]
    return y < top + STRAP_ROWS * height and above.size > 0 and float(above.mean()) < STRAP_COVER
