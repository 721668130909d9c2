"""The drawn wardrobe: what it claims to be true is what it shows."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from models.samples import Packshot, TrouserStyle, UpperStyle, draw_trousers, draw_upper, packshot, packshot_names
from models.types import Category, FloatArray, LowerLandmarks
from tests.models.figures import upper_marks

SMALL = (384, 512)
ON_THE_LINE_PX = 1.5
"""A pixel for the mask's rounding and half a one for an antialiased corner."""
NOTCH_PX = 6.0
"""Under a hanging sleeve the gap is narrower than a pixel at first: the mask's notch ends this far below the armpit."""

STYLES = {
    "crew": UpperStyle(size=SMALL),
    "v": UpperStyle(neck="v", fit=0.85, size=SMALL, seed=2),
    "boat": UpperStyle(neck="boat", sleeve="long", size=SMALL, seed=3),
    "scoop": UpperStyle(neck="scoop", sleeve="three_quarter", flare=0.3, size=SMALL, seed=4),
    "polo": UpperStyle(neck="polo", fit=1.25, size=SMALL, seed=5),
    "turtle": UpperStyle(neck="turtle", sleeve="long", length=0.7, size=SMALL, seed=6),
    "sleeveless": UpperStyle(sleeve="none", size=SMALL, seed=7),
    "straps": UpperStyle(sleeve="strap", neck="scoop", size=SMALL, seed=8),
    "turned": UpperStyle(rotation_deg=7, size=SMALL, seed=9),
    "mirrored": UpperStyle(neck="v", mirrored=True, rotation_deg=-5, size=SMALL, seed=10),
    "wide arms": UpperStyle(sleeve="long", sleeve_angle_deg=45, size=(400, 300), seed=11),
}


def outline_distance(shot: Packshot, points: FloatArray) -> FloatArray:
    """(N,) px from each point to the outline of the mask."""
    shape = shot.mask.astype(np.uint8)
    edge = cv2.morphologyEx(shape, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    away = cv2.distanceTransform(1 - edge, cv2.DIST_L2, 5)
    return np.asarray(cv2.remap(away, points[:, :1], points[:, 1:], cv2.INTER_LINEAR, borderValue=99.0)[:, 0], np.float32)


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES.keys())
def test_landmarks_lie_on_the_outline_of_the_mask(style: UpperStyle) -> None:
    shot = draw_upper(style)
    found = upper_marks(shot.landmarks)
    corners = [found.neck, found.shoulder, found.armpit, found.hem, found.side[0], found.side[1]]
    if found.collar is not None:
        corners.append(found.collar)
    for sleeve in found.sleeves or ():
        corners += [sleeve.outer, sleeve.inner]
    points = np.concatenate(corners)
    from_armpit = np.hypot(*(points[:, None] - found.armpit).transpose(2, 0, 1)).min(axis=1)
    away = outline_distance(shot, points)
    assert away[from_armpit > 2 * NOTCH_PX].max() <= ON_THE_LINE_PX
    assert away.max() <= NOTCH_PX


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES.keys())
def test_left_is_the_left_of_the_picture_and_lines_start_where_they_should(style: UpperStyle) -> None:
    found = upper_marks(draw_upper(style).landmarks)
    for pair in (found.neck, found.shoulder, found.armpit, found.hem):
        assert pair[0, 0] < pair[1, 0]
    np.testing.assert_allclose(found.neckline[[0, -1]], found.neck, atol=0.01)
    for side in (0, 1):
        np.testing.assert_allclose(found.side[side, 0], found.armpit[side], atol=0.01)
        np.testing.assert_allclose(found.side[side, -1], found.hem[side], atol=0.01)
        if found.sleeves is not None:
            np.testing.assert_allclose(found.sleeves[side].outer[0], found.shoulder[side], atol=0.01)
            np.testing.assert_allclose(found.sleeves[side].inner[0], found.armpit[side], atol=0.01)
    assert found.armpit[0, 0] < found.axis_x < found.armpit[1, 0]


def test_the_neckline_parts_inner_back_from_front() -> None:
    shot = draw_upper(STYLES["scoop"])
    middle = upper_marks(shot.landmarks).neckline[20:-20].round().astype(int)
    assert shot.inner_back[middle[:, 1] - 3, middle[:, 0]].all()
    assert not shot.inner_back[middle[:, 1] + 3, middle[:, 0]].any()
    assert shot.mask[middle[:, 1] + 3, middle[:, 0]].all()
    assert (shot.mask | ~shot.inner_back).all()


def test_the_mask_is_where_the_picture_differs_from_its_ground() -> None:
    style = replace(STYLES["boat"], colour=(40, 60, 90), ground=(255, 255, 255))
    shot = draw_upper(style)
    darkness = 255 - shot.picture.max(axis=2).astype(int)
    # cloth is dark, ground white, the shadow between them light
    drawn = darkness > 90
    union = (drawn | shot.mask).sum()
    assert (drawn & shot.mask).sum() / union > 0.99


def test_sleeves_collars_and_straps_are_told() -> None:
    told = {name: upper_marks(draw_upper(STYLES[name]).landmarks) for name in ("crew", "polo", "sleeveless", "straps", "turtle")}
    assert {name for name, found in told.items() if found.sleeves} == {"crew", "polo", "turtle"}
    assert {name for name, found in told.items() if found.collar is not None} == {"polo", "turtle"}
    assert {name for name, found in told.items() if found.straps} == {"straps"}


def test_the_same_seed_gives_the_same_picture_and_another_does_not() -> None:
    first, again, other = (draw_upper(replace(STYLES["v"], seed=seed)).picture for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.1


def test_mirroring_turns_the_picture_and_its_landmarks_round() -> None:
    style = replace(STYLES["polo"], mirrored=False)
    plain, turned = draw_upper(style), draw_upper(replace(style, mirrored=True))
    assert np.abs(plain.picture[:, ::-1].astype(int) - turned.picture).mean() < 0.5
    width = plain.picture.shape[1]
    there, back = upper_marks(plain.landmarks), upper_marks(turned.landmarks)
    np.testing.assert_allclose(back.hem[0, 0], width - 1 - there.hem[1, 0], atol=0.01)


def test_a_longer_body_and_a_longer_sleeve_are_longer() -> None:
    def proportions(style: UpperStyle) -> tuple[float, float]:
        found = upper_marks(draw_upper(style).landmarks)
        assert found.sleeves is not None
        width = float(np.ptp(found.armpit[:, 0]))
        steps = np.diff(found.sleeves[0].inner, axis=0)
        return float(found.hem[0, 1] - found.neck[0, 1]) / width, float(np.hypot(*steps.T).sum()) / width

    style = STYLES["crew"]
    assert proportions(replace(style, length=1.3))[0] == pytest.approx(1.3 * proportions(style)[0], rel=0.02)
    assert proportions(replace(style, sleeve_length=1.3))[1] == pytest.approx(1.3 * proportions(style)[1], rel=0.02)


@pytest.mark.parametrize("name", packshot_names())
def test_the_wardrobe_fills_its_pictures_and_knows_its_categories(name: str) -> None:
    shot = packshot(name, SMALL)
    assert shot.name == name
    assert shot.picture.shape == (512, 384, 3)
    assert shot.picture.dtype == np.uint8
    assert shot.mask.shape == shot.inner_back.shape == (512, 384)
    assert 0.15 < shot.mask.mean() < 0.7
    assert shot.inner_back.any()
    border = np.concatenate([shot.mask[0], shot.mask[-1], shot.mask[:, 0], shot.mask[:, -1]])
    assert not border.any()
    lower = dict.fromkeys(("chinos", "shorts", "skirt"), Category.LOWER)
    expected = {**lower, "dotted-dress": Category.DRESS}.get(name, Category.UPPER)
    assert shot.category is expected
    assert isinstance(shot.landmarks, LowerLandmarks) == (expected is Category.LOWER)


def test_an_unknown_garment_is_refused() -> None:
    with pytest.raises(KeyError):
        packshot("cape")


def test_trousers_have_two_legs_and_an_inside_of_the_waistband() -> None:
    shot = draw_trousers(TrouserStyle(size=SMALL, colour=(40, 60, 90)))
    rows = np.flatnonzero(shot.mask.any(axis=1))
    row = shot.mask[rows[0] + round(0.8 * (rows[-1] - rows[0]))].astype(int)
    assert (np.diff(row) == 1).sum() == 2
    assert np.flatnonzero(shot.inner_back.any(axis=1)).max() < rows[0] + 0.1 * (rows[-1] - rows[0])
