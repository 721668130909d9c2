"""The plate: the photo with the old clothes off, and everything else of a person that a try-on blends with.

Made once for every combination of what is drawn and what comes off. Where the new garment will not cover it, the old one
is replaced by what was most likely there: skin on limbs, neck and upper chest (the wearer's own tone and light), the
clothes that stay, the background outside the body, and elsewhere on trunk and upper thighs a plain neutral under-layer,
never invented nudity. Fills are smooth, so they are computed at a reduced size.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from models.compose.bare_legs import bare_leg
from models.compose.coordinates import locate
from models.compose.fill import EDGE, band_rim, bare_where, fill_in
from models.compose.front import catches, in_front, neck
from models.compose.hands import Parted, part_arms
from models.compose.remove import beyond_arms, removal
from models.compose.worn import Off, in_two_pieces, pockets
from models.compose.wrinkles import wrinkles
from models.masks import SHARPEN, blur, box_of, enlarge, grow, larger, opened, ramp, steep
from models.person.body import Body
from models.types import Category, FloatArray, Label, LabelMap, PersonParse, Picture

BAND_SMOOTH = 0.012
"""The edge of the worn lower garment is smoothed over so many units: a hem that keeps to it must not fray."""
BAND_OVER = (-0.03, -0.02)
"""It reaches at most this far (units) over its measured edge."""
GROUND_LEAST = 0.03
"""Background narrower than twice this (units) may be a stripe of cloth that was not known: nothing is trimmed along it."""
HOLE_MOST, HOLE_UNDER = 0.12, 0.15
"""Background of less than the first (units²), of which the next below it (units) is the worn top, is a hole in the parse, no gap."""
GROUND_SMOOTH = 0.01
"""The silhouette is smoothed over so many units where a garment is trimmed to it."""
CLOTH_NEAR = 0.07
"""So far beyond the worn clothes (units) their outline is that of the garment that takes their place."""
FILL_MARGIN = 0.12
"""What is filled in is made this far (units) round what is removed: what smooths it looks no further."""
SLEEVE_LEAST = 0.25
"""A worn sleeve that ends before this place on the arm is a shoulder or a strap."""
SLEEVE_TO = (0.12, 0.2)
"""A worn sleeve may end this much (places on the arm) further than it was found to; fading out over the difference."""


@dataclass(frozen=True, slots=True)
class Plate:
    """Everything of a person that composing needs; all (H, W) float32 unless said."""

    plate: Picture
    """(H, W, 3) the photo without the old clothes."""
    removed: FloatArray
    """0..1 share of the plate that is fill; 0 exactly where plate equals photo."""
    front_torso: FloatArray
    """0..1 what lies before a torso: hair, face, and what is held."""
    front_sleeves: FloatArray
    """0..1 what lies before a sleeve whatever its length: hair and face; before legs: arms, hands and the worn top too."""
    hands: FloatArray
    """(2, H, W) 0..1 the visible hands and wrists: they lie before a sleeve where it has ended; none for lower garments."""
    front_arms: FloatArray
    """(2, H, W) 0..1 the visible forearms and hands: they lie before a torso where the new sleeve has ended."""
    arm_cover: FloatArray
    """(2, H, W) 0..1 the bare arms."""
    arm_place: FloatArray
    """(2, H, W) place along the arms, 0 shoulder to 2 wrist and 2.5 fingers."""
    below_waist: FloatArray
    """px below the waist line along the trunk (negative above); -1e4 where the waist is not known."""
    wrinkles: FloatArray
    """Factor about 1: the worn garment's folds and light, without its pattern."""
    skin: FloatArray
    """0..1 visible or filled skin: hides the inside of a garment's back."""
    catches: FloatArray
    """0..1 what contact shadows fall on: skin, shoes, the clothes that stay."""
    overhang: FloatArray
    """0..1 the worn top that hangs before a new lower garment, and shades it; 0 elsewhere."""
    ground: FloatArray
    """0..1 the photo's background, without slits and specks."""
    lower: FloatArray
    """0..1 the worn lower garment where it stays: a tucked top ends at its edge; 0 elsewhere."""
    clothed: FloatArray
    """0..1 on and close to the worn clothes."""
    arm_side: FloatArray
    """1 where the right arm's bones are nearer, else 0."""
    worn_end: FloatArray
    """Place on the nearer arm where the worn sleeve ends, 0 without sleeve."""
    away: FloatArray
    """px from the silhouette into the background; 0 on the person."""
    leg_side: FloatArray
    """1 where the right leg's bones are nearer, else 0."""
    leg_place: FloatArray
    """Place along the nearer leg: 0 hip joint, 1 knee, 2 ankle, 2.5 toes."""


def make_plate(photo: Picture, parse: PersonParse, body: Body, drawn: Category = Category.UPPER, off: Off = Off.UPPER) -> Plate:
    """Takes the old clothes `off` `photo` (H, W, 3) and measures what lies before a garment of category `drawn`."""
    size = (photo.shape[0], photo.shape[1])
    legs = (bare_leg(parse.labels, body.legs[0]), bare_leg(parse.labels, body.legs[1]))
    worn = in_two_pieces(parse, body, locate(body, legs, size))
    parted = Parted.nothing(size)
    if off.bottom:
        worn, parted = part_arms(photo, worn)
        worn = pockets(photo, worn)
    where, q = worn.where, worn.parse.probabilities
    bare = bare_where(worn, body)
    bare_reach = np.stack([enlarge(own, (size[1], size[0])) for own in bare.reach])
    beyond = beyond_arms(worn, bare_reach, body)
    removed = removal(photo, worn, bare_reach, beyond, body, off)
    lower: FloatArray = np.zeros(size, np.float32)
    if not off.bottom:
        # what juts out over its edge is cloth of its colour
        lower = _smooth(q[Label.LOWER], BAND_SMOOTH * body.unit_px) * ramp(where.below_waist / body.unit_px, *BAND_OVER)
    plate, skin_fill = photo.copy(), np.zeros(size, np.float32)
    box = box_of(removed, FILL_MARGIN * body.unit_px)
    if box is not None:
        fill, skin_fill[box] = fill_in(photo, worn, bare, beyond, body, removed, box, off)
        fill = band_rim(photo, fill, lower, where, box, body.unit_px)
        share = removed[box]
        for channel in range(3):
            seen = photo[box][..., channel]
            mixed = seen + (fill[..., channel] - seen) * share
            np.copyto(plate[box][..., channel], np.clip(np.rint(mixed), 0, 255).astype(np.uint8), where=share > 0)
    edge = EDGE / body.unit_px
    skin = np.maximum(neck(worn), skin_fill * removed)
    # cloth that was seen before a bare arm hangs before it: the arm is redrawn only where it had a sleeve
    sleeved = np.stack(
        [
            ramp(place, arm.sleeve_end + SLEEVE_TO[1], arm.sleeve_end + SLEEVE_TO[0])
            for place, arm in zip(where.place, body.arms, strict=True)
        ]
    )
    # a bare arm's silhouette is no sleeve's
    has_sleeve = np.where(where.reach[0] < where.reach[1], *(float(arm.sleeve_end > SLEEVE_LEAST) for arm in body.arms))
    on_sleeve = np.where(where.reach[0] < where.reach[1], *sleeved)
    arm_cover = ramp(where.reach, 1.0 + edge, 1.0 - edge) * np.maximum(sleeved, 1 - steep(q[Label.UPPER]))
    filled_arms = larger(arm_cover) * skin_fill * removed * (1 - steep(q[Label.LOWER])) * off.top
    front = in_front(worn, filled_arms, parted, drawn, off, body.unit_px)
    factor: FloatArray = np.ones(size, np.float32)
    if drawn is not Category.LOWER:
        factor = wrinkles(photo, worn.parse, Label.UPPER, body.unit_px)
    if drawn is not Category.UPPER:
        factor = factor * wrinkles(photo, worn.parse, Label.LOWER, body.unit_px)
    ground = _open_ground(q[Label.BACKGROUND], worn.parse.labels, body.unit_px)
    return Plate(
        plate=plate,
        removed=removed,
        front_torso=front.torso,
        front_sleeves=front.strips,
        hands=front.hands,
        front_arms=front.arms,
        arm_cover=np.asarray(arm_cover * (1 - removed * steep(q[Label.LOWER])), np.float32),
        arm_place=where.place,
        below_waist=where.below_waist,
        wrinkles=factor,
        skin=skin.astype(np.float32),
        catches=catches(worn, skin, drawn, off),
        overhang=front.top,
        ground=ground,
        away=np.asarray(cv2.distanceTransform((ground > 0.5).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5), np.float32),
        lower=lower,
        clothed=_near_cloth(q[Label.UPPER] + q[Label.LOWER], CLOTH_NEAR * body.unit_px) * on_sleeve * has_sleeve,
        arm_side=np.asarray(where.reach[1] < where.reach[0], np.float32),
        worn_end=np.where(where.reach[1] < where.reach[0], body.arms[1].sleeve_end, body.arms[0].sleeve_end).astype(np.float32),
        leg_side=np.asarray(where.leg_reach[1] < where.leg_reach[0], np.float32),
        leg_place=np.where(where.leg_reach[1] < where.leg_reach[0], where.leg_place[1], where.leg_place[0]).astype(np.float32),
    )


def _smooth(mask: FloatArray, sigma_px: float) -> FloatArray:
    """`mask` (H, W) with a smoother outline, and an edge of about two pixels."""
    if sigma_px < 0.7:
        return steep(mask)
    return np.asarray(np.clip((blur(mask, sigma_px) - 0.5) * max(1.5 * sigma_px, SHARPEN) + 0.5, 0, 1), np.float32)


def _near_cloth(cloth: FloatArray, reach_px: float) -> FloatArray:
    """(H, W) 0..1: 1 on cloth and within `reach_px` of it, fading out over half as much again."""
    away = cv2.distanceTransform((cloth < 0.5).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    return ramp(np.asarray(away, np.float32), 1.5 * reach_px, reach_px).astype(np.float32)


def _open_ground(background: FloatArray, labels: LabelMap, unit_px: float) -> FloatArray:
    """(H, W) 0..1: the background where it is wider than slits are, with a smooth edge of about two pixels.

    What is shut in above the worn top's cloth is no gap beside an arm, but a hole in what was known of the cloth.
    """
    wide = grow(opened(background > 0.5, max(1.0, GROUND_LEAST * unit_px)), 2)
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(wide)
    reach = np.ones((max(2, round(HOLE_UNDER * unit_px)), 1), np.uint8)
    for i in range(1, count):
        if stats[i, cv2.CC_STAT_AREA] < HOLE_MOST * unit_px**2:
            x, y, w, h = stats[i, :4]
            box = (slice(y, y + h + len(reach)), slice(x, x + w))
            piece = pieces[box] == i
            under = np.asarray(cv2.dilate(piece.astype(np.uint8), reach, anchor=(0, len(reach) - 1)), np.bool_) & ~piece
            if (labels[box][under] == Label.UPPER).sum() > 0.5 * under.sum():
                wide[box][piece] = 0
    sigma = GROUND_SMOOTH * unit_px
    if sigma < 0.7:
        return np.asarray(steep(background) * wide, np.float32)
    return np.asarray(np.clip((blur(steep(background) * wide, sigma) - 0.5) * 1.5 * sigma + 0.5, 0, 1), np.float32)
