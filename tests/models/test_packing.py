"""Packing: what comes back equals what went in; nothing but named classes passes."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from models.packing import Packer, PackingError, eight_bit
from models.types import FloatArray, Label


class Kind(enum.StrEnum):
    ONE = "one"


@dataclass(frozen=True, slots=True)
class Inner:
    name: str
    points: FloatArray


@dataclass(frozen=True, slots=True)
class Outer:
    inner: tuple[Inner, ...]
    kind: Kind
    label: Label
    weight: float | None
    tensor: torch.Tensor
    listed: list[int]
    left_out: dict[str, int] = field(default_factory=dict)


PACKER = Packer((Inner, Outer, Kind, Label), {Outer: ("left_out",)})


def outer(points: FloatArray) -> Outer:
    return Outer(
        (Inner("a", points), Inner("é", points[:0])), Kind.ONE, Label.HAIR, None, torch.arange(6.0).reshape(2, 3), [1, 2], {"x": 1}
    )


@given(arrays(st.sampled_from([np.float32, np.float64, np.uint8, np.bool_, np.int64]), array_shapes(min_side=0, max_dims=3)))
def test_arrays_come_back_to_the_bit(array: FloatArray) -> None:
    found = PACKER.unpack(PACKER.pack(Inner("n", array)))
    assert isinstance(found, Inner)
    assert found.points.dtype == array.dtype
    assert found.points.shape == array.shape
    assert found.points.tobytes() == array.tobytes()


def test_a_tree_comes_back_and_skipped_fields_are_given() -> None:
    value = outer(np.ones((2, 2), np.float32))
    found = PACKER.unpack(PACKER.pack(value), {"left_out": {"y": 2}})
    assert isinstance(found, Outer)
    assert (found.kind, found.label, found.weight, found.listed, found.left_out) == (Kind.ONE, Label.HAIR, None, [1, 2], {"y": 2})
    assert torch.equal(found.tensor, value.tensor)
    assert found.inner[0].name == "a"
    assert PACKER.unpack(PACKER.pack(value)).left_out == {}


def test_eight_bit_values_take_a_byte_each() -> None:
    noise = np.random.default_rng(0).random((256, 256), np.float32)
    fine, coarse = (len(PACKER.pack(Inner("n", values))) for values in (noise, eight_bit(noise)))
    assert coarse < noise.size * 1.1 < 3 * coarse < fine
    assert np.array_equal(PACKER.unpack(PACKER.pack(Inner("n", eight_bit(noise)))).points, eight_bit(noise))


def test_only_named_classes_pass() -> None:
    with pytest.raises(TypeError, match="not named"):
        Packer((Outer,)).pack(Inner("n", np.zeros(1)))
    with pytest.raises(TypeError, match="object"):
        PACKER.pack(Inner("n", np.array([object()])))
    with pytest.raises(PackingError):
        Packer((Outer,)).unpack(PACKER.pack(Inner("n", np.zeros(1))))


@given(st.integers(0, 400), st.integers(0, 255))
def test_damage_is_an_error_or_harmless(at: int, byte: int) -> None:
    packed = bytearray(PACKER.pack(outer(np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8))))
    packed[at % len(packed)] = byte
    try:
        PACKER.unpack(bytes(packed))
    except PackingError:
        return


@pytest.mark.parametrize("data", [b"", b"mus1", b"mus0abc", b"mus1" + b"\0" * 40])
def test_what_is_no_packed_value(data: bytes) -> None:
    with pytest.raises(PackingError):
        PACKER.unpack(data)
