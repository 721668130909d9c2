"""How a garment lies in its picture, and whether it is one: upside down, on its side, half folded away, or no garment at all.

The outline is looked at both ways up. Sleeves, legs and armholes tell which end is the upper one: their corners open downwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from models.errors import GarmentNotReadable
from models.garment.axis import Frame, find_frame
from models.garment.category import Shape, lower_score, measure
from models.garment.halves import halves, open_gaps
from models.garment.landmarks import find_marks
from models.garment.maskops import disk, opened
from models.types import BoolArray, Category

LOOK_SIDE: Final = 384
"""Longer side px of the outline that is looked at."""
SLEEVE_TURN: Final = (1.0, 2.0)
"""Radians by which armpits must be sharper turned over than as it lies; the second is proof by itself, the first where the end that
lies above is as wide as a hem."""
HEM_ROWS: Final = 0.03
"""Share of the height from either end at which the cloth's width is taken."""
AS_WIDE: Final = 0.8
"""A hem measures at least this share of the other end's width."""
LEGS: Final = 0.3
LEGS_WIDE: Final = 0.4
"""Legs are apart over this share of the height, and together so wide at their ends, share of the whole; straps are narrower."""
STRAPS: Final = 0.2
STRAPS_HEM: Final = 0.75
"""Cloth of under the first width at the lower end are straps, where it is at least the second at the upper one; no legs are so thin."""
BLUNT: Final = 0.5
"""Radians: blunter armpits prove nothing."""
SKIRT: Final = 0.85
"""What is this surely a skirt when turned over, and none as it lies ..."""
NO_ARMHOLE: Final = 0.012
"""... has no armholes as it lies: its sides are no more hollow than this, whole widths."""
ARMHOLE: Final = (0.008, 0.02)
"""Without sleeves, the sides under the upper end are less hollow than the first where it is a hem, and more than the second where
they are armholes."""
HEM_ABOVE: Final = (0.8, 0.5)
"""Or else the upper end is wider than the first share of the whole, and the lower one, a neck, narrower than the second."""
ROUND: Final = 0.975
"""Tops and dresses fill at most this share of their convex hull: neck, armpits and waist are hollow."""
UNLIKE: Final = 0.03
"""Share of a top that may lie in one wide piece on one side only: more is a sleeve ..."""
UNLIKE_WIDE: Final = 0.06
"""... and such a piece is at least so wide, share of the whole width."""
UNLIKE_ROWS: Final = 0.6
"""Share of the height from the top in which that counts: hems may be slanted."""
SIDEWAYS: Final = (0.02, 0.955)
"""A garment on its side is so much more symmetric about the level line than about the upright one, and so much altogether."""

BESIDE: Final = 0.15
"""Share of a top's lower rows in which something hangs beside it: more are sleeves, and their armpits must show."""

SLEEVES_CLOSE: Final = "Sleeves and sides could not be told apart: lay the sleeves a little away from the sides."
UPSIDE_DOWN: Final = "The garment is upside down: turn the picture so that neck or waistband is at the top."
ON_ITS_SIDE: Final = "The garment lies on its side: turn the picture so that neck or waistband is at the top."
NO_GARMENT: Final = "This does not look like a garment: no neck, shoulders and sides, and no waistband and hems, were found."
HALVES_UNLIKE: Final = "The garment's halves are too unlike: lay it out flat and straight, front up, nothing folded over."
SET: Final = "This looks like a top and a lower garment in one piece: send a picture of one garment only."


@dataclass(frozen=True, slots=True)
class _Way:
    """A garment's outline, one way up."""

    shape: Shape
    lower: float
    """0..1 how surely it is a lower garment."""
    armpits: float
    """Radians: how sharp the blunter armpit is; 0 without sleeves."""
    upper_end: float
    """Width of the cloth near the top over the whole width."""


def check_lie(mask: BoolArray, category: Category, given: Category | None, frame: Frame | None = None) -> None:
    """Raises GarmentNotReadable, with the reason, when `mask` (h, w) of a garment found to be of `category` cannot be read as it lies.

    `given`: the category that the sender told; `frame`: the upright frame of `mask`, if known.
    """
    factor = LOOK_SIDE / max(mask.shape)
    small = np.asarray(cv2.resize(mask.astype(np.float32), None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), np.float32) > 0.5
    frame = find_frame(small) if frame is None else frame.resized(factor)
    needed = max(SIDEWAYS[1], frame.symmetry + SIDEWAYS[0])
    if needed < 1 and find_frame(np.ascontiguousarray(small.T)).symmetry > needed:
        raise GarmentNotReadable(ON_ITS_SIDE)
    upright = frame.upright(small.astype(np.float32)) > 0.5
    now, turned = _look(upright, frame), _look(np.ascontiguousarray(upright[::-1]), frame)
    if _upside_down(now, turned, given):
        raise GarmentNotReadable(UPSIDE_DOWN)
    if now.shape.legs >= LEGS and now.armpits > SLEEVE_TURN[0]:
        raise GarmentNotReadable(SET)
    if category is Category.LOWER:
        return
    if category is Category.UPPER and now.armpits == 0.0 and now.shape.top > 0.0 and now.shape.apart > BESIDE:
        raise GarmentNotReadable(SLEEVES_CLOSE)
    if now.armpits == 0.0 and _solidity(upright) > ROUND:
        raise GarmentNotReadable(NO_GARMENT)
    if _one_sided(upright, frame.axis_x) > UNLIKE:
        raise GarmentNotReadable(HALVES_UNLIKE)


def _look(upright: BoolArray, frame: Frame) -> _Way:
    shape = measure(upright, frame.axis_x)
    try:
        whole = open_gaps(upright)
        marks = find_marks(whole, frame.axis_x, halves(whole, frame.axis_x))
        armpits = max(0.0, float(marks.armpit_turn)) if marks.sleeved else 0.0
    except GarmentNotReadable:
        armpits = 0.0
    rows, columns = np.flatnonzero(upright.any(1)), np.flatnonzero(upright.any(0))
    end = upright[rows[0] + int(HEM_ROWS * len(rows))].sum() / len(columns)
    return _Way(shape, lower_score(shape), armpits, float(end))


def _upside_down(now: _Way, turned: _Way, given: Category | None) -> bool:
    hem_above = now.upper_end > AS_WIDE * turned.upper_end
    sharper = turned.armpits - now.armpits
    if sharper > SLEEVE_TURN[1] or (sharper > SLEEVE_TURN[0] and hem_above):
        return True
    if turned.upper_end < STRAPS and now.upper_end > STRAPS_HEM:
        return True
    if now.armpits > BLUNT or now.lower >= 0.5:
        return False
    if turned.lower >= 0.5 and turned.shape.legs >= LEGS and now.upper_end > LEGS_WIDE:
        return True
    if given in (None, Category.LOWER) and turned.lower >= SKIRT and now.shape.hollow < NO_ARMHOLE and turned.shape.legs == 0.0:
        return True
    armholes = now.shape.hollow < ARMHOLE[0] and 1.0 > turned.shape.hollow > ARMHOLE[1]
    if armholes and now.upper_end > turned.upper_end:
        return True
    return given is not Category.LOWER and now.upper_end > HEM_ABOVE[0] and turned.upper_end < HEM_ABOVE[1]


def _solidity(mask: BoolArray) -> float:
    """Share of its convex hull that `mask` (h, w) fills."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = max(contours, key=cv2.contourArea)
    return float(cv2.contourArea(outline) / max(1.0, cv2.contourArea(cv2.convexHull(outline))))


def _one_sided(mask: BoolArray, axis_x: float) -> float:
    """Share of `mask` (h, w), upright, that lies in wide pieces without a mirror image, in its upper rows."""
    rows, columns = np.flatnonzero(mask.any(1)), np.arange(mask.shape[1])
    mirrored = np.round(2 * axis_x - columns).astype(int)
    seen = (mirrored >= 0) & (mirrored < mask.shape[1])
    mirror = np.zeros_like(mask)
    mirror[:, seen] = mask[:, mirrored[seen]]
    alone = opened(mask & ~mirror, disk(round(UNLIKE_WIDE * float(np.ptp(np.flatnonzero(mask.any(0))) + 1))))
    return float(alone[: int(rows[0] + UNLIKE_ROWS * len(rows))].sum() / mask.sum())
