"""Landmarks against those of drawn garments, and what must not move them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest

from models.garment import read_garment_picture
from models.samples import Packshot, UpperStyle, draw_upper
from models.types import Category, FloatArray, GarmentReading, Picture, UpperLandmarks
from tests.models.figures import upper_marks

POINTS = ("neck", "shoulder", "armpit", "hem")
USUAL, WORST = 0.015, 0.06
"""Landmark errors over the torso's width: median and worst."""

Draw = Callable[[str], Packshot]
Read = Callable[[str], GarmentReading]


def width_of(landmarks: UpperLandmarks) -> float:
    return float(np.hypot(*(landmarks.armpit[1] - landmarks.armpit[0])))


def cuffs(landmarks: UpperLandmarks) -> FloatArray:
    """(4, 2) outer and inner corner of the left, then of the right cuff."""
    assert landmarks.sleeves is not None
    return np.stack([curve[-1] for sleeve in landmarks.sleeves for curve in (sleeve.outer, sleeve.inner)])


def errors(found: UpperLandmarks, true: UpperLandmarks) -> dict[str, FloatArray]:
    """Distances over the torso's width, by landmark."""
    width = width_of(true)
    result = {name: np.hypot(*(getattr(found, name) - getattr(true, name)).T) / width for name in POINTS}
    if true.sleeves is not None:
        result["cuff"] = np.hypot(*(cuffs(found) - cuffs(true)).T) / width
    return result


def test_landmarks_of_the_wardrobe(wardrobe: dict[str, UpperStyle], drawn: Draw, reading: Read) -> None:
    seen: dict[str, list[tuple[float, str]]] = {}
    for name in wardrobe:
        true = upper_marks(drawn(name).landmarks)
        for landmark, values in errors(upper_marks(reading(name).landmarks), true).items():
            seen.setdefault(landmark, []).extend((float(v), name) for v in values)
    for landmark, measured in seen.items():
        assert np.median([v for v, _ in measured]) < USUAL, landmark
        assert max(measured)[0] < WORST, (landmark, max(measured))


def test_what_kind_of_top_it_is(wardrobe: dict[str, UpperStyle], drawn: Draw, reading: Read) -> None:
    for name in wardrobe:
        true, found = upper_marks(drawn(name).landmarks), upper_marks(reading(name).landmarks)
        assert (found.sleeves is None) == (true.sleeves is None), name
        assert (found.collar is None) == (true.collar is None), name


def test_straps_are_told_from_shoulders() -> None:
    # two straps over a bodice: narrower than any shoulder the wardrobe draws
    picture = np.full((640, 480, 3), 245, np.uint8)
    cv2.fillPoly(picture, [np.array([[140, 240], [340, 240], [370, 580], [110, 580]])], (40, 60, 120))
    for x in (150, 330):
        cv2.line(picture, (x, 60), (x, 250), (40, 60, 120), 12)
    found = upper_marks(read_garment_picture(picture, Category.UPPER).landmarks)
    assert found.straps
    assert found.sleeves is None
    assert np.abs(found.shoulder[:, 0] - (150, 330)).max() < 10
    assert np.abs(found.shoulder[:, 1] - 60).max() < 10


def mirrored(landmarks: UpperLandmarks, width_px: int) -> dict[str, FloatArray]:
    return {name: (getattr(landmarks, name) * (-1, 1) + (width_px - 1, 0))[::-1] for name in POINTS}


@pytest.mark.parametrize("name", ["tee-print", "polo-long", "askew", "tank"])
def test_the_mirrored_picture_gives_mirrored_landmarks(name: str, drawn: Draw, reading: Read) -> None:
    picture = drawn(name).picture
    back = upper_marks(read_garment_picture(np.ascontiguousarray(picture[:, ::-1]), Category.UPPER).landmarks)
    for landmark, points in mirrored(back, picture.shape[1]).items():
        moved = np.hypot(*(points - getattr(reading(name).landmarks, landmark)).T) / width_of(back)
        assert moved.max() < 0.01, landmark


@pytest.mark.parametrize("name", ["tee", "v-trim", "sleeveless"])
@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_resolution_does_not_move_landmarks(name: str, factor: float, drawn: Draw, reading: Read) -> None:
    picture = drawn(name).picture
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    resized: Picture = np.asarray(cv2.resize(picture, None, fx=factor, fy=factor, interpolation=way), np.uint8)
    found = read_garment_picture(resized, Category.UPPER)
    usual = upper_marks(reading(name).landmarks)
    assert found.mask.shape == resized.shape[:2]
    for landmark in POINTS:
        points = (getattr(found.landmarks, landmark) + 0.5) / factor - 0.5
        moved = np.hypot(*(points - getattr(usual, landmark)).T) / width_of(usual)
        assert moved.max() < 0.03, landmark


@pytest.mark.parametrize("ground", [(255, 255, 255), (224, 216, 202), (206, 222, 236), (90, 92, 96)])
def test_the_ground_does_not_move_landmarks(ground: tuple[int, int, int], wardrobe: dict[str, UpperStyle], reading: Read) -> None:
    shot = draw_upper(replace(wardrobe["tee-print"], size=(480, 640), ground=ground))
    found = upper_marks(read_garment_picture(shot.picture, Category.UPPER).landmarks)
    for landmark in POINTS:
        moved = np.hypot(*(getattr(found, landmark) - getattr(reading("tee-print").landmarks, landmark)).T) / width_of(found)
        assert moved.max() < 0.02, landmark


def test_landmarks_turn_with_the_garment(wardrobe: dict[str, UpperStyle]) -> None:
    shot = draw_upper(replace(wardrobe["long"], size=(480, 640), rotation_deg=-4.0))
    found = upper_marks(read_garment_picture(shot.picture, Category.UPPER).landmarks)
    for landmark, values in errors(found, upper_marks(shot.landmarks)).items():
        assert values.max() < WORST, landmark


def test_strong_compression_moves_landmarks_little(drawn: Draw, reading: Read) -> None:
    _, coded = cv2.imencode(".jpg", drawn("tee").picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 40])
    decoded = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)[..., ::-1]
    found = upper_marks(read_garment_picture(np.ascontiguousarray(decoded), Category.UPPER).landmarks)
    for landmark in POINTS:
        moved = np.hypot(*(getattr(found, landmark) - getattr(reading("tee").landmarks, landmark)).T) / width_of(found)
        # a shoulder ends in a soft bend
        assert moved.max() < (0.05 if landmark == "shoulder" else 0.02), landmark


def test_curves_begin_at_their_landmarks_and_are_evenly_spaced(reading: Read) -> None:
    found = upper_marks(reading("long").landmarks)
    assert found.sleeves is not None
    for k, sleeve in enumerate(found.sleeves):
        assert np.allclose(sleeve.outer[0], found.shoulder[k], atol=0.5)
        assert np.allclose(sleeve.inner[0], found.armpit[k], atol=0.5)
        for curve in (sleeve.outer, sleeve.inner):
            steps = np.hypot(*np.diff(curve, axis=0).T)
            assert steps.max() < 1.25 * steps.min() + 1
    assert np.allclose(found.side[:, 0], found.armpit, atol=0.5)
    assert np.allclose(found.side[:, -1], found.hem, atol=0.5)
    assert np.allclose(found.neckline[[0, -1]], found.neck, atol=0.5)


def test_side_left_is_the_pictures_left(reading: Read) -> None:
    found = reading("tee").landmarks
    for landmark in POINTS:
        left, right = getattr(found, landmark)
        assert left[0] < found.axis_x < right[0], landmark


def hanging_sleeves(slit_y: int) -> Picture:
    """A long-sleeved top 300 px wide whose sleeves hang down over its sides: the slits beside it begin at `slit_y`."""
    picture = np.full((1024, 768, 3), 250, np.uint8)
    torso = [(284, 150), (484, 150), (534, 180), (534, 760), (234, 760), (234, 180)]
    left = [(284, 150), (234, 175), (200, 260), (110, 720), (190, 735), (234, slit_y), (260, 300)]
    right = [(768 - x, y) for x, y in left]
    for polygon in (torso, left, right):
        cv2.fillPoly(picture, [np.array(polygon, np.int32)], (60, 90, 160), cv2.LINE_AA)
    cv2.ellipse(picture, (384, 150), (70, 34), 0, 0, 360, (250, 250, 250), -1, cv2.LINE_AA)
    return picture


def test_a_sleeve_that_lies_over_the_torso_hides_the_armpit() -> None:
    """The slit that is seen begins far below the armpit; the underarm runs up to that over the torso."""
    marks = upper_marks(read_garment_picture(hanging_sleeves(slit_y=480), Category.UPPER).landmarks)
    depth = (marks.armpit[:, 1] - 165) / 300
    assert ((depth > 0.5) & (depth < 0.75)).all()
    assert (np.abs(np.abs(marks.armpit[:, 0] - 384) - 150) < 45).all()
    assert marks.sleeves is not None
    for sleeve, armpit in zip(marks.sleeves, marks.armpit, strict=True):
        assert np.hypot(*(sleeve.inner[0] - armpit)) < 3
        assert (np.diff(sleeve.inner[:, 1]) > 0).all()
        slit = np.abs(sleeve.inner[:, 1] - 480).argmin()
        assert abs(abs(sleeve.inner[slit, 0] - 384) - 150) < 15
