"""Filled skin: as wide, as bright and as grainy as the skin that is seen beside it."""

from __future__ import annotations

import numpy as np
import pytest

from models.compose.bare_legs import bare_leg
from models.compose.coordinates import Coordinates, locate
from models.compose.skin import arm_shade, bare_arms, leg_shade, mottling, torso_shade
from models.person.body import Body, measure_body
from models.types import FloatArray, Label, LabelMap
from tests.models.figures import figure

SIZE = (512, 384)
Drawn = tuple[Coordinates, LabelMap, Body]


@pytest.fixture(scope="module")
def drawn() -> Drawn:
    _, pose, parse = figure(SIZE)
    body = measure_body(pose, parse)
    return locate(body, (bare_leg(parse.labels, body.legs[0]), bare_leg(parse.labels, body.legs[1])), SIZE), parse.labels, body


def test_a_bare_arm_is_as_wide_as_the_skin_at_the_sleeves_end(drawn: Drawn) -> None:
    where, labels, body = drawn
    bare = bare_arms(where, labels, body)
    for k, arm in enumerate(body.arms):
        band = (where.place[k] > arm.sleeve_end + 0.01) & (where.place[k] < arm.sleeve_end + 0.06) & (where.reach[k] < 1.6)
        skin, filled = labels[band] == Label.SKIN, bare.reach[k][band] < 1
        assert abs(int(skin.sum()) - int(filled.sum())) < 0.15 * skin.sum()


def test_arms_without_a_sleeve_keep_their_width(drawn: Drawn) -> None:
    where, _, body = drawn
    nothing = np.zeros(SIZE, np.uint8)  # no skin is seen at the end of a sleeve: the measured arm with an elbow
    bare = bare_arms(where, nothing, body)
    inside = (where.reach > 0.05) & (where.reach < 1) & (where.place < 1.9)
    assert np.abs(bare.reach[inside] / np.maximum(where.reach[inside], 1e-3) - 1).max() < 0.08


def test_light_tells_shoulders_elbows_and_knees() -> None:
    middle: FloatArray = np.full(5, 0.1, np.float32)
    places = np.array([0.5, 0.75, 1.0, 1.15, 1.5], np.float32)
    assert arm_shade(middle, places, middle).argmin() == 2
    knee = leg_shade(middle[:3], np.array([0.7, 0.98, 1.075], np.float32))
    assert knee[1] > knee[0] > knee[2]
    height = np.array([0.123, 0.081, 0.041], np.float32)
    collarbone = torso_shade(np.full(3, 0.22, np.float32), height, 0.6)
    assert collarbone.argmax() == 1


def test_filled_skin_is_as_grainy_as_seen_skin() -> None:
    noise = np.random.default_rng(1).standard_normal(SIZE, np.float32)
    seen = np.ones(SIZE, np.float32)
    spread = []
    for strength in (0.0, 3.0):
        photo = np.clip(150 + strength * np.random.default_rng(2).standard_normal((*SIZE, 1)), 0, 255).astype(np.uint8).repeat(3, -1)
        grain, mottled = mottling(photo, seen, noise, 1.0, 150.0)
        again = mottling(photo, seen, noise, 1.0, 150.0)
        assert (grain == again[0]).all()
        assert (mottled == again[1]).all()
        assert np.abs(mottled).max() < 0.05
        spread.append(float(grain.std()))
    assert spread[1] > 2 * spread[0]
