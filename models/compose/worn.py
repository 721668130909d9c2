"""What is worn, in two pieces: the one piece of somebody in a dress is told apart at the natural waist."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from models.compose.coordinates import Coordinates
from models.masks import Box, blur, median_colour, nearer, opened, ramp
from models.person.body import Body
from models.types import FloatArray, Label, PersonParse, Picture

DRESS_GAIN = 0.2
"""A trunk that gains less than this (nats a pixel) from being split into two cloths shows one piece."""
NATURAL_WAIST = 0.38
"""The natural waist lies this many trunk lengths above the hip joints."""
SKIRT_FROM, SKIRT_TO, SKIRT_LEAST = 0.15, 0.55, 0.5
"""Between these trunk lengths below the hips at least this share of the body is a dress's skirt."""
SKIRT_HALF = 0.45
"""The skirt is looked for this many units to either side of the trunk's axis."""
HAND_FROM, HAND_REACH = 1.6, 2.0
"""A hand lies beyond this place on its arm, within so many half widths of the bones."""
POCKET_LIKE, POCKET_LEAST_PX = 0.5, 3
"""Its pixels are cloth where their colour is this much nearer to the lower garment's than to the skin's, in patches of
at least twice so many px."""
POCKET_APART = 20.0
"""Trousers whose hue (see `_hue`) is nearer to the skin's than this do not tell a pocket from the hand."""
HUE_SCALE, HUE_DARK, HUE_LIGHT = 128.0, 16.0, 0.5
"""Weights of colour and of light in a hue; under about the second (0..255) a colour is noise."""
EDGE_PX = 1.5
"""Half the width of soft edges drawn at full size."""


class Off(StrEnum):
    """Which of the old clothes come off."""

    UPPER = "upper"
    LOWER = "lower"
    BOTH = "both"

    @property
    def top(self) -> bool:
        return self is not Off.LOWER

    @property
    def bottom(self) -> bool:
        return self is not Off.UPPER


@dataclass(frozen=True, slots=True)
class Worn:
    """The parse and the coordinates of a person whose clothes have a waist."""

    parse: PersonParse
    where: Coordinates

    def cloth(self, off: Off) -> FloatArray:
        """(H, W) 0..1: probability of what comes off."""
        q = self.parse.probabilities
        return np.asarray(q[Label.UPPER] * off.top + q[Label.LOWER] * off.bottom, np.float32)

    def within(self, box: Box) -> Worn:
        """The same of the `box` of the photo."""
        parse = replace(self.parse, labels=self.parse.labels[box], probabilities=self.parse.probabilities[:, box[0], box[1]])
        return Worn(parse, self.where.within(box))


def pockets(photo: Picture, worn: Worn) -> Worn:
    """A hand that is hidden in a pocket was taken for skin where it should be: there the lower garment is seen."""
    parse, where = worn.parse, worn.where
    hand = (parse.labels == Label.SKIN) & np.any((where.place > HAND_FROM) & (where.reach < HAND_REACH), axis=0)
    skin = (parse.labels == Label.SKIN) & ~hand
    lower = parse.labels == Label.LOWER
    if not (hand.any() and skin.any() and lower.any()):
        return worn
    rows, columns = np.nonzero(hand)
    box = (slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1))
    colour = photo[box].astype(np.float32)
    skin_hue, lower_hue = (_hue(median_colour(photo, of)) for of in (skin, lower))
    if np.linalg.norm(skin_hue - lower_hue) < POCKET_APART:
        return worn
    to_skin, to_lower = (np.linalg.norm(_hue(colour) - of, axis=-1) for of in (skin_hue, lower_hue))
    cloth = hand[box] & (to_lower < POCKET_LIKE * to_skin)
    hidden = np.zeros(hand.shape, np.float32)
    hidden[box] = blur(opened(cloth, POCKET_LEAST_PX), 1.0)
    if not hidden.any():
        return worn
    q = parse.probabilities.copy()
    q[Label.LOWER] += q[Label.SKIN] * hidden
    q[Label.SKIN] *= 1 - hidden
    labels = np.where((hidden > 0.5) & (parse.labels == Label.SKIN), np.uint8(Label.LOWER), parse.labels)
    return Worn(replace(parse, probabilities=q, labels=labels), where)


def _hue(colour: FloatArray) -> FloatArray:
    """(..., 4) what of RGB (..., 3) changes little with the light, and a little of the light."""
    light = colour.mean(-1, keepdims=True)
    return np.concatenate([HUE_SCALE * colour / (light + HUE_DARK), HUE_LIGHT * light], -1)


def in_two_pieces(parse: PersonParse, body: Body, where: Coordinates) -> Worn:
    """`parse` with the skirt of a dress labelled LOWER; as it is for other clothes."""
    if not _one_piece(parse, body, where):
        return Worn(parse, where)
    below = where.below_shoulders - (1 - NATURAL_WAIST) * body.trunk_px
    skirt = ramp(below, -EDGE_PX, EDGE_PX)
    q = parse.probabilities.copy()
    q[Label.LOWER] += q[Label.UPPER] * skirt
    q[Label.UPPER] *= 1 - skirt
    labels = parse.labels.copy()
    labels[(labels == Label.UPPER) & (below > 0)] = Label.LOWER
    return Worn(replace(parse, probabilities=q, labels=labels), replace(where, below_waist=below))


def _one_piece(parse: PersonParse, body: Body, where: Coordinates) -> bool:
    """A dress: no waist was found, and the top goes on well below the hips."""
    if body.waist_known or parse.waist_gain > DRESS_GAIN:
        return False
    down = where.below_shoulders / body.trunk_px - 1
    corridor = (down > SKIRT_FROM) & (down < SKIRT_TO) & (np.abs(where.across) < SKIRT_HALF) & (nearer(where.reach) > 1)
    corridor &= parse.labels != Label.BACKGROUND
    return bool(corridor.any()) and float((parse.labels[corridor] == Label.UPPER).mean()) > SKIRT_LEAST
