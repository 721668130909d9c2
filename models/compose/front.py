"""What lies before a new garment, and what its shadows fall on."""

from __future__ import annotations

from dataclasses import dataclass, fields

import cv2
import numpy as np

from models.compose.hands import Parted
from models.compose.remove import ARM_FROM
from models.compose.worn import Off, Worn
from models.masks import blur, box_of, grow, larger, nearer, opened, ramp, steep
from models.types import BoolArray, Category, FloatArray, Label

HAIR_SOFT = 1.75
"""Hair's edge is a haze of strands that the parse is only half sure of: it counts for more than it is sure of."""
HAIR_DOWN_TO = -0.75
"""Hair hangs down to this far over (below) the shoulder line, units; lower down it is a mistake of the parse."""
THROAT_FROM, THROAT_WIDE, THROAT_DOWN = 1.08, 0.3, -0.25
"""Chin and jaw cast hair-like shadows on the neck: the throat begins so many nose-to-chin distances from the nose, so far to both sides
of the trunk's axis and down to there over the shoulder line (units). Half-sure hair on skin counts no more than it is sure of there ..."""
LOCK = 0.035
"""... and what is narrower than twice this (units) and hangs down from wider hair is a shadow's tail, no lock."""
HAND_PLACE, HAND_REACH = (1.75, 1.9), (1.9, 1.6)
"""A hand begins between these places on its arm and ends between these half widths from its bones."""
FOREARM_REACH = 1.45
"""A forearm's skin reaches so many half widths from its bones."""
ARM_EDGE = 2.1
"""Skin just beyond that is the arm's too, if it ends within so many."""
FACE = (1.11, 1.06)
"""The face ends between these nose-to-chin distances from the nose."""
FOOT_PLACE, FOOT_REACH = 1.6, 3.0
"""What is neither cloth nor skin from this place on a leg, within so many half widths, is a shoe."""
HELD_REACH = 3.0
"""A bag touches a hand: it comes within so many half widths of it."""
SURE_GROUND, BESIDE_PX = 0.9, 8
"""Further than the second from what is background with less than this probability nothing lies before a garment."""
CLOTH_CATCHES = 0.6
"""Cloth shows a contact shadow less than skin: it lies closer, and folds hide it."""


@dataclass(frozen=True, slots=True)
class Front:
    """Masks (H, W) 0..1 of what lies before a garment's torso and its strips (sleeves or legs), back to front."""

    torso: FloatArray
    strips: FloatArray
    hands: FloatArray
    """(2, H, W) hands that come out of sleeves."""
    arms: FloatArray
    """(2, H, W) forearms and hands: they lie before a torso where the new sleeve has ended."""
    top: FloatArray
    """The worn top, where it hangs before a lower garment."""


def in_front(worn: Worn, filled_arms: FloatArray, parted: Parted, drawn: Category, off: Off, unit_px: float) -> Front:
    """`filled_arms` (H, W) 0..1: the plate's own arms, where an old sleeve was; `parted`: whose the skin beside a forearm is."""
    size = worn.parse.labels.shape
    box = box_of((worn.parse.probabilities[Label.BACKGROUND] < SURE_GROUND) | (filled_arms > 0), BESIDE_PX)
    planes = {f.name: np.zeros((2, *size) if f.name in ("hands", "arms") else size, np.float32) for f in fields(Front)}
    if box is not None:
        there = Parted(parted.arms[box], parted.thighs[box])
        front = _in_front(worn.within(box), filled_arms[box], there, drawn, off, unit_px)
        for name, plane in planes.items():
            plane[..., box[0], box[1]] = getattr(front, name)
    return Front(**planes)


def _in_front(worn: Worn, filled_arms: FloatArray, parted: Parted, drawn: Category, off: Off, unit_px: float) -> Front:
    """`in_front` of a part of the photo."""
    q, where = worn.parse.probabilities, worn.where
    hands = ramp(where.place, *HAND_PLACE) * ramp(where.reach, *HAND_REACH)
    flesh = (worn.parse.labels == Label.SKIN) & (parted.thighs < 0.5)
    forearms = np.stack(
        [
            np.maximum(_forearm(place, reach, flesh), parted.arms * ((place > ARM_FROM) & (reach <= nearer(where.reach))))
            for place, reach in zip(where.place, where.reach, strict=True)
        ]
    )
    hair = _hair(worn, unit_px)
    head = np.maximum(hair, ramp(where.from_nose, *FACE) * steep((q[Label.SKIN] + q[Label.HAIR]) * HAIR_SOFT))
    on_arm = q[Label.SKIN] * (1 - parted.thighs)
    own = steep(on_arm)
    arms = np.asarray(np.maximum(hands, forearms) * own, np.float32)
    none = np.zeros_like(own)
    # what touches is added before it is steepened, or the garment would shine through between a hand and its bag
    bag = np.where(_held(worn), q[Label.OTHER], 0)
    if drawn is Category.UPPER:
        return Front(np.maximum(head, steep(bag)), head, np.asarray(hands * own, np.float32), arms, none)
    if drawn is Category.DRESS:
        held = steep(on_arm * larger(hands) + bag)
        return Front(np.maximum(head, held), head, np.asarray(hands * own, np.float32), arms, none)
    top = none if off.top else q[Label.UPPER]
    held = steep(on_arm * larger(np.maximum(hands, forearms)) + bag + top)
    front = np.maximum(np.maximum(np.maximum(head, larger(arms)), held), filled_arms * np.any(where.place > ARM_FROM, axis=0))
    return Front(front, front, np.zeros_like(hands), np.zeros_like(arms), none if off.top else steep(top))


def catches(worn: Worn, skin: FloatArray, drawn: Category, off: Off) -> FloatArray:
    """(H, W) 0..1: what a garment's contact shadow falls on; `skin` (H, W) 0..1 of the plate."""
    q = worn.parse.probabilities
    stays = CLOTH_CATCHES * q[Label.LOWER] * (not off.bottom) if drawn is Category.UPPER else steep(q[Label.OTHER])
    return np.asarray(np.maximum(skin, stays), np.float32)


def _forearm(place: FloatArray, reach: FloatArray, skin: BoolArray) -> FloatArray:
    """(H, W) 0..1: one arm below its sleeve, with the flesh along its edge that lies further from the pose's bones."""
    near = (place > ARM_FROM) & (reach < FOREARM_REACH)
    beside = skin & (place > 1) & (reach >= FOREARM_REACH)
    count, pieces = cv2.connectedComponents(beside.view(np.uint8), connectivity=4)
    far = np.zeros(count, np.bool_)
    far[np.unique(pieces[beside & (reach > ARM_EDGE)])] = True
    return blur(near | (beside & ~far[pieces]), 2)


def neck(worn: Worn) -> FloatArray:
    """(H, W) 0..1: what lies before the inside of a collar's back: skin, and at the throat the shadows on it that look like hair too."""
    q = worn.parse.probabilities
    return np.asarray(steep(q[Label.SKIN] + q[Label.HAIR] * _throat(worn)), np.float32)


def _throat(worn: Worn) -> BoolArray:
    where = worn.where
    return np.asarray((where.from_nose > THROAT_FROM) & (np.abs(where.across) < THROAT_WIDE) & (where.over > THROAT_DOWN), np.bool_)


def _hair(worn: Worn, unit_px: float) -> FloatArray:
    """(H, W) 0..1: hair that lies before a garment."""
    q, where, throat = worn.parse.probabilities, worn.where, _throat(worn)
    on_skin = throat * q[Label.SKIN] / np.maximum(1 - q[Label.HAIR], 1e-3)
    hair = steep(q[Label.HAIR] * (HAIR_SOFT - (HAIR_SOFT - 1) * np.minimum(on_skin, 1)))
    locks = blur(grow(opened(hair > 0.5, LOCK * unit_px), 1 + 0.3 * LOCK * unit_px), 1)
    return np.asarray(np.where(throat, np.minimum(hair, locks), hair) * (where.over > HAIR_DOWN_TO), np.float32)


def _held(worn: Worn) -> BoolArray:
    """Pixels of what is held: pieces that are neither cloth nor shoes and touch a hand."""
    where, labels = worn.where, worn.parse.labels
    shoe = np.any((where.leg_place > FOOT_PLACE) & (where.leg_reach < FOOT_REACH), axis=0)
    other = grow((labels == Label.OTHER) & ~shoe, 2)
    count, pieces = cv2.connectedComponents(other)
    hand = np.any((where.place > HAND_PLACE[0]) & (where.reach < HELD_REACH), axis=0)
    held = np.zeros(count, np.bool_)
    held[np.unique(pieces[hand & (other > 0)])] = True
    held[0] = False
    return np.asarray(held[pieces], np.bool_)
