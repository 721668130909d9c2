"""The warm core needs nothing from the host while it draws, whatever the device: proved without one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks.pairs import at_size
from models import engine, replay
from models.core import Core, Finished, Fittings, draw, stacked, tensors, with_tensors
from models.drape.cut import Garment
from models.drape.warp import Topology
from models.engine import Engine, Person, _unit_px
from models.interface import Fitting
from models.replay import RECORD_AT, Outputs, Replayer
from models.samples import packshot, sample_person
from models.types import Tuck
from tests.models.hostless import nothing_from_the_host

SIZE, GARMENT_SIZE = (384, 512), (192, 256)
META = torch.device("meta")
PLENTY = 1 << 34
"""Bytes for recordings."""
CASES = {
    "top": ("woman", ("breton",), Tuck.OUT),
    "trousers": ("man", ("chinos",), Tuck.AUTO),
    "dress": ("woman", ("dotted-dress",), Tuck.AUTO),
    "outfit": ("man", ("chinos", "print-tee"), Tuck.IN),
    "close": ("astronaut", ("print-tee",), Tuck.AUTO),
}


class Studio:
    """Reads each person and garment once; draws in torch."""

    def __init__(self, device: str = "cpu") -> None:
        self.engine = Engine(device=device)
        self.engine._painter = None
        self.person = cache(self._person)
        self.garment = cache(self._garment)

    def fitting(self, case: str) -> Fitting[Person, Garment]:
        who, names, tuck = CASES[case]
        return Fitting(self.person(who), tuple(self.garment(name) for name in names), tuck)

    def tensors(self, case: str) -> tuple[Fittings, float]:
        fitting = self.fitting(case)
        with torch.inference_mode():
            return self.engine._tensors(fitting), _unit_px([fitting])

    def _person(self, name: str) -> Person:
        picture = sample_person(name).picture
        return self.engine.read_person(picture if name == "astronaut" else at_size(picture, SIZE))

    def _garment(self, name: str) -> Garment:
        shot = packshot(name, GARMENT_SIZE)
        return self.engine.read_garment(shot.picture, shot.category)


@pytest.fixture(scope="module")
def studio() -> Iterator[Studio]:
    studio = Studio()
    yield studio
    studio.engine.close()


def on_meta(fittings: Fittings, batch: int) -> Fittings:
    return with_tensors(fittings, [torch.empty((batch, *t.shape[1:]), dtype=t.dtype, device=META) for t in tensors(fittings)])


@pytest.mark.parametrize("case, batch", [("top", 1), *((case, 64) for case in CASES)])
def test_the_core_runs_on_no_device(studio: Studio, case: str, batch: int) -> None:
    """Without data, all that could be asked of it fails: a value, a mask's size, a box; and every constant of the host is seen."""
    fittings, unit_px = studio.tensors(case)
    topology = Topology.on(META)
    with nothing_from_the_host() as operations:
        finished = draw(on_meta(fittings, batch), topology, unit_px)
    assert operations.count > 300
    assert finished.picture.shape == (batch, *fittings.size, 3)
    assert finished.picture.dtype == torch.uint8
    assert finished.edit.shape == (batch, *fittings.size)


@pytest.mark.parametrize("case", CASES)
def test_fixed_tiles_cover_what_needed_ones_do(studio: Studio, case: str) -> None:
    fittings, unit_px = studio.tensors(case)
    with torch.inference_mode():
        fixed, needed = (draw(fittings, studio.engine._topology, unit_px, fixed=way) for way in (True, False))
    assert torch.equal(fixed.picture, needed.picture)
    assert torch.equal(fixed.edit, needed.edit)


@pytest.mark.parametrize("case", ["top", "trousers"])
def test_the_core_is_exported(studio: Studio, case: str) -> None:
    fittings, unit_px = studio.tensors(case)
    # out of inference mode, which an export is not made in
    given = tuple(tensor.clone() for tensor in tensors(fittings))
    core = Core(with_tensors(fittings, given), studio.engine._topology, unit_px)
    exported = torch.export.export(core, given)
    assert not exported.graph_signature.inputs_to_lifted_tensor_constants, "a constant of the host is part of it"
    assert not exported.range_constraints, "a shape depends on data"
    drawn, expected = exported.module()(*given), core(*given)
    assert all(torch.equal(a, b) for a, b in zip(drawn, expected, strict=True))


def test_fittings_drawn_together_are_those_drawn_alone(studio: Studio) -> None:
    fittings, unit_px = studio.tensors("outfit")
    with torch.inference_mode():
        together = draw(stacked([fittings, fittings, fittings]), studio.engine._topology, unit_px)
        alone = draw(fittings, studio.engine._topology, unit_px)
    assert all(torch.equal(picture, alone.picture[0]) for picture in together.picture)


# --- replaying ------------------------------------------------------------------------------------------------------------


class Recorder:
    """Stands in for CUDA's: reads the given tensors anew each time, and writes into the same outputs."""

    def __init__(self, runs: bool = True) -> None:
        self.runs = runs
        self.batches: list[int] = []

    def __call__(self, core: Core, inputs: Sequence[Tensor]) -> Callable[[], Outputs]:
        self.batches.append(len(inputs[0]))
        if not self.runs:
            return lambda: (inputs[0], inputs[0], inputs[0])
        outputs: Outputs = core(*inputs)

        def replay() -> Outputs:
            for mine, new in zip(outputs, core(*inputs), strict=True):
                mine.copy_(new)
            return outputs

        return replay


def drawn(studio: Studio, fittings: Fittings, unit_px: float) -> Finished:
    return draw(fittings, studio.engine._topology, unit_px)


def test_replays_draw_what_the_core_draws(studio: Studio) -> None:
    top, unit_px = studio.tensors("top")
    dress, _ = studio.tensors("dress")  # the same shapes, other contents
    recorder = Recorder()
    replayer = Replayer(studio.engine._topology, recorder, PLENTY)
    with torch.inference_mode():
        expected = {name: drawn(studio, each, unit_px).picture[0] for name, each in (("top", top), ("dress", dress))}
        for turn in range(RECORD_AT + 1):
            for name, each in (("top", top), ("dress", dress)):
                picture, edit, edges = replayer.draw([each], unit_px)
                assert torch.equal(picture[0], expected[name]), (turn, name)
                assert (len(picture), len(edit), len(edges)) == (1, 1, 1)
        assert recorder.batches == [1]
        for _ in range(RECORD_AT):
            picture, *_ = replayer.draw([top, dress, top], unit_px)
        assert recorder.batches == [1, 4]  # filled up
        assert len(picture) == 3
        assert all(torch.equal(p, expected[name]) for p, name in zip(picture, ("top", "dress", "top"), strict=True))


def test_the_engine_draws_by_replaying(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """All but CUDA itself: grouped, recorded, replayed, brought to the host, judged, and forgotten."""
    fittings = [studio.fitting(case) for case in ("top", "outfit", "top", "dress")]
    expected = studio.engine.try_on(fittings)
    recorder = Recorder()
    monkeypatch.setattr(studio.engine, "_replayer", Replayer(studio.engine._topology, recorder, PLENTY))
    # from a GPU they are copied
    monkeypatch.setattr(engine, "on_host", lambda *found: [tensor.clone().numpy() for tensor in found])
    for _ in range(RECORD_AT):
        results = studio.engine.try_on(fittings)
    assert recorder.batches == [2, 1, 1]  # both tops together; other clothes come off for an outfit or a dress
    assert studio.engine.recorded == (3, 0)
    for result, other in zip(results, expected, strict=True):
        assert (np.abs(result.picture.astype(np.int16) - other.picture) <= 1).all()
        assert (result.picture == other.picture).mean() > 0.9999  # there the rasteriser had looked at the data
        assert (result.confidence, result.notices) == (other.confidence, other.notices)


def test_a_recording_keeps_no_photo(studio: Studio) -> None:
    top, unit_px = studio.tensors("top")
    given: list[Tensor] = []

    def keeps(core: Core, inputs: Sequence[Tensor]) -> Callable[[], Outputs]:
        given.extend(inputs)
        return Recorder()(core, inputs)

    replayer = Replayer(studio.engine._topology, keeps, PLENTY)
    with torch.inference_mode():
        for _ in range(RECORD_AT):
            outputs = replayer.draw([top], unit_px)
        assert outputs[0].any()
        replayer.forget()
    assert not any(tensor.any() for tensor in (*given, *outputs))
    assert top.steps[0].scene.photo.any()  # the person's own is untouched


def test_what_cannot_be_recorded_is_drawn_all_the_same(studio: Studio, caplog: pytest.LogCaptureFixture) -> None:
    def refuses(core: Core, inputs: Sequence[Tensor]) -> Callable[[], Outputs]:
        raise RuntimeError("operation not permitted when stream is capturing")

    top, unit_px = studio.tensors("top")
    replayer = Replayer(studio.engine._topology, refuses, PLENTY)
    with torch.inference_mode(), caplog.at_level(logging.WARNING):
        expected = drawn(studio, top, unit_px).picture
        for _ in range(RECORD_AT + 1):
            assert torch.equal(replayer.draw([top], unit_px)[0], expected)
    assert replayer.counts == (0, 1)
    (told,) = caplog.messages  # once
    assert "operation not permitted" in told


def test_recordings_and_what_is_remembered_do_not_grow_without_end(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    top, unit_px = studio.tensors("top")
    recorder = Recorder(runs=False)
    one = sum(tensor.nbytes for tensor in tensors(top))
    replayer = Replayer(studio.engine._topology, recorder, most_bytes=2 * one + one // 2)
    monkeypatch.setattr(replay, "SHAPES_KEPT", 3)
    with torch.inference_mode():
        for k in range(4):
            for _ in range(RECORD_AT - 1):
                replayer._comes(replayer._key([top], unit_px + k))
            replayer.draw([top], unit_px + k)
        assert len(recorder.batches) == 4
        assert replayer.counts == (2, 0)  # the last two
        assert len(replayer._came) == 3
        for _ in range(RECORD_AT - 1):
            replayer._comes(replayer._key([top] * 4, unit_px))
        monkeypatch.setattr(replayer, "_core", lambda *_: lambda *given: (given[0], given[0], given[0]))
        replayer.draw([top] * 4, unit_px)  # four do not fit: drawn without
        assert replayer.counts == (2, 0)


@pytest.mark.cuda
@pytest.mark.parametrize("case", CASES)
def test_cuda_draws_what_the_cpu_draws(studio: Studio, case: str) -> None:
    on_cuda = Studio("cuda")
    fitting = on_cuda.fitting(case)
    expected = studio.engine.try_on([studio.fitting(case)])[0].picture
    for _ in range(RECORD_AT + 1):  # one by one, recorded, replayed
        away = np.abs(on_cuda.engine.try_on([fitting])[0].picture.astype(np.int16) - expected)
        assert (away.max(-1) <= 1).mean() > 0.995
    assert on_cuda.engine.recorded == (1, 0)
    on_cuda.engine.close()


@pytest.mark.cuda
def test_the_host_waits_for_nothing_on_cuda() -> None:
    on_cuda = Studio("cuda")
    fittings, unit_px = on_cuda.tensors("outfit")
    torch.cuda.set_sync_debug_mode("error")
    try:
        with torch.inference_mode():
            draw(fittings, on_cuda.engine._topology, unit_px)
    finally:
        torch.cuda.set_sync_debug_mode("default")
        on_cuda.engine.close()
