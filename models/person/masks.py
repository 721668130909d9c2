"""Arithmetic on person masks: (H, W) 0..1, a pixel is person from PERSON_LEVEL on."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from models.types import FloatArray

PERSON_LEVEL = 0.5
MASK_SLACK = 0.04  # of the root of a mask's area: two networks' masks of one person differ by this much at the edge


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in px; right and bottom are exclusive."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top


@dataclass(frozen=True, slots=True)
class ClassMaps:
    """Probabilities of the six classes over a rectangle of a photo."""

    probabilities: FloatArray
    """(6, h, w) 0..1, sums to 1."""
    left: int
    top: int
    width: int
    height: int
    """The rectangle in photo px; it may reach outside."""


def box_of(mask: FloatArray) -> Box | None:
    """The bounding box of the person pixels; None where there are none."""
    person = mask > PERSON_LEVEL
    columns, rows = np.flatnonzero(person.any(0)), np.flatnonzero(person.any(1))
    if not len(columns):
        return None
    return Box(float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))


def iou(first: FloatArray, second: FloatArray) -> float:
    a, b = first > PERSON_LEVEL, second > PERSON_LEVEL
    either = np.count_nonzero(a | b)
    return float(np.count_nonzero(a & b) / either) if either else 0.0


def overlap(first: FloatArray, second: FloatArray) -> float:
    """Share of the smaller of two masks that lies in the other."""
    a, b = first > PERSON_LEVEL, second > PERSON_LEVEL
    smaller = min(np.count_nonzero(a), np.count_nonzero(b))
    return float(np.count_nonzero(a & b) / smaller) if smaller else 0.0


def only_around(people: FloatArray, wearer: FloatArray, others: list[FloatArray]) -> FloatArray:
    """`people` without patches that do not touch the wearer, and without what another person's mask claims more."""
    count, patches = cv2.connectedComponents((people > PERSON_LEVEL).astype(np.uint8), connectivity=8)
    if count > 2:  # ground and one patch
        touched = np.zeros(count, np.bool_)
        touched[patches[wearer > PERSON_LEVEL]] = True
        touched[0] = True
        people = people if touched.all() else np.where(touched[patches], people, np.float32(0))
    for other in others:
        people = np.where(other > wearer, np.float32(0), people)
    return people


def unexplained(people: FloatArray, known: list[FloatArray], at_least_px: float) -> list[Box]:
    """Boxes of the patches of `people` of `at_least_px` pixels that belong to none of the `known` masks."""
    explained = np.max([mask > PERSON_LEVEL for mask in known], axis=0).astype(np.uint8)
    reach = max(3, int(MASK_SLACK * np.sqrt(explained.sum()))) | 1
    rest = (people > PERSON_LEVEL) & (cv2.dilate(explained, np.ones((reach, reach), np.uint8)) == 0)
    if np.count_nonzero(rest) < at_least_px:
        return []
    _, _, stats, _ = cv2.connectedComponentsWithStats(rest.astype(np.uint8), connectivity=8)
    return [Box(float(x), float(y), float(x + w), float(y + h)) for x, y, w, h, area in stats[1:] if area >= at_least_px]
