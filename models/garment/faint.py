"""Cloth that hardly differs from the ground: light stripes, white ribs and white garments on a white ground.

JPEG's ringing and the halos of sharpening differ as much, so colour alone does not tell. Faint cloth is believed where
it is brighter than the ground over a wide neighbourhood; where clear cloth lies above and below it (a light stripe:
gaps beside the torso have cloth on their left and right); and where it alone joins two pieces of cloth.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import cv2
import numpy as np

from models.garment.ground import Ground
from models.garment.maskops import (
    blurred,
    box,
    closed,
    components,
    dilated,
    disk,
    distance_to,
    eroded,
    fill_holes,
    local_mean,
    opened,
    reachable_by,
    sized,
)
from models.types import BoolArray, FloatArray

FAINT_SCALE: Final = 2.5
"""Radius px over which faint cloth is averaged: JPEG's ringing cancels out."""
FAINT_MOST: Final = 3.0
"""Lab units: larger differences count no more in that mean."""
FAINT_WIDTH: Final = 13
"""Width px from which brighter cloth is believed by itself: more than ringing and sharpening reach."""
BRIGHTER: Final = (0.25, 1.3)
TINTED: Final = (1.1, 1.6)
"""Lab units by which it must be brighter, or of another tint: at least, and times what the ground itself shows."""
BRIDGE: Final = 41
"""Interruptions of the cloth up to this many px wide are bridged."""
BRIDGE_BREADTH: Final = 9
"""px: breadth of the upright box that must find cloth above or below."""
RIM: Final = (3.0, 10.0)
RIM_TIMES: Final = 1.5
"""And more than so many times what the open ground shows at this distance, px, from the cloth."""
NOTCH: Final = 21
"""Notches up to this many px wide in an outline are closed in any direction."""
NOTCH_OVER: Final = 1.8
"""In a notch cloth must be so much brighter than where it is wide."""
NOTCH_SHARE: Final = 0.02
TINGE_SHARE: Final = 0.02
BLEEDING_SHARE: Final = 0.07
"""In a notch it must be brighter by this share of the change of lightness beside it, and tinted by these of the changes of
lightness and of chroma: JPEG's ringing and bleeding are less."""
BORDER: Final = 12
"""px: the ground's own level is read along the picture's border."""
LIVELY: Final = 0.02
"""Mean detail, Lab units, below which a patch is flat as no cloth is."""
WOVEN: Final = (0.04, 2.0)
"""Mean detail, Lab units, and times that of the open ground, from which a patch shows a weave. It tells white cloth of just the
ground's lightness, but only in inlets ..."""
WOVEN_WIDTH: Final = 7
INLET: Final = 61
"""... that a disk so many px wide closes ..."""
CALM: Final = (11, 6.0)
"""... and so far, px, from edges of so many Lab units, whose ringing JPEG spreads."""
POCKET_AREA: Final = 40
"""Smaller specks, px, are left to the smoothing of the outline."""
LYING: Final = 1.7
"""Variance of a lying piece's x over that of its y, at least; of a standing one the other way round."""
LINK: Final = 17
LINK_AREA: Final = (12, 0.004)
LINK_DISTANCE: Final = 30.0
"""A strap's dark stripes: at most so many px apart, from so many px to this share of the picture in area, and so far from the
ground, Lab units."""
PIECE: Final = 0.002
"""Share of the picture from which a piece of cloth must hang together with the others."""
MOST_PIECES: Final = 5
"""So many pieces, the largest, are looked at."""
JOINT_SPREAD: Final = 1.4
"""A band of faint cloth between two pieces is at most so much wider than where it is narrow."""


def with_faint_cloth(ground: Ground, cloth: BoolArray, shadow: BoolArray) -> BoolArray:
    """(h, w) `cloth` and the faint cloth that belongs to it."""
    lift, tint = _surroundings(ground, ~cloth & ~shadow)
    rim = _rim(cloth, shadow)
    least = max(BRIGHTER[0], BRIGHTER[1] * _border_level(np.abs(lift)), RIM_TIMES * _high(lift[rim]))
    tinge = max(TINTED[0], TINTED[1] * _border_level(tint), RIM_TIMES * _high(tint[rim]))
    seen = (lift > least) | (tint > tinge)
    lift_here = ground.difference[0]
    detail = np.abs(lift_here - local_mean(lift_here, 3))
    # where there is no texture at all a flat patch was pasted or painted on the ground
    lively = local_mean(detail, FAINT_WIDTH) > LIVELY
    wide = dilated(opened(seen & lively, disk(FAINT_WIDTH)), disk(FAINT_WIDTH)) & seen
    found = cloth | wide | _chains(ground, cloth)
    found |= _joints(found)
    found |= _woven_inlets(ground, local_mean(detail, WOVEN_WIDTH), found, shadow)
    between = closed(found, box(BRIDGE, BRIDGE_BREADTH)) & ~found & ~shadow
    pockets = between | (closed(found, disk(NOTCH)) & ~found & ~shadow)
    beside = ground.light_within(NOTCH)
    bleeding = np.maximum(TINGE_SHARE * beside, BLEEDING_SHARE * ground.chroma_within(NOTCH))
    tinted = pockets & (tint > np.maximum(tinge, bleeding))
    brighter = lift > np.maximum(NOTCH_OVER * least, NOTCH_SHARE * beside)
    darker = closed(found, disk(FAINT_WIDTH)) & (lift < -NOTCH_OVER * least)
    result: BoolArray = found | tinted | _lying(between) | (_not_standing(pockets) & (brighter | darker))
    return result


def _rim(cloth: BoolArray, shadow: BoolArray) -> BoolArray:
    """(h, w) ground beside the cloth, in the open: shows how far JPEG's ringing and bleeding reach in this picture."""
    distance = distance_to(cloth)
    result: BoolArray = reachable_by(~cloth, disk(BRIDGE)) & (distance > RIM[0]) & (distance < RIM[1]) & ~shadow
    return result


def _high(values: FloatArray) -> float:
    """What four fifths of `values` stay under; 0 where they are negative."""
    return max(0.0, float(np.percentile(values, 80))) if values.size else 0.0


def _border_level(values: FloatArray) -> float:
    """The 95th percentile of `values` (h, w) along the border, what stands out of it left aside."""
    border = np.concatenate([values[:BORDER].ravel(), values[-BORDER:].ravel(), values[:, :BORDER].ravel(), values[:, -BORDER:].ravel()])
    plain = border[border < max(1.0, 6 * float(np.median(border)))]
    return float(np.percentile(plain, 95)) if plain.size else 0.0


def _woven_inlets(ground: Ground, detail: FloatArray, cloth: BoolArray, shadow: BoolArray) -> BoolArray:
    """(h, w) inlets of the ground into `cloth` that show a weave, by the mean `detail` there: white cloth of the ground's own lightness."""
    woven = detail > max(WOVEN[0], WOVEN[1] * _border_level(detail))
    calm = ground.light_within(CALM[0]) < CALM[1]
    inlets = closed(cloth, disk(INLET)) & ~cloth & ~shadow
    result: BoolArray = opened(inlets & woven & calm, disk(FAINT_WIDTH // 2))
    return result


def _surroundings(ground: Ground, free: BoolArray) -> tuple[FloatArray, FloatArray]:
    """(h, w) mean lift and length of the mean tint of the `free` pixels around, Lab units; 0 where there are none."""
    share = eroded(free, disk(3)).astype(np.float32)
    weight = blurred(share, FAINT_SCALE)
    gain = np.where((weight > 0.05) & free, 1 / np.maximum(weight, 1e-3), 0.0).astype(np.float32)
    lift, a, b = (blurred(np.clip(plane, -FAINT_MOST, FAINT_MOST) * share, FAINT_SCALE) for plane in ground.difference)
    return lift * gain, np.asarray(cv2.magnitude(a, b), np.float32) * gain


def _pieces(mask: BoolArray) -> Iterator[tuple[tuple[slice, slice], BoolArray, float]]:
    """Each sizeable piece of `mask` (h, w): its box, its pixels there, and its lie: variance of x over that of y."""
    count, labels, stats = components(mask)
    for i in range(1, count):
        x, y, w, h, area = (int(v) for v in stats[i])
        if area < POCKET_AREA:
            continue
        where = (slice(y, y + h), slice(x, x + w))
        piece: BoolArray = labels[where] == i
        moments = cv2.moments(piece.view(np.uint8), binaryImage=True)
        yield where, piece, moments["mu20"] / max(moments["mu02"], 1e-6)


def _lying(pockets: BoolArray) -> BoolArray:
    """(h, w) those pieces of `pockets` that lie: light stripes. Upright ones are gaps beside the torso."""
    result = np.zeros_like(pockets)
    for where, piece, lie in _pieces(pockets):
        if lie > LYING:
            result[where] |= piece
    return result


def _not_standing(pockets: BoolArray) -> BoolArray:
    """(h, w) those pieces of `pockets` that do not stand."""
    result = np.zeros_like(pockets)
    for where, piece, lie in _pieces(pockets):
        if lie > 1 / LYING:
            result[where] |= piece
    return result


def _chains(ground: Ground, cloth: BoolArray) -> BoolArray:
    """(h, w) what lies between small pieces of surely cloth in a row: a striped strap."""
    labels, sizes = sized(cloth)
    furthest = np.zeros(len(sizes), np.float32)
    np.maximum.at(furthest, labels[cloth], ground.distance[cloth])
    small = (sizes >= LINK_AREA[0]) & (sizes < LINK_AREA[1] * cloth.size) & (furthest > LINK_DISTANCE)
    small[0] = False
    if not small.any():
        return np.zeros_like(cloth)
    result: BoolArray = closed(cloth, disk(LINK)) & dilated(small[labels], disk(LINK))
    return result


def _joints(cloth: BoolArray) -> BoolArray:
    """(h, w) narrow bands between sizeable pieces of cloth that nothing else connects."""
    labels, sizes = sized(fill_holes(cloth))
    pieces = [int(i) for i in np.argsort(-sizes[1:]) + 1 if sizes[i] > PIECE * cloth.size][:MOST_PIECES]
    result = np.zeros_like(cloth)
    if len(pieces) < 2:
        return result
    distances = [distance_to(labels == i) for i in pieces]
    for k, one in enumerate(distances):
        for other in distances[:k]:
            across = one + other
            band = (across < BRIDGE) & ~cloth
            if band.any():
                width = min(BRIDGE, JOINT_SPREAD * float(np.percentile(across[band], 25)))
                result |= _lying(band & (across < width))
    return result & closed(cloth, disk(BRIDGE)) if result.any() else result
