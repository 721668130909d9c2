"""Shadow that a garment casts on its own ground: between legs, beside seams. It has the ground's tint, not the cloth's.

Where the ground shows only in a narrow gap the isolation takes its shade for cloth, since it reaches it from no side. A
plain garment's tint tells it.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from models.garment.edge import pull_push
from models.garment.maskops import blurred, components, dilated, disk, distance_to, eroded, opened
from models.types import BoolArray, FloatArray, Picture

CORE: Final = 13
"""px of 1024: cloth so far inside the outline shows its own tint."""
WAISTBAND: Final = 0.12
RIM: Final = 4.0
"""Share of the height from the top in which only a rim of so many px may be shade: labels are as grey as the ground."""
OF_CLOTH: Final = 0.7
"""The share from which a pixel tells the cloth's tint."""
PLAIN: Final = 3.5
"""Mean deviation of a plain garment's tint from its median, Lab units, at most."""
TINTED: Final = 5.0
"""Difference of tint between cloth and ground, Lab units, from which it tells them apart."""
OF_GROUND: Final = 0.45
"""Share of the way from the ground's tint to the cloth's under which a pixel is shade."""
SMOOTH: Final = 1.2
"""px: blur of the tint, which JPEG keeps coarse."""
NEAR: Final = 31
"""px: ground so near tells its tint."""
FLECK: Final = 3
"""px: thinner remains of cloth within shade go too."""
MOST: Final = 0.06
"""Share of the garment beyond which it is no shade: a garment of several tints."""


def without_shade(work: Picture, alpha: FloatArray) -> FloatArray:
    """`alpha` (h, w) 0..1 of the garment of `work` (h, w, 3) without what only its own shade made part of it."""
    mask = alpha > 0.5
    core = eroded(mask, disk(CORE))
    beside = dilated(mask, disk(NEAR)) & ~dilated(mask, disk(9))
    if not core.any() or not beside.any():
        return alpha
    lab = np.asarray(cv2.cvtColor(work.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB), np.float32)
    planes = [blurred(np.asarray(cv2.extractChannel(lab, k), np.float32), SMOOTH) for k in (1, 2)]
    own, ground = (np.array([np.median(plane[where]) for plane in planes], np.float32) for where in (core, beside))
    if (
        sum(float(np.abs(plane[core] - o).mean()) for plane, o in zip(planes, own, strict=True)) > PLAIN
        or np.hypot(*(own - ground)) < TINTED
    ):
        return alpha
    tint = np.stack(planes, -1)
    main = own - ground
    core &= sum((plane - g) * m for plane, g, m in zip(planes, ground, main, strict=True)) > OF_CLOTH * float(main @ main)
    way = pull_push(tint, core) - ground
    length = np.maximum((way**2).sum(-1), 1.0)
    share = ((tint - ground) * way).sum(-1) / length
    shade = mask & (share < OF_GROUND) & (length > TINTED**2)
    rows = np.flatnonzero(mask.any(1))
    band = slice(0, int(rows[0] + WAISTBAND * np.ptp(rows)))
    shade[band] &= distance_to(~mask)[band] < RIM
    kept = mask & ~_touching(shade, ~mask)
    kept = opened(kept, disk(FLECK))
    count, labels, stats = components(kept)
    if count < 2:
        return alpha
    kept &= stats[labels, cv2.CC_STAT_AREA] > 0.01 * mask.sum()
    if (mask & ~kept).sum() > MOST * mask.sum():
        return alpha
    soft: FloatArray = np.minimum(alpha, np.clip((blurred(kept.astype(np.float32), 1.0) - 0.5) * 1.6 + 0.5, 0, 1))
    return soft


def _touching(shade: BoolArray, ground: BoolArray) -> BoolArray:
    """(h, w) the pieces of `shade` that the ground reaches."""
    _, labels, _ = components(shade | ground)
    outside = np.unique(labels[ground])
    result: BoolArray = shade & np.isin(labels, outside)
    return result
