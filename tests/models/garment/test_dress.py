"""Dresses: a top's landmarks with long sides, and a waist."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np
import pytest

from models.garment import read_garment_picture
from models.samples import Packshot, UpperStyle, draw_dress
from models.types import Category, GarmentReading, UpperLandmarks
from tests.models.figures import upper_marks

WAIST_Y = 1.75
BASE = UpperStyle(neck="v", fit=0.88, waist=0.12, flare=0.5, length=1.36, colour=(36, 70, 60), size=(480, 640))
DRESSES = {
    "sleeves": BASE,
    "dots": replace(BASE, pattern="dots", accent=(238, 226, 198), sleeve_angle_deg=26, seed=2),
    "sleeveless": replace(BASE, sleeve="none", neck="crew", colour=(150, 40, 60), seed=3),
    "straps": replace(BASE, sleeve="strap", neck="scoop", length=1.5, flare=0.3, colour=(60, 80, 150), seed=4),
    "long": replace(BASE, sleeve="long", neck="turtle", length=1.45, flare=0.2, seed=5),
    "straight": replace(BASE, neck="crew", fit=0.85, flare=0.05, waist=0.05, length=1.5, colour=(190, 160, 120), seed=6),
}


@lru_cache(maxsize=16)
def drawn(name: str) -> Packshot:
    return draw_dress(DRESSES[name], name, waist_y=WAIST_Y)


@lru_cache(maxsize=16)
def read(name: str) -> GarmentReading:
    return read_garment_picture(drawn(name).picture, Category.DRESS)


def marks(name: str) -> tuple[UpperLandmarks, UpperLandmarks, float]:
    """True and found landmarks, and the armpits' distance px."""
    true, found = upper_marks(drawn(name).landmarks), upper_marks(read(name).landmarks)
    return true, found, float(np.ptp(true.armpit[:, 0]))


@pytest.mark.parametrize("name", list(DRESSES))
def test_landmarks_are_found(name: str) -> None:
    true, found, width = marks(name)
    tolerances = {"neck": 0.06, "shoulder": 0.1, "armpit": 0.05 if true.sleeves else 0.12, "hem": 0.06}
    for landmark, tolerance in tolerances.items():
        away = np.hypot(*(getattr(true, landmark) - getattr(found, landmark)).T).max()
        assert away < tolerance * width, landmark
    assert (true.sleeves is None) == (found.sleeves is None)
    assert found.straps == (name == "straps")


@pytest.mark.parametrize("name", list(DRESSES))
def test_the_waist_is_at_its_seam(name: str) -> None:
    true, found, width = marks(name)
    assert found.waist_share is not None
    y = float((found.armpit[:, 1] + found.waist_share * (found.hem[:, 1] - found.armpit[:, 1])).mean())
    neck, hem = float(true.neck[:, 1].mean()), float(true.hem[:, 1].mean())
    seam = neck + (hem - neck) * WAIST_Y / (3.12 * DRESSES[name].length)
    assert abs(y - seam) < 0.12 * width


def test_sides_run_from_armpit_to_hem() -> None:
    _, found, _ = marks("sleeves")
    assert found.side.shape[1] > 9
    assert np.allclose(found.side[:, 0], found.armpit, atol=0.5)
    assert np.allclose(found.side[:, -1], found.hem, atol=0.5)
    assert set(np.unique(read("sleeves").part)) == {0, 1, 2, 3}


def test_a_slanted_hem_keeps_its_corners() -> None:
    shot = drawn("sleeveless")
    true = shot.landmarks
    picture, mask = shot.picture.copy(), shot.mask.copy()
    x, y = np.meshgrid(np.arange(mask.shape[1]), np.arange(mask.shape[0]))
    low, high = float(true.side[1, -1, 1]), float(true.side[0, -1, 1]) - 40
    cut = y > high + (low - high) * (x - true.side[0, -1, 0]) / np.ptp(true.side[:, -1, 0])
    grown = cv2.dilate(mask.astype(np.uint8), np.ones((25, 25))) > 0
    picture[cut & grown] = picture[2, 2]
    found = upper_marks(read_garment_picture(picture, Category.DRESS).landmarks)
    assert found.hem[1, 1] - found.hem[0, 1] == pytest.approx(low - high, abs=10)
