"""Where a bare forearm and its hand end, beside trousers of the skin's colour and beside a bare thigh.

The parse goes by colour, and the bones lie a little aside. What is surely the arm, the cloth, the leg or the ground is flooded over what
lies between, and meets at the edges that the photo shows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from models.compose.remove import ARM_FROM
from models.compose.worn import Worn
from models.masks import blur, nearer, shrink
from models.types import BoolArray, FloatArray, Label, Picture

CORE, CLEAR = 0.6, 1.9
"""Skin nearer to an arm's bones than the first (half widths) is the arm's, skin on a leg further away than the second the leg's."""
DOUBTED, MOST = 0.85, 2.6
"""Between these (half widths from the bones) what was taken for the arm may be something else."""
CLOTH_CLEAR = 2.1
"""Cloth further away than this is cloth."""
ON_LEG, HEM_AT = 1.2, 0.98
"""A leg's skin lies within so many half widths of its bones, further down than this share of the cloth on it: no fingers on trousers."""
SURE_PX = 2
"""What is surely something lies so many px inside its outline."""
CALM_PX = 5
"""Ribs and grain within so many px are no edge."""
LEG_MARK, REST_MARK = 16, 17
"""Numbers of a leg's skin and of other skin in the flood, beside those of the labels."""


@dataclass(frozen=True, slots=True)
class Parted:
    """What the flood has found beside bare forearms; (H, W) 0..1, 0 where nothing is in doubt."""

    arms: FloatArray
    """Skin that is an arm's, as wide as it is seen to be."""
    thighs: FloatArray
    """Skin beside a hand that is a leg's."""

    @classmethod
    def nothing(cls, size: tuple[int, int]) -> Parted:
        """For a photo of `size` (H, W)."""
        return cls(np.zeros(size, np.float32), np.zeros(size, np.float32))


def part_arms(photo: Picture, worn: Worn) -> tuple[Worn, Parted]:
    """`worn` with the cloth beside forearms told from their skin, and whose the skin there is."""
    parse, where = worn.parse, worn.where
    labels = parse.labels
    away = np.where(where.place > ARM_FROM, where.reach, np.float32(np.inf))
    reach = nearer(away)
    zone = reach < MOST
    skin, lower = labels == Label.SKIN, labels == Label.LOWER
    parted = Parted.nothing(photo.shape[:2])
    arm = skin & (reach < CORE)
    leg = _bare_legs(worn) & (reach > CLEAR)
    if not (arm.any() and (lower & zone).any() | (leg & zone).any()):
        return worn, parted
    rows, columns = np.nonzero(zone)
    box = (slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1))
    marks = _marks(labels[box], reach[box], arm[box], leg[box])
    calm = np.ascontiguousarray(cv2.medianBlur(np.ascontiguousarray(photo[box]), CALM_PX))
    flood = cv2.watershed(calm, marks)
    seams = cv2.dilate(np.maximum(flood, 0).astype(np.uint8), np.ones((3, 3), np.uint8))
    flood = np.where(flood < 0, seams, flood)
    doubted = skin[box] & (reach[box] > DOUBTED) & zone[box]
    cloth, bare = np.zeros(labels.shape, np.float32), np.zeros(labels.shape, np.float32)
    cloth[box] = _soft(doubted & (flood == Label.LOWER + 1))
    bare[box] = _soft(lower[box] & (reach[box] < CLOTH_CLEAR) & (flood == Label.SKIN + 1))
    parted.thighs[box] = _soft(doubted & (flood == LEG_MARK))
    parted.arms[box] = _soft((flood == Label.SKIN + 1) & zone[box])
    q = parse.probabilities.copy()
    more = q[Label.SKIN] * cloth - q[Label.LOWER] * bare
    q[Label.LOWER] += more
    q[Label.SKIN] -= more
    labels = np.where((cloth > 0.5) & skin, np.uint8(Label.LOWER), labels)
    labels = np.where((bare > 0.5) & lower, np.uint8(Label.SKIN), labels)
    return replace(worn, parse=replace(parse, probabilities=q, labels=labels)), parted


def _bare_legs(worn: Worn) -> BoolArray:
    """(H, W) the skin of legs below their cloth."""
    labels, where = worn.parse.labels, worn.where
    bare = np.zeros(labels.shape, np.bool_)
    for reach, place in zip(where.leg_reach, where.leg_place, strict=True):
        on = (reach < ON_LEG) & (place > 0)
        cloth = place[on & (labels == Label.LOWER)]
        if cloth.size:
            bare |= on & (labels == Label.SKIN) & (place > np.quantile(cloth, HEM_AT))
    return bare


def _marks(labels: np.ndarray, reach: FloatArray, arm: BoolArray, leg: BoolArray) -> np.ndarray:
    """(h, w) int32 what is surely one thing: its label + 1 or LEG_MARK; 0 where the flood decides."""
    marks = np.zeros(labels.shape, np.int32)
    for label in Label:
        if label is not Label.SKIN:
            sure = (labels == label) & ((reach > CLOTH_CLEAR) | (label is Label.BACKGROUND))
            marks[shrink(sure, SURE_PX) > 0] = label + 1
    marks[shrink((labels == Label.SKIN) & (reach > MOST), SURE_PX) > 0] = REST_MARK
    marks[shrink(leg, SURE_PX) > 0] = LEG_MARK
    marks[arm] = Label.SKIN + 1
    return marks


def _soft(mask: BoolArray) -> FloatArray:
    return blur(mask, 1.0)
