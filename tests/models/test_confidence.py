"""The confidence: its formula on made-up signs, its drape signs on made-up grids, and whole photos of our own samples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import pytest

from models.confidence import CODES, LOW, LOW_CODE, REASONS, DrapeSigns, PersonSigns, judge, look_at_drape
from models.drape.cut import Garment
from models.engine import Engine, Person
from models.interface import Fitting, TryOn
from models.samples import packshot, sample_person
from models.types import Category, FloatArray, Picture

GOOD = PersonSigns(
    certainty=0.9,
    agreement=0.97,
    shoulders_seen=1.0,
    elbows_seen=0.98,
    knees_seen=0.97,
    trunk_inside=1.0,
    legs_inside=1.0,
    sides_found=1.0,
    tops_found=1.0,
    hair=0.0,
    waist_known=True,
    waist_spread=0.01,
    breadth=0.66,
    thighs_down=0.8,
    unit_px=280.0,
    dark=0.03,
    brightest=240.0,
    noise=0.5,
    sharpness=2.8,
)
BAD: dict[str, tuple[Any, str]] = {
    "certainty": (0.2, "parse-unsure"),
    "agreement": (0.6, "background-unclear"),
    "shoulders_seen": (0.5, "shoulders-hidden"),
    "breadth": (0.3, "body-turned"),
    "dark": (0.8, "photo-dark"),
    "brightest": (120.0, "photo-dark"),
    "sharpness": (1.05, "photo-blurred"),
    "waist_known": (False, "waist-unclear"),
}


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def shirt(engine: Engine) -> Garment:
    return engine.read_garment(packshot("print-tee", (576, 768)).picture, Category.UPPER)


def codes(result: TryOn) -> list[str]:
    return [n.code for n in result.notices]


def test_a_good_photo_and_a_clean_picture_leave_nothing_to_say() -> None:
    for category in Category:
        verdict = judge(GOOD, [category], [0.95], DrapeSigns(1.3, 0.0))
        assert 0.95 < verdict.confidence <= 1
        assert verdict.reasons == ()


@pytest.mark.parametrize("sign", BAD)
def test_every_sign_lowers_it_and_is_told(sign: str) -> None:
    value, code = BAD[sign]
    worse = replace(GOOD, **{sign: value})
    verdict = judge(worse, [Category.UPPER])
    assert verdict.confidence < 0.75 < judge(GOOD, [Category.UPPER]).confidence
    told = {n.code for n in verdict.reasons} - {LOW_CODE}
    assert told <= {code}
    assert told or verdict.confidence >= 0.7


def test_it_never_falls_when_a_sign_gets_better() -> None:
    for sign, (value, _) in BAD.items():
        if not isinstance(value, bool):
            steps = [judge(replace(GOOD, **{sign: v}), [Category.UPPER]).confidence for v in np.linspace(value, getattr(GOOD, sign), 9)]
            assert all(a <= b + 1e-9 for a, b in pairwise(steps)), sign


def test_low_confidence_is_told_first_with_its_main_reason() -> None:
    verdict = judge(replace(GOOD, sharpness=1.0, dark=0.6, certainty=0.5), [Category.UPPER])
    assert verdict.confidence < LOW
    assert verdict.reasons[0].code == LOW_CODE
    assert REASONS["photo-blurred"] in verdict.reasons[0].detail
    assert {n.code for n in verdict.reasons} <= CODES


def test_what_a_garment_does_not_need_is_not_asked_for() -> None:
    seated = replace(GOOD, thighs_down=0.1, knees_seen=0.3, legs_inside=0.2)
    assert judge(seated, [Category.UPPER]) == judge(GOOD, [Category.UPPER])
    assert judge(seated, [Category.LOWER]).confidence < LOW
    thighs_end = judge(replace(GOOD, legs_inside=0.5), [Category.LOWER])  # the photo ends at the thighs
    assert [n.code for n in thighs_end.reasons] == ["legs-cut-off"]
    without_waist = replace(GOOD, waist_known=False, waist_spread=1.0)
    assert judge(without_waist, [Category.DRESS]) == judge(GOOD, [Category.DRESS])
    cut_off = replace(without_waist, trunk_inside=0.7)  # the waist is not in the picture: nothing hangs on it
    assert not any(n.code == "waist-unclear" for n in judge(cut_off, [Category.UPPER]).reasons)


def test_garment_and_drape_lower_it() -> None:
    assert judge(GOOD, [Category.UPPER], [0.95, 0.35]).confidence < 0.5
    assert judge(GOOD, [Category.UPPER], [0.95], DrapeSigns(2.5, 0.0)).confidence < 0.5
    assert judge(GOOD, [Category.UPPER], [0.95], DrapeSigns(1.2, 0.3)).confidence < LOW


def _piece(width: float, height: float, rows: int = 19) -> FloatArray:
    """(1, 2, rows, 2) a rectangle's left and right edge."""
    y = np.linspace(0, height, rows)
    return np.stack([np.stack([np.full(rows, x), y], -1) for x in (0.0, width)])[None].astype(np.float32)


def test_moving_and_scaling_are_no_stretch() -> None:
    drape = look_at_drape(_piece(100, 150) * 2 + 7, _piece(100, 150), (400, 300))
    assert drape.stretch == pytest.approx(1.0, abs=1e-3)
    assert drape.turned == 0


def test_uneven_scales_are_stretch() -> None:
    assert look_at_drape(_piece(100, 300), _piece(100, 150), (400, 300)).stretch == pytest.approx(2.0, abs=0.01)


def test_rows_that_cross_are_turned() -> None:
    crossed = _piece(100, 150)
    crossed[0, 0, 10:, 0], crossed[0, 1, 10:, 0] = 100, 0
    assert 0.3 < look_at_drape(crossed, _piece(100, 150), (400, 300)).turned < 0.7


def test_what_is_below_the_picture_is_not_judged() -> None:
    bent = _piece(100, 150)
    bent[0, 1, 12:, 0] = 500
    assert look_at_drape(bent, _piece(100, 150), (80, 300)).stretch == pytest.approx(1.0, abs=0.01)
    assert look_at_drape(bent + 1000, _piece(100, 150), (80, 300)) == DrapeSigns(1.0, 0.0)


@pytest.mark.parametrize("name", ["woman", "man"])
def test_our_samples_are_trusted(engine: Engine, shirt: Garment, name: str) -> None:
    person = engine.read_person(sample_person(name).picture)
    result = engine.try_on([Fitting(person, (shirt,))])[0]
    assert 0.9 < result.confidence <= person.confidence <= 1
    assert not CODES & set(codes(result))


def test_a_space_suit_is_not(engine: Engine, shirt: Garment) -> None:
    person = engine.read_person(sample_person("astronaut").picture)
    result = engine.try_on([Fitting(person, (shirt,))])[0]
    assert result.confidence < LOW
    assert LOW_CODE in codes(result)
    assert len(codes(result)) == len(set(codes(result)))


def _dark(photo: Picture) -> Picture:
    return (255 * (photo / 255.0) ** 7).astype(np.uint8)


def _shaken(photo: Picture) -> Picture:
    return np.asarray(cv2.GaussianBlur(photo, (0, 0), 10), np.uint8)


def _grainy(photo: Picture) -> Picture:
    return np.clip(photo + np.random.default_rng(0).normal(0, 40, photo.shape), 0, 255).astype(np.uint8)


def test_worse_photos_are_trusted_less(engine: Engine) -> None:
    photo = sample_person("man").picture
    good = engine.read_person(photo)
    dark, shaken, grainy = (engine.read_person(f(photo)) for f in (_dark, _shaken, _grainy))
    cut = engine.read_person(np.ascontiguousarray(photo[: round(good.body.middle[1] + 0.6 * good.body.trunk_px)]))
    assert dark.signs.dark > good.signs.dark + 0.1
    assert dark.signs.brightest < 200 < good.signs.brightest
    assert shaken.signs.sharpness < 1.6 < good.signs.sharpness
    assert grainy.signs.noise == pytest.approx(40 * np.linalg.norm([0.299, 0.587, 0.114]), rel=0.15)  # the channels' noise is independent
    assert cut.signs.trunk_inside < 0.8 < good.signs.trunk_inside
    people: tuple[Person, ...] = (dark, shaken, grainy, cut)
    assert all(p.confidence < good.confidence for p in people)
