"""The category from the outline alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.errors import CategoryNotSupported
from models.garment import find_category, isolate, read_garment_picture
from models.samples import TrouserStyle, UpperStyle, draw_dress, draw_trousers, draw_upper
from models.types import Category

SIZE = (384, 512)
DRESS = UpperStyle(neck="v", flare=0.5, length=1.36, fit=0.88, waist=0.12, colour=(36, 70, 60), size=SIZE)


def test_tops_are_upper_garments(wardrobe: dict[str, UpperStyle]) -> None:
    for name in ("tee", "long", "tank", "sleeveless", "turtle"):
        category, score = find_category(isolate(draw_upper(replace(wardrobe[name], size=SIZE)).picture).mask)
        assert category is Category.UPPER, name
        assert 0.5 <= score <= 1.0


def test_trousers_are_lower_garments() -> None:
    category, _ = find_category(isolate(draw_trousers(replace(TrouserStyle(), size=SIZE, colour=(60, 70, 110))).picture).mask)
    assert category is Category.LOWER


def test_skirts_are_lower_garments() -> None:
    rows = np.arange(512)[:, None]
    half = np.interp(rows, (80, 440), (80, 150))
    mask = (rows > 80) & (rows < 440) & (np.abs(np.arange(384)[None] - 192) < half)
    assert find_category(mask)[0] is Category.LOWER


def test_dresses_are_dresses() -> None:
    category, _ = find_category(isolate(draw_dress(DRESS).picture).mask)
    assert category is Category.DRESS


def test_what_is_not_supported_yet_says_what_it_saw() -> None:
    with pytest.raises(CategoryNotSupported, match="lower garment"):
        read_garment_picture(draw_trousers(replace(TrouserStyle(), size=SIZE, colour=(60, 70, 110))).picture)


def test_the_given_category_is_believed(wardrobe: dict[str, UpperStyle]) -> None:
    picture = draw_upper(replace(wardrobe["tee"], size=SIZE)).picture
    assert read_garment_picture(picture, Category.UPPER).category_score == 1.0
    with pytest.raises(CategoryNotSupported, match="dress"):
        read_garment_picture(picture, Category.DRESS)
