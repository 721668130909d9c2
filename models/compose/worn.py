"""What is worn, in two pieces: the one piece of somebody in a dress is told apart at the natural waist."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from models.compose.coordinates import Coordinates
from models.masks import ramp
from models.person.body import Body
from models.types import FloatArray, Label, PersonParse

DRESS_GAIN = 0.2
"""A trunk that gains less than this (nats a pixel) from being split into two cloths shows one piece."""
NATURAL_WAIST = 0.38
"""The natural waist lies this many trunk lengths above the hip joints."""
SKIRT_FROM, SKIRT_TO, SKIRT_LEAST = 0.15, 0.55, 0.5
"""Between these trunk lengths below the hips at least this share of the body is a dress's skirt."""
SKIRT_HALF = 0.45
"""The skirt is looked for this many units to either side of the trunk's axis."""
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
    corridor = (down > SKIRT_FROM) & (down < SKIRT_TO) & (np.abs(where.across) < SKIRT_HALF) & (where.reach.min(0) > 1)
    corridor &= parse.labels != Label.BACKGROUND
    return bool(corridor.any()) and float((parse.labels[corridor] == Label.UPPER).mean()) > SKIRT_LEAST
