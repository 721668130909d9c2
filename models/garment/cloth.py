"""Which pixels of a packshot differ clearly from its ground: cloth, without the shadow it casts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from models.garment.ground import Ground
from models.garment.maskops import blurred, dilated, disk, distance_to, fill_holes, local_max, local_mean, local_min, opened, reachable_by
from models.types import BoolArray, FloatArray

RINGING_SHARE: Final = 0.22
"""What JPEG spreads is under this share of the edge it comes from."""
BLEEDING_SHARE: Final = 0.32
COLOUR_NOISE: Final = 0.07
"""Shares of the chroma, and of the change of lightness, beside it by which JPEG may tint a pixel of the ground: it keeps colour
at half the size and a quarter of the steps."""
BLEED_FROM: Final = 9
OPEN_PX: Final = 41
BLEED_NEAR: Final = (4.0, 12.0)
BLEED_FAR: Final = (8.0, 18.0)
"""How far JPEG spreads colour in this very picture is seen beside cloth at least so many px wide, on ground that a disk of the second
size reaches: so many px away its share of the colour beside it, and its Lab units."""
BLEED_HIGH: Final = 95
BLEED_EASE: Final = 1.2
BLEED_MOST: Final = (0.5, 4.0)
"""Percentile taken, its margin, and what is believed at most: more is pale cloth."""
CERTAIN: Final = 8.0
"""Thresholds from which a lone pixel counts, however small the speck."""
SHADOW_SHARE: Final = 0.45
"""A pixel closer to the ground than this share of the garment's typical distance, and darker, may be shadow."""
SHADOW_CHROMA: Final = (2.5, 0.12)
"""Chroma a shadow may add: a constant and a share of its darkening, Lab units."""
SHADOW_WINDOW: Final = 9
SHADOW_SOFTNESS: Final = 0.13
"""A shadow changes by less than this share of its change over the window (px) within one px; an edge of cloth by twice as much."""
SHADOW_GRAIN: Final = 0.07
"""The fine detail of a shadow, over its change over the window, is less than this; that of lace is more."""
SOFT_REACH: Final = 24
"""px around a pixel that tell how soft it is, filters and all."""
SHADOW_EASE: Final = 0.3
"""Both are eased by this many thresholds: noise."""
RIM_SHARE: Final = 0.35
"""A veil of the ground's colour under this share of the edge beside it is contact shadow."""
SHADOW_PASSAGE: Final = 7
"""Width px below which a soft passage does not let shadow in: cloth crosses the ground's colour in narrow bands."""


@dataclass(frozen=True, slots=True)
class ClearCloth:
    cloth: BoolArray
    """(h, w) surely cloth."""
    shadow: BoolArray
    """(h, w) darker than the ground, and not cloth."""


def clear_cloth(ground: Ground) -> ClearCloth:
    """What stands out from `ground`, less its soft darker veils that reach in from the border: cast shadows."""
    threshold, lift, chroma = ground.threshold, ground.difference[0], ground.chroma
    light = np.abs(lift)
    veil = (lift < 0) & (chroma < SHADOW_CHROMA[0] - SHADOW_CHROMA[1] * lift)
    clear = light > np.maximum(threshold, np.where(veil, RIM_SHARE, RINGING_SHARE) * ground.light_within(ground.jpeg_reach))
    strongest = ground.chroma_within(2 * ground.jpeg_reach)
    share, least = _bleeding(chroma, strongest, clear, ground)
    tinge = np.maximum(share * strongest, COLOUR_NOISE * ground.light_within(2 * ground.jpeg_reach))
    clear |= chroma > np.maximum(least, tinge)
    clear = opened(clear, disk(3)) | (clear & (ground.distance > CERTAIN * threshold))
    whole = fill_holes(clear)
    typical = float(np.median(ground.distance[whole])) if whole.any() else 0.0
    shady = clear & veil & (ground.distance < SHADOW_SHARE * typical)
    if not shady.any():
        return ClearCloth(clear, shady)
    passable = ~clear | _soft(ground, shady)
    shadow = shady & reachable_by(passable, disk(SHADOW_PASSAGE))
    # beside the cloth it is blurred into its edge
    shadow |= shady & dilated(shadow, disk(SHADOW_PASSAGE))
    return ClearCloth(clear & ~shadow, shadow)


def _bleeding(chroma: FloatArray, strongest: FloatArray, cloth: BoolArray, ground: Ground) -> tuple[float, float]:
    """How far this picture's JPEG tints the ground beside `cloth`: share of the `strongest` chroma near, and Lab units anywhere."""
    away = distance_to(opened(cloth, disk(BLEED_FROM)))
    open_ground = reachable_by(~cloth, disk(OPEN_PX))
    near = open_ground & (away > BLEED_NEAR[0]) & (away < BLEED_NEAR[1]) & (strongest > 2 * ground.threshold)
    far = open_ground & (away > BLEED_FAR[0]) & (away < BLEED_FAR[1])
    share = BLEED_EASE * float(np.percentile(chroma[near] / strongest[near], BLEED_HIGH)) if near.any() else 0.0
    least = BLEED_EASE * float(np.percentile(chroma[far], BLEED_HIGH)) if far.any() else 0.0
    return min(max(share, BLEEDING_SHARE), BLEED_MOST[0]), max(2 * ground.threshold, min(least, BLEED_MOST[1]))


def _soft(ground: Ground, shady: BoolArray) -> BoolArray:
    """(h, w) where in `shady` lightness changes as softly, and with as little detail, as in a shadow."""
    x, y, width, height = cv2.boundingRect(shady.view(np.uint8))
    part = np.s_[max(0, y - SOFT_REACH) : y + height + SOFT_REACH, max(0, x - SOFT_REACH) : x + width + SOFT_REACH]
    lift = np.ascontiguousarray(ground.difference[0][part])
    smooth = blurred(lift, 1.2)
    slope = np.hypot(cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=0.125), cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=0.125))
    change = local_max(smooth, SHADOW_WINDOW // 2) - local_min(smooth, SHADOW_WINDOW // 2)
    grain = local_mean(np.abs(lift - blurred(lift, 2.0)), SHADOW_WINDOW)
    ease = SHADOW_EASE * ground.threshold
    result = np.zeros_like(shady)
    result[part] = shady[part] & (slope < SHADOW_SOFTNESS * change + ease) & (grain < SHADOW_GRAIN * change + ease)
    return result
