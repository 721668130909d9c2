"""Where the old clothes are, and a rim around them where their edge still shows."""

from __future__ import annotations

import cv2
import numpy as np

from models.compose.pull_push import pull_push
from models.compose.skin import SLEEVE_FROM
from models.compose.worn import Off, Worn
from models.kernels.colours import differences
from models.masks import (
    AnyMask,
    Box,
    blur,
    box_of,
    close,
    enlarge,
    grow,
    median_colour,
    nearer,
    opened,
    ramp,
    reduce,
    shrink,
    steep,
    strongest,
)
from models.person.body import Body
from models.types import BoolArray, FloatArray, Label, PersonParse, Picture

RIM = 0.02
"""Width of the rim in units: soft edges, sewn edges and the shadow line beside them."""
RIM_LEAST_PX = 2.0
"""In small photos edges are soft over at least this much."""
BESIDE_RIMS, BESIDE_REACH = 2.2, 1.15
"""On a limb, out to so many of its half widths, the skin within so many rims of the cloth is redrawn with it."""
LOWER_RIM = 0.01
"""... but only so much of it on a lower garment that stays."""
CLOTH_FROM = 0.3
"""Probability of old garment from which a pixel is removed."""
PIECE_LEAST = 0.04
"""Components smaller than this share of the largest and of another colour are mistakes of the parse (a strap, a watch)."""
FACE_KEEP = 1.05
"""Inside this many nose-to-chin distances of the nose nothing is ever removed."""
HAND_FROM = (1.75, 1.85)
"""From these places on a limb the skin beside a long sleeve or leg is a hand or a foot: it stays as it is ..."""
HAND_REACH = 1.3
"""... within so many half widths of the bones."""
ARM_FROM, ARM_BESIDE = 0.38, 1.6
"""From this place on the arm (0 shoulder, 1 elbow) visible skin lies in front of a garment (above it a top's edge does),
out to so many half widths of the arm."""
HAIR_FROM = 0.4
"""Above this height over the shoulder line (units) what is taken for hair may hide cloth of its colour: a collar."""
HAIR_HAZE, HAIR_STEEP, KEEP_STEEP = 0.15, 3.0, 1.2
"""Hair, and shoes and bags, are kept with so many times their probability: of a haze of strands the parse is half sure only.
On what is cloth (from the first to the second of `SURELY_CLOTH`) a probability of hair under the first is noise: kept by it, a tenth
of the old garment would shine through the new one."""
SURELY_CLOTH = (0.75, 0.9)
HAZE_REACH = 0.15
"""A haze of hair hangs on hair: further from it than this (units) it is none."""
STRAP_UNLIKE, STRAP_REACH = 80, 0.35
"""On the shoulders skin with the garment's colour that differs by more than the first (0..255) from skin's is a strap, if it begins at the
garment and ends within the second (units) of it."""
REST_REACH = 0.42
"""Cloth that the parse took for background is looked for this far (units) from the old garment: beyond a limb ..."""
REST_CONTRAST, REST_LIKENESS = 5, 40
"""... where it differs from the ground by more than the first and from the garment's colour by less than the second (0..255)."""
REST_HAIR = 0.25
"""Within this of hair (units), and nearer to it than to the old garment, what differs from the ground is a haze of strands."""
NEAR_CLOTH, NEAR_DISTRUST = 0.10, 0.97
"""Background nearer to the old garment than this (units) counts this much less where hidden background is filled in: it may
be cloth that the parse left out, or lie in its shadow."""
CUFF_SPAN, CUFF_SOFT, CUFF_OUT = (-0.25, 0.15), 0.05, 2.6
"""Round a sleeve's end, between these places on the arm from it on, softly, and out to so many half widths, ..."""
CUFF_CLOTH, CUFF_EDGE, CUFF_FLESH, CUFF_RIM_PX = 0.06, (1.0, 1.08), 0.06, 3
"""... and within so many units of cloth, what lies outside the bare arm (from the first to the second of its half widths) is the cuff
or its inside, where it is no skin wider than twice the third (units), and no ground; its edge is so wide."""
NEAR_MOST, NEAR_MORE_PX = 0.45, 12
"""Nothing is removed further than this (units, and px) from the old garment: the most of the reaches above."""
CLEAR = 0.02
"""Less than this share of removal is none: there the plate equals the photo."""


def removal(photo: Picture, worn: Worn, bare_reach: FloatArray, beyond: FloatArray, body: Body, off: Off) -> FloatArray:
    """(H, W) 0..1: how much of each pixel is old cloth that comes off, or its rim; 0 exactly where the photo stays.

    bare_reach (2, H, W): distance from each arm's bones, 1 at the bare arm's skin; beyond: `beyond_arms`.
    """
    q, where = worn.parse.probabilities, worn.where
    old = np.zeros(worn.parse.labels.shape, np.float32)
    if off.top:
        old = np.maximum(_removed(photo, worn, bare_reach, body, Label.UPPER), _cuffs(photo, worn, beyond, body))
        if not off.bottom:
            # waistband, belt and buttons stay as they are, down from a narrow rim
            kept = shrink(q[Label.LOWER] > 0.5, max(1.0, LOWER_RIM * body.unit_px))
            old *= 1 - blur(kept, max(0.8, 0.5 * LOWER_RIM * body.unit_px))
    if off.bottom:
        lower = _removed(photo, worn, bare_reach, body, Label.LOWER)
        lower *= 1 - np.clip(q[Label.OTHER] * KEEP_STEEP, 0, 1)
        on_arm = np.any((where.place > ARM_FROM) & (where.reach < ARM_BESIDE), axis=0)
        lower *= 1 - on_arm * np.clip(q[Label.SKIN] * KEEP_STEEP, 0, 1)
        if not off.top:
            lower *= 1 - steep(q[Label.UPPER])
        old = np.maximum(old, lower)
    near_hair = blur(grow(worn.parse.labels == Label.HAIR, HAZE_REACH * body.unit_px), 0.2 * HAZE_REACH * body.unit_px)
    hair = np.where(where.over < HAIR_FROM, q[Label.HAIR] * near_hair, 0)
    noise = HAIR_HAZE * ramp(q[Label.UPPER] + q[Label.LOWER], *SURELY_CLOTH)
    old *= np.clip(1 - (hair - noise) * HAIR_STEEP, 0, 1)
    old *= where.from_nose > FACE_KEEP
    old[old < CLEAR] = 0
    return np.asarray(np.clip(old, 0, 1), np.float32)


def _removed(photo: Picture, worn: Worn, bare_reach: FloatArray, body: Body, label: Label) -> FloatArray:
    """(H, W) 0..1: the old garment of one label, its rim, its shadow on the skin beside it, and what the parse left out of it."""
    q = worn.parse.probabilities[label]
    rim = max(RIM_LEAST_PX, RIM * body.unit_px)
    cloth = (q > 0.5) & _main_pieces(q > 0.5, photo)
    result = np.zeros(q.shape, np.float32)
    box = box_of(cloth, NEAR_MOST * body.unit_px + NEAR_MORE_PX)
    if box is None:
        return result
    left_out = _left_out(photo, worn.parse, body, cloth, label, rim, box)
    straps = _straps(photo, worn, body, cloth, rim, box) if label == Label.UPPER else None
    q, cloth, where, bare_reach, skin = (
        q[box],
        cloth[box],
        worn.where.within(box),
        bare_reach[:, box[0], box[1]],
        worn.parse.labels[box] == Label.SKIN,
    )
    old = blur(grow((q > CLOTH_FROM) & (grow(cloth, 2) > 0), rim), 0.35 * rim)
    # skin beside cloth: its shadow and the cloth's rim are redrawn with the limb
    reach, place = (bare_reach, where.place) if label == Label.UPPER else (where.leg_reach, where.leg_place)
    beside = blur(grow(cloth, BESIDE_RIMS * rim), rim) * ((nearer(reach) < BESIDE_REACH) & skin)
    for limb_reach, limb_place in zip(reach, place, strict=True):
        beside *= 1 - ramp(limb_place, *HAND_FROM) * (limb_reach < HAND_REACH)
    result[box] = np.maximum(np.maximum(old, beside), left_out)
    if straps is not None:
        result[box] = np.maximum(result[box], straps)
    return result


def beyond_arms(worn: Worn, bare_reach: FloatArray, body: Body) -> FloatArray:
    """(H, W) 0..1: what sticks out over the bare arms close to where the worn sleeves end, and is no part of a broad stretch of skin.

    bare_reach (2, H, W): distance from each arm's bones, 1 at the bare arm's skin.
    """
    labels = worn.parse.labels
    near = np.zeros(labels.shape, np.float32)
    for reach, place, arm in zip(bare_reach, worn.where.place, body.arms, strict=True):
        if arm.sleeve_end > SLEEVE_FROM and arm.visible:
            start, stop = arm.sleeve_end + CUFF_SPAN[0], arm.sleeve_end + CUFF_SPAN[1]
            along = ramp(place, start - CUFF_SOFT, start) * ramp(place, stop + CUFF_SOFT, stop)
            near = np.maximum(near, along * ramp(reach, *CUFF_EDGE) * (reach < CUFF_OUT))
    if not near.any():
        return near
    rows, columns = np.flatnonzero(near.any(1)), np.flatnonzero(near.any(0))
    box = (slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1))
    flesh = grow(opened(labels[box] == Label.SKIN, CUFF_FLESH * body.unit_px), 2)
    near[box] *= blur(grow(labels[box] == Label.UPPER, CUFF_CLOTH * body.unit_px), 2) * blur(1 - flesh, 1)
    return near


def _cuffs(photo: Picture, worn: Worn, beyond: FloatArray, body: Body) -> FloatArray:
    """(H, W) 0..1: of what lies `beyond` the bare arms what the parse took for skin, and for ground though it differs from that."""
    rows, columns = np.flatnonzero(beyond.any(1)), np.flatnonzero(beyond.any(0))
    if len(rows) == 0:
        return beyond
    box = (slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1))
    labels = worn.parse.labels[box]
    clear = (labels == Label.BACKGROUND) & (grow(labels == Label.UPPER, CUFF_CLOTH * body.unit_px) == 0)
    ground = pull_push(photo[box].astype(np.float32), shrink(clear, 2).astype(np.float32))
    differs = blur(strongest(photo[box] - ground), 1.0) > REST_CONTRAST
    cuff = (labels == Label.SKIN) | ((labels == Label.BACKGROUND) & differs)
    result = np.zeros_like(beyond)
    result[box] = beyond[box] * blur(grow(cuff, CUFF_RIM_PX), 1)
    return result


def background_weight(background: AnyMask, cloth: AnyMask, near_px: float) -> FloatArray:
    """(H, W) 0..1: how much a background pixel tells of the background hidden by `cloth`; little within `near_px` of it."""
    return np.asarray(background * (1 - NEAR_DISTRUST * grow(cloth, near_px)), np.float32)


def _main_pieces(cloth: BoolArray, photo: Picture) -> BoolArray:
    """Components that are large, or small and of the largest one's colour (cloth seen behind an arm), grown by 2 px."""
    result = np.zeros_like(cloth)
    box = box_of(cloth, 2)
    if box is None:
        return result
    cloth, photo = cloth[box], photo[box]
    _, components, stats, _ = cv2.connectedComponentsWithStats(grow(cloth, 2))
    area = stats[:, cv2.CC_STAT_AREA].copy()
    area[0] = 0
    keep = area > PIECE_LEAST * area.max()
    colour = median_colour(photo, cloth & (components == area.argmax()))
    for i in np.flatnonzero(~keep & (area > 0)):
        left, top, width, height = stats[i, :4]
        own = (slice(top, top + height), slice(left, left + width))
        piece = cloth[own] & (components[own] == i)
        keep[i] = piece.any() and np.abs(median_colour(photo[own], piece) - colour).max() < REST_LIKENESS
    result[box] = keep[components]
    return result


def _left_out(photo: Picture, parse: PersonParse, body: Body, cloth: BoolArray, label: Label, rim: float, box: Box) -> FloatArray:
    """Of the `box`, 0..1: cloth that the parse left to the background, near the garment and of its colour."""
    labels, size = parse.labels, (photo.shape[1], photo.shape[0])
    worn = (labels == label) & cloth
    if not worn.any():
        return np.zeros(labels[box].shape, np.float32)
    quarter = (max(2, size[0] // 4), max(2, size[1] // 4))
    about = grow(cloth, REST_REACH * body.unit_px)
    weight = shrink(parse.probabilities[Label.BACKGROUND] > 0.9, rim) * (1 - np.float32(NEAR_DISTRUST) * about)
    ground = np.ascontiguousarray(enlarge(pull_push(reduce(photo, quarter), reduce(weight, quarter)), size)[box])
    colour = np.broadcast_to(median_colour(photo, worn), ground.shape)
    labels, seen = labels[box], photo[box]
    near = (labels == Label.BACKGROUND) & (about[box] > 0)
    differs = blur(differences(seen, ground), 1.0) > REST_CONTRAST
    rest = opened(close(near & differs & (differences(seen, colour) < REST_LIKENESS), 4), 1)
    hair = labels == Label.HAIR
    stays = (labels == Label.SKIN) | hair
    if hair.any():
        to_hair, to_cloth = (cv2.distanceTransform((~of).view(np.uint8), cv2.DIST_L2, 3) for of in (hair, cloth[box]))
        strands = to_hair < np.minimum(to_cloth, REST_HAIR * body.unit_px)
        rest, stays = rest & ~strands, stays | strands
    return np.asarray(blur(grow(rest, 3), 1.5) * ~stays, np.float32)


def _straps(photo: Picture, worn: Worn, body: Body, cloth: BoolArray, rim: float, box: Box) -> FloatArray:
    """Of the `box`, 0..1: straps that are too thin for the parse, which took them for the shoulders' skin."""
    skin, where = worn.parse.labels == Label.SKIN, worn.where.within(box)
    at = skin[box] & (np.abs(where.over) < STRAP_REACH) & (nearer(where.place) < ARM_FROM) & (where.from_nose > FACE_KEEP)
    if at.any():
        at &= grow(cloth[box], STRAP_REACH * body.unit_px) > 0
    part = box_of(at)
    result = np.zeros(at.shape, np.float32)
    if part is None:
        return result
    seen = photo[box][part]
    colours = (np.broadcast_to(median_colour(photo, of), seen.shape) for of in (cloth, skin))
    alike, unlike = (differences(seen, colour) for colour in colours)
    strap = np.zeros(at.shape, np.bool_)
    strap[part] = at[part] & (alike < REST_LIKENESS) & (unlike > STRAP_UNLIKE)
    if not strap.any():
        return result
    _, pieces = cv2.connectedComponents(grow(strap, 1))
    begins = np.unique(pieces[strap & (grow(cloth[box], rim + 1) > 0)])
    return blur(grow(strap & np.isin(pieces, begins), rim), 0.35 * rim)
