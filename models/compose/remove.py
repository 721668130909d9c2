"""Where the old top is, and a rim around it where its edge still shows."""

from __future__ import annotations

import cv2
import numpy as np

from models.compose.coordinates import Coordinates
from models.compose.pull_push import pull_push
from models.masks import AnyMask, blur, close, enlarge, grow, opened, ramp, reduce, shrink
from models.person.body import Body
from models.types import BoolArray, FloatArray, Label, PersonParse, Picture

RIM = 0.02
"""Width of the rim in units: soft edges, sewn edges and the shadow line beside them."""
CLOTH_FROM = 0.3
"""Probability of old top from which a pixel is removed."""
PIECE_LEAST = 0.04
"""Components smaller than this share of the largest and of another colour are mistakes of the parse (a strap, a watch)."""
FACE_KEEP = 1.05
"""Inside this many nose-to-chin distances of the nose nothing is ever removed."""
HAND_FROM = (1.75, 1.85)
"""From these places on an arm the skin beside a long sleeve is a hand: it stays as it is."""
REST_REACH = 0.42
"""Cloth that the parse took for background is looked for this far (units) from the old top: beyond an arm ..."""
REST_CONTRAST, REST_LIKENESS = 5, 40
"""... where it differs from the ground by more than the first and from the top's colour by less than the second (0..255)."""
NEAR_CLOTH, NEAR_DISTRUST = 0.10, 0.97
"""Background nearer to the old top than this (units) counts this much less where hidden background is filled in: it may
be cloth that the parse left out, or lie in its shadow."""
CLEAR = 0.02
"""Less than this share of removal is none: there the plate equals the photo."""


def removal(photo: Picture, parse: PersonParse, body: Body, where: Coordinates) -> FloatArray:
    """(H, W) 0..1: how much of each pixel is the old top or its rim; 0 exactly where the photo stays."""
    q, labels = parse.probabilities, parse.labels
    rim = max(2.0, RIM * body.unit_px)
    main = _main_pieces(q[Label.UPPER] > 0.5, photo)
    if not main.any():
        return np.zeros(labels.shape, np.float32)
    old = blur(grow((q[Label.UPPER] > CLOTH_FROM) & main, rim), 0.35 * rim)
    hair = np.where(where.over < 0.4, q[Label.HAIR], 0)
    old *= np.clip(1 - hair * 1.2, 0, 1)
    # skin beside an old sleeve: its shadow and the cloth's rim are redrawn with the arm
    cloth = (q[Label.UPPER] > 0.5) & main
    beside = blur(grow(cloth, 2.2 * rim), rim) * ((where.reach.min(0) < 1.15) & (labels == Label.SKIN))
    for reach, place in zip(where.reach, where.place, strict=True):
        beside *= 1 - ramp(place, *HAND_FROM) * (reach < 1.3)
    old = np.maximum(np.maximum(old, beside), _left_out(photo, parse, body, cloth, rim))
    old *= where.from_nose > FACE_KEEP
    old[old < CLEAR] = 0
    return np.asarray(np.clip(old, 0, 1), np.float32)


def background_weight(background: AnyMask, cloth: AnyMask, near_px: float) -> FloatArray:
    """(H, W) 0..1: how much a background pixel tells of the background hidden by `cloth`; little within `near_px` of it."""
    return np.asarray(background * (1 - NEAR_DISTRUST * grow(cloth, near_px)), np.float32)


def _main_pieces(cloth: BoolArray, photo: Picture) -> BoolArray:
    """Components that are large, or small and of the largest one's colour (cloth seen behind an arm), grown by 2 px."""
    count, components, stats, _ = cv2.connectedComponentsWithStats(grow(cloth, 2))
    keep = np.zeros(count, bool)
    if count > 1:
        area = stats[:, cv2.CC_STAT_AREA].copy()
        area[0] = 0
        keep = area > PIECE_LEAST * area.max()
        colour = np.median(photo[cloth & (components == area.argmax())], 0)
        for i in np.flatnonzero(~keep & (area > 0)):
            piece = cloth & (components == i)
            keep[i] = piece.any() and np.abs(np.median(photo[piece], 0) - colour).max() < REST_LIKENESS
    return np.asarray(keep[components], np.bool_)


def _left_out(photo: Picture, parse: PersonParse, body: Body, cloth: BoolArray, rim: float) -> FloatArray:
    """(H, W) 0..1: cloth that the parse left to the background, near the top and of its colour."""
    labels, size = parse.labels, (photo.shape[1], photo.shape[0])
    worn = (labels == Label.UPPER) & cloth
    if not worn.any():
        return np.zeros(labels.shape, np.float32)
    quarter = (max(2, size[0] // 4), max(2, size[1] // 4))
    weight = background_weight(shrink(parse.probabilities[Label.BACKGROUND] > 0.9, rim), cloth, REST_REACH * body.unit_px)
    ground = enlarge(pull_push(reduce(photo, quarter), reduce(weight, quarter)), size)
    differs = blur(np.abs(photo - ground).max(-1), 1.0) > REST_CONTRAST
    alike = np.abs(photo - np.median(photo[worn], 0)).max(-1) < REST_LIKENESS
    near = (labels == Label.BACKGROUND) & (grow(cloth, REST_REACH * body.unit_px) > 0)
    rest = opened(close(near & differs & alike, 4), 1)
    return np.asarray(blur(grow(rest, 3), 1.5) * ((labels != Label.SKIN) & (labels != Label.HAIR)), np.float32)
