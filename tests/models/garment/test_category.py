"""The category from the outline alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.garment import find_category, isolate, read_garment_picture
from models.samples import SkirtStyle, TrouserStyle, UpperStyle, draw_dress, draw_skirt, draw_trousers, draw_upper, packshot
from models.types import BoolArray, Category

SIZE = (384, 512)
BLUE = (60, 70, 120)
DRESS = UpperStyle(neck="v", flare=0.5, length=1.36, fit=0.88, waist=0.12, colour=(36, 70, 60), size=SIZE)

TOPS = {
    "crop, long sleeves hanging": UpperStyle(sleeve="long", length=0.68, sleeve_angle_deg=10),
    "crop, boat, three quarters": UpperStyle(sleeve="three_quarter", neck="boat", length=0.68),
    "fitted": UpperStyle(fit=0.85, waist=0.14, flare=0.1),
    "tunic": UpperStyle(length=1.2, flare=0.3, waist=0.05),
    "swinging": UpperStyle(length=0.85, flare=0.35, waist=0.1),
    "boxy": UpperStyle(fit=1.25, flare=0.05),
    "boxy, sleeveless": UpperStyle(sleeve="none", neck="v", fit=1.25, flare=0.05),
    "camisole": UpperStyle(sleeve="strap", neck="scoop", length=1.1, flare=0.1),
    "turtleneck": UpperStyle(sleeve="long", neck="turtle", length=1.1),
}
DRESSES = {
    "full skirt": DRESS,
    "sleeveless, full": replace(DRESS, sleeve="none"),
    "straps, maxi": replace(DRESS, sleeve="strap", neck="scoop", length=1.5, flare=0.3),
    "long sleeves": replace(DRESS, sleeve="long", neck="turtle", length=1.45, flare=0.2),
    "sheath": replace(DRESS, sleeve="none", neck="boat", length=1.5, flare=0.05, fit=0.85),
}
TROUSERS = {
    "ordinary": TrouserStyle(),
    "wide": TrouserStyle(leg=2.1),
    "narrow": TrouserStyle(leg=0.7),
    "bermudas": TrouserStyle(length=0.6),
    "shorts": TrouserStyle(length=0.46),
    "short shorts": TrouserStyle(length=0.37),
}
SKIRTS = {
    "mini": SkirtStyle(length=0.55),
    "pencil": SkirtStyle(hem=0.8, length=1.05),
    "a-line": SkirtStyle(hem=1.4),
    "circle": SkirtStyle(hem=2.2, length=0.9),
    "maxi": SkirtStyle(hem=1.5, length=1.5, rotation_deg=4),
}


def mask_of(style: UpperStyle | TrouserStyle | SkirtStyle, category: Category) -> BoolArray:
    """The true mask of a drawn garment."""
    style = replace(style, size=SIZE, colour=BLUE)
    if isinstance(style, TrouserStyle):
        return draw_trousers(style).mask
    if isinstance(style, SkirtStyle):
        return draw_skirt(style).mask
    return (draw_dress(style) if category is Category.DRESS else draw_upper(style)).mask


@pytest.mark.parametrize(
    "category, name",
    [
        *((Category.UPPER, name) for name in TOPS),
        *((Category.DRESS, name) for name in DRESSES),
        *((Category.LOWER, name) for name in (*TROUSERS, *SKIRTS)),
    ],
)
def test_drawn_garments_are_told_apart(category: Category, name: str) -> None:
    styles: dict[str, UpperStyle | TrouserStyle | SkirtStyle] = {**TOPS, **DRESSES, **TROUSERS, **SKIRTS}
    found, score = find_category(mask_of(styles[name], category))
    assert found is category, score
    assert 0.5 <= score <= 1.0


def test_tops_of_the_wardrobe_are_upper_garments(wardrobe: dict[str, UpperStyle]) -> None:
    for name in ("tee", "long", "tank", "sleeveless", "turtle"):
        category, _ = find_category(isolate(draw_upper(replace(wardrobe[name], size=SIZE)).picture).mask)
        assert category is Category.UPPER, name


def test_the_sample_wardrobe_is_sure() -> None:
    for name in ("print-tee", "tank", "chinos", "shorts", "skirt", "dotted-dress"):
        shot = packshot(name, SIZE)
        category, score = find_category(isolate(shot.picture).mask)
        assert category is shot.category, name
        assert score > 0.6, name


def test_skirts_of_straight_lines_are_lower_garments() -> None:
    rows = np.arange(512)[:, None]
    half = np.interp(rows, (80, 440), (80, 150))
    mask = (rows > 80) & (rows < 440) & (np.abs(np.arange(384)[None] - 192) < half)
    assert find_category(mask)[0] is Category.LOWER


def test_the_given_category_is_believed(wardrobe: dict[str, UpperStyle]) -> None:
    picture = draw_upper(replace(wardrobe["tee"], size=SIZE)).picture
    assert read_garment_picture(picture, Category.UPPER).category_score == 1.0
    assert read_garment_picture(picture, Category.DRESS).category is Category.DRESS
