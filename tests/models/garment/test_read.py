"""The whole reading: its promises to the drape, and that it answers or says why for whatever comes."""

from __future__ import annotations

import io
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from PIL import Image

from models.errors import GarmentError, GarmentNotReadable
from models.garment import read_garment_picture
from models.garment.edge import pull_push, recolour_edge
from models.images import decode
from models.samples import Packshot, UpperStyle, packshot
from models.types import Category, GarmentReading, Picture, UpperLandmarks
from tests.models.figures import upper_marks

Draw = Callable[[str], Packshot]
Read = Callable[[str], GarmentReading]


def test_maps_have_the_pictures_size_and_type(drawn: Draw, reading: Read) -> None:
    picture, found = drawn("tee").picture, reading("tee")
    assert found.rgb.shape == picture.shape
    assert found.rgb.dtype == np.uint8
    for name, dtype in (("mask", np.bool_), ("alpha", np.float32), ("inner_back", np.float32), ("part", np.uint8)):
        values = getattr(found, name)
        assert values.shape == picture.shape[:2], name
        assert values.dtype == dtype, name
    assert 0.0 <= found.alpha.min() <= found.alpha.max() <= 1.0


def test_parts_cover_the_garment_and_are_where_they_belong(wardrobe: dict[str, UpperStyle], reading: Read) -> None:
    for name in wardrobe:
        found = reading(name)
        assert ((found.part > 0) == found.mask).all(), name
        if upper_marks(found.landmarks).sleeves is None:
            assert found.part.max() == 1, name
            continue
        columns = np.arange(found.part.shape[1])
        left, right = (columns[(found.part == k).any(0)] for k in (2, 3))
        assert left.mean() < found.landmarks.axis_x < right.mean(), name
        share = [(found.part == k).sum() / found.mask.sum() for k in (2, 3)]
        assert 0.03 < min(share) <= max(share) < 0.35, name


def test_the_cloth_itself_is_untouched_and_the_ground_gone(drawn: Draw, reading: Read) -> None:
    shot, found = drawn("on-blue"), reading("on-blue")
    inside = cv2.erode(found.mask.astype(np.uint8), np.ones((15, 15))) > 0
    assert (found.rgb[inside] == shot.picture[inside]).all()
    ring = (cv2.dilate(found.mask.astype(np.uint8), np.ones((9, 9))) > 0) & ~found.mask
    red, ground = np.array((178, 42, 48), float), np.array((208, 220, 232), float)
    colours = found.rgb[ring].astype(float)
    assert (np.linalg.norm(colours - red, axis=1) < np.linalg.norm(colours - ground, axis=1)).mean() > 0.99


def test_pull_push_keeps_what_is_known_and_spreads_it() -> None:
    values = np.zeros((40, 60, 3), np.float32)
    known = np.zeros((40, 60), bool)
    known[10:30, 10:25] = True
    values[known] = (10, 200, 30)
    filled = pull_push(values, known)
    assert np.allclose(filled[known], (10, 200, 30), atol=1e-3)
    assert np.allclose(filled, (10, 200, 30), atol=1.0)


def test_thin_straps_keep_their_colour() -> None:
    picture = np.full((100, 100, 3), 255, np.uint8)
    picture[:, 48:52] = (120, 10, 10)
    mask = np.zeros((100, 100), bool)
    mask[:, 48:52] = True
    assert np.abs(recolour_edge(picture, mask)[50, 40:60].astype(int) - (120, 10, 10)).max() <= 1


def test_confidence_falls_with_the_contrast(drawn: Draw, reading: Read) -> None:
    picture = drawn("tee").picture.astype(np.float32)
    faint = np.round(244 + (picture - 244) * 0.03).clip(0, 255).astype(np.uint8)
    assert read_garment_picture(faint, Category.UPPER).confidence < reading("tee").confidence <= 1.0


def test_a_folded_shirt_is_told() -> None:
    picture = np.full((640, 480, 3), 245, np.uint8)
    picture[150:520, 110:370] = (40, 60, 120)
    with pytest.raises(GarmentNotReadable, match=r"folded|not found"):
        read_garment_picture(picture, Category.UPPER)


def test_a_garment_thrown_down_is_told() -> None:
    picture = np.full((640, 480, 3), 245, np.uint8)
    cv2.fillPoly(picture, [np.array([[60, 100], [300, 60], [240, 250], [430, 600], [200, 420], [90, 560]])], (40, 60, 120))
    with pytest.raises(GarmentNotReadable, match="lay"):
        read_garment_picture(picture, Category.UPPER)


def blob(rng: np.random.Generator) -> Picture:
    """Anything plain on anything plain."""
    height, width = (int(v) for v in rng.integers(90, 400, 2))
    picture = np.full((height, width, 3), rng.integers(180, 256, 3), np.uint8)
    colour = tuple(int(v) for v in rng.integers(0, 200, 3))
    for _ in range(int(rng.integers(1, 4))):
        points = (rng.random((int(rng.integers(3, 12)), 2)) * (width, height)).astype(np.int32)
        cv2.fillPoly(picture, [points], colour)
    return picture


@pytest.mark.parametrize("seed", range(12))
def test_whatever_comes_is_read_or_refused_with_a_reason(seed: int) -> None:
    picture = blob(np.random.default_rng(seed))
    refused, found = "", None
    try:
        found = read_garment_picture(picture)
    except GarmentError as reason:
        refused = reason.detail
    if found is None:
        assert refused.endswith(".")
        assert len(refused) > 30
    else:
        assert found.mask.shape == picture.shape[:2]
        assert np.isfinite(found.landmarks.side).all()


def test_reading_twice_gives_the_same(drawn: Draw, reading: Read) -> None:
    again = read_garment_picture(drawn("polo").picture, Category.UPPER)
    assert (again.alpha == reading("polo").alpha).all()
    assert (upper_marks(again.landmarks).neckline == upper_marks(reading("polo").landmarks).neckline).all()


def test_a_doubtful_category_is_told(drawn: Draw) -> None:
    found = read_garment_picture(drawn("tee").picture, Category.LOWER)
    assert [notice.code for notice in found.notices] == ["category-doubtful"]
    assert found.confidence < 0.7


def test_trousers_folded_lengthwise_are_told() -> None:
    picture = packshot("chinos", (480, 640)).picture
    leg = np.full_like(picture, 244)
    leg[:, 100:340] = picture[:, :240]
    with pytest.raises(GarmentNotReadable, match="folded lengthwise"):
        read_garment_picture(leg)


def test_a_top_folded_or_cut_across_is_told(drawn: Draw, reading: Read) -> None:
    picture = drawn("tee").picture.copy()
    ground = picture[2, 2]
    rows = np.flatnonzero(reading("tee").mask.any(1))
    picture[rows[0] + int(0.48 * len(rows)) :] = ground
    found = read_garment_picture(picture, Category.UPPER)
    assert [notice.code for notice in found.notices] == ["garment-short"]
    assert found.confidence < 0.7 * reading("tee").confidence


def test_large_pictures_are_recoloured_like_small_ones() -> None:
    picture = np.full((2000, 1600, 3), 250, np.uint8)
    picture[300:1700, 400:1200] = (150, 30, 40)
    mask = (picture[..., 0] == 150).astype(bool)
    recoloured = recolour_edge(picture, mask)
    assert (recoloured[400:1600, 500:1100] == (150, 30, 40)).all()
    assert np.abs(recoloured[280:300, 600:1000].astype(int) - (150, 30, 40)).max() <= 2


def test_small_garments_are_told(drawn: Draw) -> None:
    picture = drawn("tee").picture
    found = read_garment_picture(np.asarray(cv2.resize(picture, (150, 200), interpolation=cv2.INTER_AREA), np.uint8), Category.UPPER)
    assert [notice.code for notice in found.notices] == ["garment-small"]
    assert found.confidence < 0.8
    with pytest.raises(GarmentNotReadable, match="larger"):
        read_garment_picture(np.asarray(cv2.resize(picture, (60, 80), interpolation=cv2.INTER_AREA), np.uint8))


def test_a_hanger_is_no_cloth(drawn: Draw) -> None:
    shot = drawn("tee")
    picture = shot.picture.copy()
    (x0, y0), (x1, _) = (tuple(round(float(v)) for v in point) for point in upper_marks(shot.landmarks).neck)
    middle = (x0 + x1) // 2
    cv2.line(picture, (middle, y0 - 70), (middle, y0 - 10), (90, 60, 30), 4)
    for x in (x0, x1):
        cv2.line(picture, (middle, y0 - 12), (x, y0 + 8), (90, 60, 30), 4)
    found = read_garment_picture(picture)
    assert (found.mask & ~shot.mask)[:y0].sum() < 120
    assert found.mask[shot.mask].mean() > 0.98


@pytest.mark.parametrize("quality", [80, 88, 92])
def test_both_sides_have_their_necks_at_one_distance(quality: int) -> None:
    """Compressed, the check's right side has its sharpest corner at the sleeve's head, two thirds further out than the neck."""
    shot = packshot("gingham", (768, 1024))
    file = io.BytesIO()
    Image.fromarray(shot.picture).save(file, "JPEG", quality=quality)
    reading = read_garment_picture(decode(file.getvalue()).picture, shot.category, None)
    assert isinstance(reading.landmarks, UpperLandmarks)
    neck, armpits = reading.landmarks.neck[:, 0], reading.landmarks.armpit[:, 0]
    left, right = armpits.mean() - neck[0], neck[1] - armpits.mean()
    assert left == pytest.approx(right, rel=0.12)
