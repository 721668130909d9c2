"""What is played from a tape is what torch did; what cannot be recorded is refused."""

from __future__ import annotations

import gc
import itertools
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from models.core import placed, tensors, with_tensors
from models.drape.cut import Garment, cut
from models.drape.frame import Frame
from models.drape.warp import Topology, meshes
from models.engine import Engine
from models.garment import read_garment_picture
from models.kernels.lay import Layer
from models.kernels.tape import ELEMENTWISE, Played, TapeError, record
from models.person.body import Body
from models.samples import packshot, sample_person

CPU = torch.device("cpu")
TOPOLOGY = Topology.on(CPU)


@cache
def frame(name: str) -> Frame:
    engine = Engine()
    body: Body = engine.read_person(sample_person(name).picture).body
    engine.close()
    return Frame.of(body, CPU)


@cache
def garment(name: str) -> Garment:
    shot = packshot(name, (384, 512))
    return cut(read_garment_picture(shot.picture, shot.category, None), CPU)


@pytest.mark.parametrize("name", ["breton", "tank", "dotted-dress", "chinos", "skirt"])
def test_garments_lie_as_torch_lays_them_on_other_bodies_and_with_other_wishes(name: str) -> None:
    layer, cloth = Layer(TOPOLOGY), garment(name)
    for who in ("woman", "man"):  # recorded on the first
        for wish in (0.0, 1.0, 2.0):
            tuck = torch.tensor([wish])
            expected, laid = placed(frame(who), cloth.measures, tuck), layer.lay(frame(who), cloth, tuck)
            for one, other in zip(tensors(expected), tensors(laid.placement), strict=True):
                torch.testing.assert_close(other, one, rtol=1e-5, atol=2e-3)
            for mesh, (vertices, attributes, triangles) in zip(
                (laid.torso, laid.strips), meshes(expected, cloth.torso, cloth.sleeves, TOPOLOGY), strict=True
            ):
                np.testing.assert_allclose(mesh.vertices, vertices[0].numpy(), rtol=1e-5, atol=2e-3)
                np.testing.assert_array_equal(mesh.attributes, attributes[0].numpy())
                np.testing.assert_array_equal(mesh.triangles, triangles.numpy())


@cache
def recorded(name: str) -> Played:
    like = frame("woman"), garment(name).measures
    return record(lambda *parts: list(tensors(placed(*with_tensors(like, parts), torch.zeros(1)))), list(tensors(like)))


@pytest.mark.parametrize("name", ["breton", "chinos"])
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), spread=st.floats(0.01, 0.3))
def test_bodies_and_garments_of_any_shape_are_laid_alike(name: str, seed: int, spread: float) -> None:
    noise = torch.Generator().manual_seed(seed)
    like = frame("woman"), garment(name).measures
    shaken = [part * (1 + spread * (2 * torch.rand(part.shape, generator=noise) - 1)) for part in tensors(like)]
    expected = list(tensors(placed(*with_tensors(like, shaken), torch.zeros(1))))
    found = recorded(name)(*(part.numpy() for part in shaken))
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_allclose(other, one.numpy(), rtol=1e-4, atol=2e-2)


# --- operations one by one ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Did:
    """A function that was recorded with one pair of tensors (2, 3, 4), (3, 1), and is played with another."""

    function: Callable[[Tensor, Tensor], Sequence[Tensor]]

    def check(self) -> None:
        noise = torch.Generator().manual_seed(7)
        first, second = ([torch.rand((2, 3, 4), generator=noise) * 4 - 1, torch.rand((3, 1), generator=noise)] for _ in range(2))
        played = record(self.function, first)
        for one, other in zip(self.function(*second), played(*(tensor.numpy() for tensor in second)), strict=True):
            assert other.dtype == one.numpy().dtype
            np.testing.assert_allclose(other, one.numpy(), rtol=2e-6, atol=1e-6)


COUNT = itertools.count()


def _indices(a: Tensor) -> Tensor:
    return a.floor().clamp(0, 3).to(torch.int64)


@pytest.mark.parametrize(
    "function",
    [
        lambda a, b: [a + b, a - b, a * b, a / b, 1 - a, -a, a + 1, 2 * a],
        lambda a, b: [a.abs().sqrt(), (a.abs() + 1).log(), b.exp(), a.floor(), a**2, a**3],
        lambda a, b: [a.clamp(0, 1), a.clamp(min=0.5), a.clamp(max=0.5), a.clamp_min(0.1), torch.maximum(a, b), torch.minimum(a, b)],
        lambda a, b: [(a > b) & (a < 2) | (b >= 0.5), ~(a <= 0), torch.where(a > 0, a, b), torch.where(a > 0, 1.5, 0.5)],
        lambda a, b: [torch.where(a > 0, a, 0), (a > 0).to(a.dtype) * b, a * (a > 1), torch.lerp(a, b, b)],
        lambda a, b: [a.sum(-1), a.sum(0, keepdim=True), a[..., :2].sum(-1), a[:, :2].sum(1, keepdim=True), a.mean(1), a.norm(dim=-1)],
        lambda a, b: [a[..., :2].norm(dim=-1, keepdim=True), a.amax(-1), *a.max(-1)],
        lambda a, b: [a[:, 1], a[0, :, None], a[..., -1], a[:, ::2], a.flip(1), a.transpose(0, 2), a.reshape(6, 4), a.flatten(0, 1)],
        lambda a, b: [torch.cat([a, b[None].expand(2, -1, -1)], -1), torch.stack([a, a * b], 1), b.expand(2, 3, 4)],
        lambda a, b: [a.gather(-1, _indices(a)), b[None].expand(2, 3, 4).gather(-1, _indices(a)), a - _indices(a)],
        lambda a, b: [torch.linspace(0, 1, 5)[_indices(a)], torch.zeros_like(a) + b, torch.full_like(b, 3.0), torch.ones_like(a) * b],
        lambda a, b: [(a + b) * (a + b), a + torch.arange(4)],  # the same twice, and whole numbers
        lambda a, b: [_indices(a) < 1.5, (a > 0) > 0.5, _indices(a).clamp(1, 2), (a > 0)[..., :2].sum(-1), torch.linspace(0, 1, 3)],
        lambda a, b: [torch.cat([a, _indices(a)], -1), torch.where(a > 0, _indices(a), b), (a > 0) | (b > 0.5)],
    ],
)
def test_an_operation_is_played_as_torch_does_it(function: Callable[[Tensor, Tensor], Sequence[Tensor]]) -> None:
    Did(function).check()


def test_a_tensor_given_twice_is_refused() -> None:
    given = torch.ones(3)
    with pytest.raises(TapeError, match="twice"):
        record(lambda a, b: [a - b], [given, given])


def test_results_are_nobody_elses() -> None:
    played = record(lambda a: [torch.ones(3), a + 1], [torch.ones(3)])
    played(np.ones(3, np.float32))[0][:] = 7
    np.testing.assert_array_equal(played(np.ones(3, np.float32))[0], 1)


def test_where_a_tape_cannot_be_made_torch_lays(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.delitem(ELEMENTWISE, "maximum")
    layer, cloth, tuck = Layer(TOPOLOGY), garment("tank"), torch.zeros(1)
    laid = [layer.lay(frame(who), cloth, tuck) for who in ("woman", "man")]
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        "curves are placed by torch, which takes five times as long"
    ]
    for who, found in zip(("woman", "man"), laid, strict=True):
        for one, other in zip(tensors(placed(frame(who), cloth.measures, tuck)), tensors(found.placement), strict=True):
            torch.testing.assert_close(other, one)


@pytest.mark.parametrize("taped", [True, False])
def test_nothing_of_a_body_stays_in_a_recording(monkeypatch: pytest.MonkeyPatch, taped: bool) -> None:
    if not taped:
        monkeypatch.delitem(ELEMENTWISE, "maximum")
    layer, cloth, body = Layer(TOPOLOGY), garment("chinos"), Frame.stack([frame("woman")])  # tensors of its own
    held = [weakref.ref(tensor) for tensor in tensors(body)]
    found = [weakref.ref(tensor) for tensor in tensors(layer.lay(body, cloth, torch.zeros(1)).placement)]
    del body
    gc.collect()
    assert not any(tensor() is not None for tensor in (*held, *found))


def test_what_does_not_depend_on_what_is_given_is_not_computed_again() -> None:
    asked = 0

    def function(a: Tensor) -> list[Tensor]:
        nonlocal asked
        asked += 1
        table = torch.zeros(3)
        table[:2] = torch.linspace(1, 2, 2)
        return [a * table]

    played = record(function, [torch.ones(3)])
    np.testing.assert_array_equal(played(np.full(3, 2, np.float32))[0], [2, 4, 0])
    assert asked == 2  # recorded, and once to compare
    assert len(played.__code__.co_names) == 2  # multiply and the table


@pytest.mark.parametrize(
    "function, why",
    [
        (lambda a: [a.add_(1)], "in place"),
        (lambda a: [a.__setitem__(0, 1), a][1:], "in place"),
        (lambda a: [a if float(a[0, 0, 0]) > 0 else -a], "read back"),
        (lambda a: [a if a[0, 0, 0] > 0 else -a], "read back"),
        (lambda a: [a.sin()], "sin is not known"),
        (lambda a: [a**0.3], "power"),
        (lambda a: [a.double()], "not known"),
        (lambda a: [a[a > 0]], "mask"),
        (lambda a: [a if torch.equal(a, a) else -a], "read back"),
        (lambda a: [a * len(str(a))], "read back"),
        (lambda a: [torch.full_like(a, a[0, 0, 0])], "read back|number"),
        (lambda a: [torch.arange(3)[: a[0, 0, 0].to(torch.int64)]], "index|read back"),
        (lambda a: [a.sum()], "form"),
        (lambda a: [_indices(a) & 1], "numbers"),
        (lambda a: [a + next(COUNT)], "other numbers"),
    ],
)
def test_what_cannot_be_played_is_refused(function: Callable[[Tensor], Sequence[Tensor]], why: str) -> None:
    with pytest.raises(TapeError, match=why):
        record(function, [torch.ones((2, 3, 4))])
