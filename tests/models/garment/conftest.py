"""Drawn garments with known landmarks, each drawn and read once a session."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import pytest

from models.garment import read_garment_picture
from models.samples import Packshot, UpperStyle, draw_upper
from models.types import Category, GarmentReading

SIZE = (480, 640)
NAVY, RED, GREEN, GREY, ROSE = (28, 36, 70), (178, 42, 48), (54, 104, 72), (128, 130, 134), (232, 170, 178)
CREAM, SKY, BLACK, SAND = (236, 226, 206), (128, 164, 206), (28, 29, 32), (190, 160, 120)

WARDROBE = {
    "tee": UpperStyle(colour=NAVY, seed=1),
    "tee-print": UpperStyle(colour=RED, pattern="print", accent=CREAM, fit=1.15, seed=2),
    "tee-wide-arms": UpperStyle(colour=GREEN, sleeve_angle_deg=50, length=0.8, seed=3),
    "tee-close-arms": UpperStyle(colour=SKY, sleeve_angle_deg=16, flare=0.1, seed=4),
    "v": UpperStyle(neck="v", colour=GREY, fit=0.9, waist=0.12, seed=5),
    "v-trim": UpperStyle(neck="v", colour=ROSE, trim=RED, sleeve="long", seed=6),
    "scoop": UpperStyle(neck="scoop", colour=SAND, sleeve="three_quarter", seed=7),
    "boat-stripes": UpperStyle(neck="boat", colour=SKY, accent=NAVY, pattern="stripes", sleeve="long", seed=8),
    "long": UpperStyle(sleeve="long", colour=BLACK, fit=1.1, length=1.1, seed=9),
    "long-spread": UpperStyle(sleeve="long", colour=RED, sleeve_angle_deg=42, seed=10),
    "turtle": UpperStyle(neck="turtle", sleeve="long", colour=GREEN, fit=0.9, seed=11),
    "turtle-short": UpperStyle(neck="turtle", colour=CREAM, accent=RED, trim=RED, seed=12),
    "polo": UpperStyle(neck="polo", colour=NAVY, trim=SKY, seed=13),
    "polo-long": UpperStyle(neck="polo", sleeve="long", colour=ROSE, seed=14),
    "tank": UpperStyle(sleeve="strap", neck="scoop", colour=RED, fit=0.95, seed=15),
    "sleeveless": UpperStyle(sleeve="none", colour=SKY, length=1.2, flare=0.15, seed=16),
    "sleeveless-dots": UpperStyle(sleeve="none", neck="v", colour=GREEN, accent=CREAM, pattern="dots", seed=17),
    "checks": UpperStyle(pattern="checks", colour=SKY, accent=RED, neck="scoop", trim=NAVY, seed=18),
    "askew": UpperStyle(colour=NAVY, sleeve="three_quarter", rotation_deg=3.0, seed=19),
    "on-sand": UpperStyle(colour=NAVY, ground=(226, 220, 208), seed=20),
    "on-blue": UpperStyle(colour=RED, neck="v", ground=(208, 220, 232), sleeve="long", seed=21),
    "on-dark": UpperStyle(colour=CREAM, ground=(70, 72, 78), seed=22),
}

Draw = Callable[[str], Packshot]
Read = Callable[[str], GarmentReading]


@lru_cache(maxsize=64)
def _draw(name: str) -> Packshot:
    from dataclasses import replace

    return draw_upper(replace(WARDROBE[name], size=SIZE), name)


@lru_cache(maxsize=64)
def _read(name: str) -> GarmentReading:
    return read_garment_picture(_draw(name).picture, Category.UPPER)


@pytest.fixture(scope="session")
def wardrobe() -> dict[str, UpperStyle]:
    """The styles by name."""
    return WARDROBE


@pytest.fixture(scope="session")
def drawn() -> Draw:
    """A garment of the wardrobe, drawn."""
    return _draw


@pytest.fixture(scope="session")
def reading() -> Read:
    """A garment of the wardrobe, read as an upper garment."""
    return _read
