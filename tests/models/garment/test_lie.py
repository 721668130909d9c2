"""How garments lie, and what is none: told with the reason, never worn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest

from models.errors import GarmentNotReadable
from models.garment import find_category, isolate, read_garment_picture
from models.garment.lie import check_lie
from models.samples import Packshot, SkirtStyle, TrouserStyle, UpperStyle, draw_dress, draw_skirt, draw_trousers, draw_upper
from models.types import BoolArray, Picture

Draw = Callable[[str], Packshot]
SIZE = (384, 512)
BLUE = (60, 70, 120)
GARMENTS: dict[str, Callable[[], Packshot]] = {
    "tee": lambda: draw_upper(UpperStyle(colour=BLUE, size=SIZE)),
    "long sleeves": lambda: draw_upper(UpperStyle(colour=BLUE, size=SIZE, sleeve="long")),
    "sleeveless": lambda: draw_upper(UpperStyle(colour=BLUE, size=SIZE, sleeve="none", length=1.2)),
    "straps": lambda: draw_upper(UpperStyle(colour=BLUE, size=SIZE, sleeve="strap", neck="scoop")),
    "dress": lambda: draw_dress(UpperStyle(colour=BLUE, size=SIZE, neck="v", flare=0.5, length=1.36, fit=0.88, waist=0.12)),
    "trousers": lambda: draw_trousers(TrouserStyle(colour=BLUE, size=SIZE)),
    "shorts": lambda: draw_trousers(TrouserStyle(colour=BLUE, size=SIZE, length=0.46)),
    "skirt": lambda: draw_skirt(SkirtStyle(colour=BLUE, size=SIZE, hem=1.4)),
}


def check(mask: BoolArray) -> None:
    check_lie(mask, find_category(mask)[0], None)


def plain(shape: BoolArray) -> Picture:
    picture = np.full((*shape.shape, 3), 245, np.uint8)
    picture[shape] = BLUE
    return picture


@pytest.mark.parametrize("name", GARMENTS)
def test_garments_are_told_to_be_turned_upright(name: str) -> None:
    mask = GARMENTS[name]().mask
    check(mask)
    with pytest.raises(GarmentNotReadable, match="upside down"):
        check(np.ascontiguousarray(mask[::-1, ::-1]))
    for turns in (1, 3):
        with pytest.raises(GarmentNotReadable, match="side"):
            check(np.ascontiguousarray(np.rot90(mask, turns)))


def test_the_wardrobe_lies_well(drawn: Draw, wardrobe: dict[str, UpperStyle]) -> None:
    for name in wardrobe:
        check(drawn(name).mask)


def test_a_ball_is_no_garment() -> None:
    ball = np.zeros((512, 384), np.uint8)
    cv2.circle(ball, (192, 250), 110, 1, -1)
    with pytest.raises(GarmentNotReadable, match="not look like a garment"):
        read_garment_picture(plain(ball > 0))


def test_a_top_with_one_sleeve_is_told() -> None:
    shot = draw_upper(UpperStyle(colour=BLUE, size=SIZE))
    mask = shot.mask.copy()
    columns = np.flatnonzero(mask[int(0.8 * np.flatnonzero(mask.any(1))[-1])])
    mask[:, columns[-1] :] = False
    with pytest.raises(GarmentNotReadable, match="unlike"):
        read_garment_picture(plain(mask))


def test_a_top_on_trousers_is_told() -> None:
    top, trousers = draw_upper(UpperStyle(colour=BLUE, size=SIZE)).mask, draw_trousers(replace(TrouserStyle(), size=SIZE)).mask
    mask = np.zeros((900, 384), bool)
    rows = [np.flatnonzero(m.any(1)) for m in (top, trousers)]
    mask[20 : 20 + len(rows[0])] |= top[rows[0]]
    mask[20 + len(rows[0]) - 4 : 16 + len(rows[0]) + len(rows[1])] |= trousers[rows[1]]
    with pytest.raises(GarmentNotReadable, match="one garment"):
        check(isolate(plain(mask)).mask)
