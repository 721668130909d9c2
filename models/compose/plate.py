"""The plate: the photo with the old top off, and everything else of a person that a try-on blends with.

Made once, when the person is read. Where the new garment will not cover it, the old top is replaced by what was most
likely there: skin on arms, neck and upper chest (the wearer's own tone and light), the lower garment below the waist
line, the background outside the body, and elsewhere on the trunk a plain neutral under-layer, never invented nudity.
Fills are smooth, so they are computed at a reduced size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.compose.coordinates import locate
from models.compose.fill import fill_in
from models.compose.remove import removal
from models.compose.wrinkles import wrinkles
from models.masks import blur, ramp
from models.person.body import Body
from models.types import FloatArray, Label, PersonParse, Picture

ARM_FROM = 0.38
"""From this place on the arm (0 shoulder, 1 elbow) visible skin lies in front of a torso; above it a top's edge does."""
HAIR_DOWN_TO = -0.75
"""Hair hangs down to this far over (below) the shoulder line, units; lower down it is a mistake of the parse."""
SHARPEN = 3.0
"""Soft masks of hair and skin are steepened this much about one half, or what is below shines through."""


@dataclass(frozen=True, slots=True)
class Plate:
    """Everything of a person that composing needs; all (H, W) float32 unless said."""

    plate: Picture
    """(H, W, 3) the photo without the old top."""
    removed: FloatArray
    """0..1 share of the plate that is fill; 0 exactly where plate equals photo."""
    front_torso: FloatArray
    """0..1 what lies before a torso: hair, face, hands and bare forearms."""
    front_sleeves: FloatArray
    """0..1 what lies before a sleeve whatever its length: hair and face."""
    hands: FloatArray
    """(2, H, W) 0..1 the visible hands and wrists: they lie before a sleeve where it has ended."""
    arm_cover: FloatArray
    """(2, H, W) 0..1 the bare arms."""
    arm_place: FloatArray
    """(2, H, W) place along the arms, 0 shoulder to 2 wrist and 2.5 fingers."""
    below_waist: FloatArray
    """px below the waist line along the trunk (negative above); -1e4 where the waist is not known."""
    wrinkles: FloatArray
    """Factor about 1: the worn top's folds and light, without its pattern."""
    skin: FloatArray
    """0..1 visible or filled skin: receives contact shadows."""


def make_plate(photo: Picture, parse: PersonParse, body: Body) -> Plate:
    """Removes the old top from `photo` (H, W, 3) and measures what lies before it."""
    height, width = photo.shape[:2]
    where = locate(body, (height, width), (height, width))
    removed = removal(photo, parse, body, where)
    fill, skin_fill = fill_in(photo, parse, body, where, removed)
    mixed = photo + (fill - photo) * removed[..., None]
    plate = np.where(removed[..., None] > 0, np.clip(np.rint(mixed), 0, 255), photo).astype(np.uint8)
    q = parse.probabilities

    def steep(c: Label) -> FloatArray:
        sharp: FloatArray = np.clip((q[c] - 0.5) * SHARPEN + 0.5, 0, 1)
        return sharp

    hands = ramp(where.place, 1.75, 1.9) * ramp(where.reach, 1.9, 1.6)
    forearms = np.any((where.place > ARM_FROM) & (where.reach < 1.45), axis=0)
    hair = steep(Label.HAIR) * (where.over > HAIR_DOWN_TO)
    face = ramp(where.from_nose, 1.11, 1.06) * np.clip((q[Label.SKIN] + q[Label.HAIR] - 0.5) * SHARPEN + 0.5, 0, 1)
    skin = steep(Label.SKIN)
    edge = 10.0 / body.unit_px
    head = np.maximum(hair, face)
    return Plate(
        plate=np.ascontiguousarray(plate),
        removed=removed,
        front_torso=np.maximum(np.maximum(head, hands.max(0) * skin), blur(np.asarray(forearms), 2) * skin),
        front_sleeves=head,
        hands=np.asarray(hands * skin, np.float32),
        arm_cover=ramp(where.reach, 1.0 + edge, 1.0 - edge).astype(np.float32),
        arm_place=where.place,
        below_waist=where.below_waist,
        wrinkles=wrinkles(photo, parse, body.unit_px),
        skin=np.maximum(skin, skin_fill * removed).astype(np.float32),
    )
