"""The compiled core draws what the torch core says, on our own sample people and garments."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
import torch

from models.drape.cut import Garment
from models.engine import Engine, Person
from models.interface import Fitting
from models.samples import packshot, sample_person
from models.types import Tuck

GARMENT_SIZE = (384, 512)
LEVELS_MOST, SHARE_LEAST, MEAN_MOST = 1, 0.999, 0.02
"""Grey levels by which nearly all pixels differ at most, the share that this is, and the mean difference."""
CASES = {
    "short sleeves": ("woman", ("print-tee",), Tuck.AUTO),
    "long sleeves, out": ("woman", ("breton",), Tuck.OUT),
    "long sleeves, in": ("man", ("turtleneck",), Tuck.IN),
    "no sleeves": ("woman", ("tank",), Tuck.IN),
    "trousers": ("man", ("chinos",), Tuck.AUTO),
    "shorts": ("woman", ("shorts",), Tuck.AUTO),
    "skirt": ("woman", ("skirt",), Tuck.AUTO),
    "dress": ("woman", ("dotted-dress",), Tuck.AUTO),
    "outfit, in": ("man", ("chinos", "print-tee"), Tuck.IN),
    "outfit, out": ("woman", ("skirt", "breton"), Tuck.OUT),
    "trousers under a dress": ("man", ("chinos", "dotted-dress"), Tuck.AUTO),
    "no whole cells": ("astronaut", ("print-tee",), Tuck.AUTO),
}


class Studio:
    """Reads every person and every garment once; draws with and without compiled code."""

    def __init__(self) -> None:
        self.engine = Engine()
        self._painter = self.engine._painter
        self.person = cache(self._person)
        self.garment = cache(self._garment)

    def fitting(self, case: str) -> Fitting[Person, Garment]:
        who, names, tuck = CASES[case]
        return Fitting(self.person(who), tuple(self.garment(name) for name in names), tuck)

    def compiled(self, on: bool) -> Engine:
        self.engine._painter = self._painter if on else None
        return self.engine

    def _person(self, name: str) -> Person:
        picture = sample_person(name).picture
        return self.engine.read_person(picture[:-3, :-5] if name == "astronaut" else picture)

    def _garment(self, name: str) -> Garment:
        shot = packshot(name, GARMENT_SIZE)
        return self.engine.read_garment(shot.picture, shot.category)


@pytest.fixture(scope="module")
def studio() -> Iterator[Studio]:
    studio = Studio()
    yield studio
    studio.engine.close()


@pytest.mark.parametrize("case", CASES)
def test_it_draws_what_torch_draws(studio: Studio, case: str) -> None:
    fitting = studio.fitting(case)
    expected, drawn = studio.compiled(False).try_on([fitting])[0], studio.compiled(True).try_on([fitting])[0]
    away = np.abs(expected.picture.astype(np.int16) - drawn.picture)
    assert (away.max(-1) <= LEVELS_MOST).mean() >= SHARE_LEAST
    assert away.mean() < MEAN_MOST
    assert drawn.confidence == expected.confidence
    assert drawn.notices == expected.notices
    told, explained = studio.compiled(False).explain(fitting), studio.compiled(True).explain(fitting)
    assert (told.edit_mask == explained.edit_mask).mean() >= SHARE_LEAST
    assert (np.abs(told.garment_alpha.astype(np.int16) - explained.garment_alpha) <= 2).mean() >= SHARE_LEAST
    both = np.isfinite(told.garment_map) & np.isfinite(explained.garment_map)
    assert (np.isfinite(told.garment_map) == np.isfinite(explained.garment_map)).mean() >= SHARE_LEAST
    assert np.allclose(told.garment_map[both], explained.garment_map[both])


def test_something_is_drawn(studio: Studio) -> None:
    fitting = studio.fitting("short sleeves")
    drawn = studio.compiled(True).explain(fitting)
    picture = studio.compiled(True).try_on([fitting])[0].picture
    assert (picture[~drawn.edit_mask] == fitting.person.photo[~drawn.edit_mask]).all()
    assert 0.05 < drawn.edit_mask.mean() < 0.5
    assert (picture[drawn.edit_mask] != fitting.person.photo[drawn.edit_mask]).any(-1).mean() > 0.9


def test_a_picture_does_not_depend_on_its_company(studio: Studio) -> None:
    fittings = [studio.fitting(case) for case in ("dress", "short sleeves", "trousers", "outfit, in")]
    alone = [studio.compiled(True).try_on([fitting])[0].picture for fitting in fittings]
    together = studio.compiled(True).try_on(fittings[::-1])[::-1]
    assert all((a == b.picture).all() for a, b in zip(alone, together, strict=True))


def test_threads_draw_the_same(studio: Studio) -> None:
    two = Engine(threads=2)
    torch.set_num_threads(1)
    for case in ("dress", "trousers"):
        fitting = studio.fitting(case)
        away = np.abs(studio.compiled(True).try_on([fitting])[0].picture.astype(np.int16) - two.try_on([fitting])[0].picture)
        assert away.max() <= 1
        assert away.mean() < 1e-4
    two.close()


@pytest.mark.parametrize("on", [False, True], ids=["torch", "compiled"])
@pytest.mark.parametrize("who", ["man", "woman"])
def test_a_top_tucked_into_the_outfits_own_trousers_ends_at_their_waistband(studio: Studio, who: str, on: bool) -> None:
    engine, person = studio.compiled(on), studio.person(who)
    trousers, top = studio.garment("chinos"), studio.garment("print-tee")
    band = engine.explain(Fitting(person, (trousers,), Tuck.IN)).landmarks
    lowest = max(y for _, y in (*band["waist"], *band["middle"]))
    alpha = engine.explain(Fitting(person, (trousers, top), Tuck.IN)).garment_alpha
    assert (alpha[: int(lowest)] > 0).any()
    assert not (alpha[int(lowest + 0.08 * person.body.unit_px) :] > 8).any()
