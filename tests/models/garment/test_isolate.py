"""Cutting garments out of their ground."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest

from models.errors import GarmentNotIsolated
from models.garment import isolate
from models.samples import Packshot, UpperStyle, draw_upper, packshot
from models.types import BoolArray, Picture
from tests.models.figures import upper_marks

Draw = Callable[[str], Packshot]


def iou(a: BoolArray, b: BoolArray) -> float:
    return float((a & b).sum() / (a | b).sum())


def plain(colour: tuple[int, int, int] = (245, 245, 245), size: tuple[int, int] = (640, 480)) -> Picture:
    return np.full((*size, 3), colour, np.uint8)


def with_shirt(
    picture: Picture, colour: tuple[int, int, int], shift: tuple[int, int] = (0, 0), scale: float = 1.0
) -> tuple[Picture, BoolArray]:
    """A T-shirt of straight lines drawn on `picture` (H, W, 3), and its mask."""
    half = [(30, 40), (90, 60), (170, 190), (125, 215), (95, 150), (95, 480), (0, 480), (0, 60)]
    outline = np.array([(240 + x, 60 + y) for x, y in half] + [(240 - x, 60 + y) for x, y in half[::-1]], float)
    outline = (outline - (240, 320)) * scale + (240 + shift[0], 320 + shift[1])
    mask = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round(outline).astype(np.int32)], 1)
    picture = picture.copy()
    picture[mask > 0] = colour
    return picture, mask > 0


def test_masks_of_the_wardrobe(wardrobe: dict[str, UpperStyle], drawn: Draw) -> None:
    overlap = {name: iou(isolate(drawn(name).picture).mask, drawn(name).mask) for name in wardrobe}
    assert min(overlap.values()) > 0.97, min(overlap, key=lambda name: overlap[name])
    assert np.mean(list(overlap.values())) > 0.985


def test_a_gradient_is_no_garment() -> None:
    ramp = np.linspace(250, 205, 640)[:, None, None] * np.linspace(1.0, 0.94, 480)[None, :, None]
    picture, mask = with_shirt(np.repeat(ramp, 3, 2).astype(np.uint8), (60, 80, 140))
    assert iou(isolate(picture).mask, mask) > 0.98


def test_a_soft_shadow_is_left_out() -> None:
    _, mask = with_shirt(plain(), (0, 0, 0))
    fallen = cv2.GaussianBlur(np.roll(mask, (14, 10), (0, 1)).astype(np.float32), (0, 0), 12)
    ground = (245 * (1 - 0.35 * fallen))[..., None].repeat(3, 2).astype(np.uint8)
    picture, mask = with_shirt(ground, (150, 40, 60))
    assert iou(isolate(picture).mask, mask) > 0.97


def test_a_white_garment_on_near_white() -> None:
    picture, mask = with_shirt(plain((244, 244, 244)), (253, 253, 254))
    found = isolate(picture)
    assert iou(found.mask, mask) > 0.97
    assert found.clearness < 0.9


def test_ground_coloured_print_makes_no_hole() -> None:
    picture, mask = with_shirt(plain(), (30, 60, 110))
    cv2.putText(picture, "O8", (190, 330), cv2.FONT_HERSHEY_SIMPLEX, 2.5, (245, 245, 245), 18)
    cv2.circle(picture, (240, 420), 40, (245, 245, 245), -1)
    assert iou(isolate(picture).mask, mask) > 0.98


def test_ground_coloured_stripes_belong_to_the_garment() -> None:
    picture, mask = with_shirt(plain(), (30, 40, 90))
    stripes = (np.arange(640)[:, None] // 14 % 2 == 1) & mask
    picture[stripes] = (243, 244, 246)
    assert iou(isolate(picture).mask, mask) > 0.96


def test_a_white_rib_joins_neck_and_body() -> None:
    picture, mask = with_shirt(plain(), (30, 40, 90))
    cv2.ellipse(picture, (240, 112), (62, 40), 0, 0, 180, (246, 246, 246), 14)
    picture[~mask] = 245
    assert iou(isolate(picture).mask, mask) > 0.97


def test_one_sees_through_between_sleeve_and_torso() -> None:
    # long sleeves whose cuffs touch the hips: the gap is an island
    style = UpperStyle(sleeve="long", sleeve_angle_deg=14, colour=(60, 40, 90), size=(480, 640), waist=0.16, flare=0.1)
    shot = draw_upper(style)
    picture, mask = shot.picture.copy(), shot.mask.copy()
    marks = upper_marks(shot.landmarks)
    for side, hem in enumerate(marks.hem):
        cuff = marks.sleeves[side].inner[-1] if marks.sleeves else hem
        bridge = np.zeros(mask.shape, np.uint8)
        cv2.line(bridge, tuple(int(v) for v in cuff), (int(hem[0]), int(cuff[1])), 1, 30)
        picture[bridge > 0], mask = (60, 40, 90), mask | (bridge > 0)
    found = isolate(picture).mask
    gap = cv2.erode((~mask).astype(np.uint8), np.ones((5, 5))) > 0
    rows = slice(int(marks.armpit[:, 1].max()) + 40, int(marks.hem[:, 1].min()) - 60)
    inside = gap[rows] & (np.abs(np.arange(480) - 240) < 0.5 * np.ptp(np.flatnonzero(mask.any(0))))[None]
    assert (found[rows] & inside).sum() < 0.15 * inside.sum()


def test_its_own_transparency_counts() -> None:
    picture, mask = with_shirt(plain((10, 10, 10)), (12, 12, 12))  # black on black: nothing else could tell
    found = isolate(picture, (mask * 255).astype(np.uint8))
    assert iou(found.mask, mask) > 0.98
    assert found.alpha.min() == 0.0
    assert found.alpha.max() == 1.0


def test_an_opaque_alpha_says_nothing() -> None:
    picture, mask = with_shirt(plain(), (60, 80, 140))
    assert iou(isolate(picture, np.full(mask.shape, 255, np.uint8)).mask, mask) > 0.98


def test_the_edge_is_antialiased_at_the_right_place() -> None:
    big, _ = with_shirt(np.full((2560, 1920, 3), 245, np.uint8)[::4, ::4], (40, 60, 120))
    found = isolate(big)
    soft = (found.alpha > 0.02) & (found.alpha < 0.98)
    edge = cv2.morphologyEx(found.mask.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3))) > 0
    assert 0.2 * edge.sum() < soft.sum() < 2.5 * edge.sum()


@pytest.mark.parametrize("quality", [30, 60, 90])
def test_compression_leaves_the_outline(quality: int) -> None:
    picture, mask = with_shirt(plain(), (150, 30, 40))
    _, coded = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)[..., ::-1]
    assert iou(isolate(np.ascontiguousarray(decoded)).mask, mask) > 0.97


def noise() -> Picture:
    return np.random.default_rng(1).integers(0, 255, (640, 480, 3)).astype(np.uint8)


def checkered() -> Picture:
    squares = (np.indices((640, 480)) // 24).sum(0) % 2
    return with_shirt(np.where(squares[..., None] > 0, (230, 210, 190), (90, 120, 160)).astype(np.uint8), (200, 30, 30))[0]


def two_shirts() -> Picture:
    picture, _ = with_shirt(plain(), (60, 80, 140), (-120, 0), 0.45)
    return with_shirt(picture, (150, 30, 40), (120, 0), 0.45)[0]


def cut_off() -> Picture:
    return with_shirt(plain(), (60, 80, 140), (0, 250))[0]


UNUSABLE = [(plain(), "No garment"), (noise(), "plain"), (checkered(), "plain"), (two_shirts(), "Several"), (cut_off(), "cut off")]


@pytest.mark.parametrize("picture, word", UNUSABLE)
def test_it_says_why_it_cannot(picture: Picture, word: str) -> None:
    with pytest.raises(GarmentNotIsolated, match=word):
        isolate(picture)


def test_dark_grounds_do_too(wardrobe: dict[str, UpperStyle]) -> None:
    shot = draw_upper(replace(wardrobe["tee"], colour=(220, 210, 190), ground=(24, 26, 30), size=(480, 640)))
    assert iou(isolate(shot.picture).mask, shot.mask) > 0.97


@pytest.mark.parametrize("quality", [None, 92, 40])
def test_a_white_shirt_keeps_its_sleeves(quality: int | None) -> None:
    shot = packshot("white-tee", (480, 640))
    picture = shot.picture
    if quality is not None:
        _, coded = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        picture = np.ascontiguousarray(np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)[..., ::-1])
    assert iou(isolate(picture).mask, shot.mask) > 0.95


@pytest.mark.parametrize("size", [(480, 640), (576, 768), (720, 960)])
def test_seams_of_white_cloth_let_no_ground_in(size: tuple[int, int]) -> None:
    shot = packshot("white-tee", size)
    found = isolate(shot.picture).mask
    assert (shot.mask & ~found).sum() < 0.004 * shot.mask.sum()
    assert iou(found, shot.mask) > 0.97


def test_half_a_garment_is_cut_off() -> None:
    picture = packshot("chinos", (480, 640)).picture
    with pytest.raises(GarmentNotIsolated, match="cut off"):
        isolate(np.ascontiguousarray(picture[:, :250]))


def test_a_keyhole_shows_the_ground() -> None:
    picture, mask = with_shirt(plain(), (30, 60, 110))
    cv2.rectangle(picture, (234, 100), (246, 190), (245, 245, 245), -1)
    found = isolate(picture).mask
    assert not found[110:180, 238:242].any()
    assert found[mask].mean() > 0.98


@pytest.mark.parametrize("lace", [True, False])
def test_one_sees_through_lace_but_not_through_prints(*, lace: bool) -> None:
    picture, mask = with_shirt(plain(), (30, 30, 34))
    ys, xs = np.indices(mask.shape)
    net = ((ys % 8 < 2) | (xs % 8 < 2)) if lace else (ys % 60 < 45)
    sleeve = mask & (np.abs(xs - 240) > 96)
    picture[sleeve & ~net] = 205
    found = isolate(picture)
    assert (found.lace is not None) == lace
    if found.lace is not None:
        lace_alpha = cv2.resize(found.lace.alpha, mask.shape[::-1])
        assert lace_alpha[sleeve].mean() < 0.85
        assert lace_alpha[mask & (np.abs(xs - 240) < 60)].mean() > 0.99
