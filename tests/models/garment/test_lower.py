"""Trousers, shorts and skirts: landmarks, halves, the waistband's inside, legs that touch, shade that is no cloth."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np
import pytest

from models.garment import read_garment_picture
from models.garment.legs import find_parting
from models.garment.shade import without_shade
from models.samples import Packshot, SkirtStyle, TrouserStyle, draw_skirt, draw_trousers
from models.types import BoolArray, Category, FloatArray, GarmentReading, LowerLandmarks
from tests.models.figures import lower_marks

SIZE = (480, 640)
NAVY, SAND, RED = (36, 44, 84), (190, 160, 120), (168, 44, 52)

TROUSERS = {
    "trousers": TrouserStyle(colour=NAVY, seed=1),
    "wide": TrouserStyle(colour=SAND, leg=2.0, seed=2),
    "narrow-askew": TrouserStyle(colour=RED, leg=0.75, rotation_deg=3, seed=3),
    "shorts": TrouserStyle(colour=SAND, length=0.46, seed=4),
    "bermudas": TrouserStyle(colour=NAVY, length=0.62, pattern="checks", seed=5),
}
SKIRTS = {
    "a-line": SkirtStyle(colour=NAVY, hem=1.4, seed=6),
    "pencil": SkirtStyle(colour=RED, hem=0.85, seed=7),
    "mini": SkirtStyle(colour=SAND, length=0.55, seed=8),
    "circle": SkirtStyle(colour=NAVY, hem=2.1, length=0.9, seed=9),
    "pleats": SkirtStyle(colour=RED, hem=1.5, pleats=9, pattern="checks", seed=10),
}
NAMES = (*TROUSERS, *SKIRTS)


@lru_cache(maxsize=32)
def drawn(name: str) -> Packshot:
    if name in TROUSERS:
        return draw_trousers(replace(TROUSERS[name], size=SIZE), name)
    return draw_skirt(replace(SKIRTS[name], size=SIZE), name)


@lru_cache(maxsize=32)
def read(name: str) -> GarmentReading:
    return read_garment_picture(drawn(name).picture, Category.LOWER)


def marks(name: str) -> tuple[LowerLandmarks, LowerLandmarks, float]:
    """True and found landmarks, and the waist's width px."""
    true, found = lower_marks(drawn(name).landmarks), lower_marks(read(name).landmarks)
    return true, found, float(np.ptp(true.waist[:, 0]))


def apart(a: FloatArray, b: FloatArray) -> float:
    return float(np.hypot(*(a - b).reshape(-1, 2).T).max())


@pytest.mark.parametrize("name", NAMES)
def test_landmarks_are_found(name: str) -> None:
    true, found, width = marks(name)
    assert apart(true.waist, found.waist) < 0.04 * width
    assert apart(true.side[:, -1], found.side[:, -1]) < 0.05 * width
    assert (true.inseam is None) == (found.inseam is None)
    assert apart(true.centre[-1], found.centre[-1]) < 0.09 * width
    if true.inseam is not None and found.inseam is not None:
        assert apart(true.inseam[:, -1], found.inseam[:, -1]) < 0.05 * width
    away = np.hypot(*(found.waistline[:, None] - true.waistline[None]).transpose(2, 0, 1)).min(1)
    assert away.max() < 0.03 * width


@pytest.mark.parametrize("name", NAMES)
def test_curves_begin_at_their_landmarks(name: str) -> None:
    _, found, _ = marks(name)
    assert np.allclose(found.side[:, 0], found.waist, atol=1.5)
    assert np.allclose(found.waistline[[0, -1]], found.waist, atol=0.1)
    assert np.allclose(found.centre[0], found.waistline[len(found.waistline) // 2], atol=0.1)
    assert found.waist[0, 0] < found.axis_x < found.waist[1, 0]
    if found.inseam is not None:
        assert np.allclose(found.inseam[:, 0], found.centre[-1], atol=4)
    for curve in (*found.side, found.centre, *(() if found.inseam is None else found.inseam)):
        steps = np.hypot(*np.diff(curve, axis=0).T)
        assert steps.max() < 1.25 * steps.min() + 1


@pytest.mark.parametrize("name", NAMES)
def test_the_inside_of_the_waistband(name: str) -> None:
    back, true = read(name).inner_back > 0.5, drawn(name).inner_back
    assert (back & true).sum() / (back | true).sum() > 0.8


@pytest.mark.parametrize("name", NAMES)
def test_halves_cover_the_garment(name: str) -> None:
    found = read(name)
    assert ((found.part > 0) == found.mask).all()
    assert set(np.unique(found.part)) == {0, 2, 3}
    left, right = ((found.part == k).sum() for k in (2, 3))
    assert 0.85 < left / right < 1.18
    columns = np.arange(found.part.shape[1])
    assert columns[(found.part == 2).any(0)].mean() < columns[(found.part == 3).any(0)].mean()
    # each leg is one piece
    assert all(cv2.connectedComponents(cv2.erode((found.part == k).astype(np.uint8), np.ones((3, 3))))[0] == 2 for k in (2, 3))


def test_no_inside_where_none_shows() -> None:
    shot = drawn("trousers")
    picture = shot.picture.copy()
    picture[cv2.dilate(shot.inner_back.astype(np.uint8), np.ones((3, 3))) > 0] = picture[2, 2]
    assert (read_garment_picture(picture, Category.LOWER).inner_back > 0.5).sum() < 0.1 * shot.inner_back.sum()


def legs(gap_from: int) -> BoolArray:
    """(600, 400) straight trousers, 200 px wide, 500 px long, whose legs are apart from `gap_from` px under the waist."""
    mask = np.zeros((600, 400), bool)
    mask[50:550, 100:300] = True
    mask[50 + gap_from : 550, 193:207] = False
    return mask


def test_the_crotch_is_where_the_ground_begins() -> None:
    parting = find_parting(legs(150), 200.0)
    assert parting.crotch_y == pytest.approx(200, abs=2)
    assert parting.seen


def test_legs_that_touch_part_at_the_usual_rise() -> None:
    parting = find_parting(legs(350), 200.0)
    assert parting.crotch_y is not None
    assert not parting.seen
    assert 0.55 * 200 < parting.crotch_y - 50 < 0.9 * 200


def test_the_slit_of_a_skirt_is_no_leg() -> None:
    mask = legs(300)
    mask[420:] = False
    assert find_parting(mask, 200.0).crotch_y is None


def test_the_ground_between_sleeves_is_no_gap_between_legs() -> None:
    mask = np.zeros((600, 400), bool)
    mask[50:250, 80:320] = True
    mask[60:500, 40:90] = mask[60:500, 310:360] = True
    assert find_parting(mask, 200.0).crotch_y is None


def test_shade_between_the_legs_is_no_cloth() -> None:
    picture = np.full((600, 400, 3), 250, np.uint8)
    mask = legs(150)
    picture[mask] = (222, 206, 170)
    shade = np.zeros_like(mask)
    shade[200:260, 193:207] = True
    picture[shade] = (196, 196, 196)
    soft = without_shade(picture, (mask | shade).astype(np.float32))
    assert (soft[shade] > 0.5).mean() < 0.1
    assert (soft[mask] > 0.5).mean() > 0.985


def test_prints_are_no_shade() -> None:
    shot = drawn("bermudas")
    alpha = shot.mask.astype(np.float32)
    assert (without_shade(shot.picture, alpha) == alpha).all()
