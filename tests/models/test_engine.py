"""The engine end to end, on our own samples, with the real MediaPipe."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np
import pytest
from skimage.metrics import structural_similarity

from models.drape.cut import Garment
from models.engine import WORK_LONG_SIDE_PX, Engine, Person
from models.errors import CategoryNotSupported, GarmentNotIsolated, NoPerson
from models.interface import EngineProtocol, Fitting
from models.samples import packshot, sample_people
from models.types import Category, Label, Tuck

SHIRT_SIZE = (576, 768)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def person(engine: Engine) -> Person:
    return engine.read_person(sample_people()[0].picture)


def test_it_is_what_the_service_asks_for(engine: Engine) -> None:
    protocol: EngineProtocol[Person, Garment] = engine
    assert protocol.device == "cpu"
    assert protocol.version


def test_a_shirt_is_shown_on_the_person(engine: Engine, person: Person) -> None:
    shirt = engine.read_garment(packshot("print-tee", SHIRT_SIZE).picture, Category.UPPER)
    result = engine.try_on([Fitting(person, (shirt,))])[0]
    why = engine.explain(Fitting(person, (shirt,)))
    assert result.picture.shape == person.photo.shape
    assert (result.picture[~why.edit_mask] == person.photo[~why.edit_mask]).all()
    shown = why.garment_alpha > 240
    assert 0.05 < shown.mean() < 0.6
    # what is shown is the garment, resampled: not repainted
    place = np.nan_to_num(why.garment_map, nan=-1e4).astype(np.float32)
    expected = cv2.remap(packshot("print-tee", SHIRT_SIZE).picture, place[..., 0], place[..., 1], cv2.INTER_LINEAR)
    inside = cv2.erode(shown.astype(np.uint8), np.ones((7, 7))) > 0
    _, similar = structural_similarity(expected, result.picture, channel_axis=2, full=True)
    assert similar[inside].mean() > 0.8
    # most of the old top is gone
    old = cv2.erode((why.parse == Label.UPPER).astype(np.uint8), np.ones((9, 9))) > 0
    changed = np.abs(result.picture.astype(int) - person.photo).max(-1) > 2
    assert changed[old].mean() > 0.9
    assert 0 < result.confidence <= 1
    assert set(result.timings_ms) == {"plate", "drape", "sample", "compose"}


def test_a_garment_is_ready_once_it_is_read(engine: Engine) -> None:
    """Nothing of reading is left to the first try-on."""
    shirt = engine.read_garment(packshot("polo", SHIRT_SIZE).picture, Category.UPPER)
    assert shirt.packed_textures
    assert engine.unpack_garment(engine.pack_garment(shirt)).packed_textures


def test_a_batch_gives_the_same_pixels_as_single_calls(engine: Engine, person: Person) -> None:
    shirts = [engine.read_garment(packshot(name, SHIRT_SIZE).picture, Category.UPPER) for name in ("print-tee", "breton")]
    fittings = [Fitting(person, (shirts[0],)), Fitting(person, (shirts[1],)), Fitting(person, (shirts[0],), Tuck.OUT)]
    together = engine.try_on(fittings)
    for fitting, result in zip(fittings, together, strict=True):
        alone = engine.try_on([fitting])[0]
        assert np.abs(alone.picture.astype(int) - result.picture).max() <= 1


def test_large_photos_come_back_at_their_own_size(engine: Engine) -> None:
    photo = sample_people()[0].picture
    factor = 1.3 * WORK_LONG_SIDE_PX / max(photo.shape[:2])
    large = cv2.resize(photo, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    person = engine.read_person(large)
    shirt = engine.read_garment(packshot("print-tee", SHIRT_SIZE).picture, Category.UPPER)
    result = engine.try_on([Fitting(person, (shirt,))])[0]
    why = engine.explain(Fitting(person, (shirt,)))
    assert result.picture.shape == large.shape
    assert max(person.work_size) == WORK_LONG_SIDE_PX
    assert why.garment_alpha.shape == why.edit_mask.shape == large.shape[:2]
    assert (result.picture[~why.edit_mask] == large[~why.edit_mask]).all()


def test_what_cannot_be_used_is_refused(engine: Engine) -> None:
    ground = np.full((480, 360, 3), 200, np.uint8)
    with pytest.raises(NoPerson):
        engine.read_person(ground)
    with pytest.raises(GarmentNotIsolated):
        engine.read_garment(ground, None)


def test_trousers_go_under_a_dress_only(engine: Engine, person: Person) -> None:
    trousers = engine.read_garment(packshot("chinos", SHIRT_SIZE).picture, Category.LOWER)
    dress = replace(engine.read_garment(packshot("breton", SHIRT_SIZE).picture, Category.UPPER), category=Category.DRESS)
    with pytest.raises(CategoryNotSupported, match="under a dress"):
        engine.try_on([Fitting(person, (dress, trousers))])
    assert len(engine.try_on([Fitting(person, (trousers, dress))])) == 1
