"""Frozen dataclasses to bytes and back, for what is kept between try-ons: no pickle, only the classes that are named.

A packed value is a header in JSON (the tree of fields, with a place for every array), then the arrays' own bytes, compressed as
a whole. Arrays come back equal to the bit. Float32 arrays whose every value is a whole number of 255ths (see `eight_bit`)
take a byte a value.
"""

from __future__ import annotations

import dataclasses
import enum
import json
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeGuard

import numpy as np
import numpy.typing as npt
import zstandard

from models.types import FloatArray

if TYPE_CHECKING:
    import torch  # takes seconds: not for those who only want to know of errors

MAGIC: Final = b"mus1"
LEVEL: Final = 1
"""zstandard's fastest: a person takes 15 ms."""
MAX_BYTES: Final = 1_000_000_000
"""Of one unpacked value: more is damage, not a value."""
LEVELS: Final = np.float32(255)
DTYPES: Final = frozenset({"|u1", "|b1", "|i1", "<i2", "<i4", "<i8", "<f2", "<f4", "<f8"})


class PackingError(ValueError):
    """Bytes that are no packed value of these classes: damaged, or written by another version."""


def eight_bit(values: FloatArray) -> FloatArray:
    """0..1 rounded to whole 255ths, float32: what `pack` stores in a byte each."""
    levels = values * LEVELS  # one copy, and then in place
    np.rint(levels, out=levels)
    np.clip(levels, 0, LEVELS, out=levels)
    levels /= LEVELS
    return levels


class Packer:
    """Packs values made of `classes` (dataclasses and enums), tuples, lists, dicts, numbers, texts, arrays and tensors."""

    def __init__(self, classes: Iterable[type], skip: Mapping[type, Iterable[str]] | None = None) -> None:
        """skip: fields that are not packed; they take their default, or what `unpack` is given for them."""
        self._classes = {c.__name__: c for c in classes}
        self._skip = {c: frozenset(names) for c, names in (skip or {}).items()}

    def pack(self, value: object) -> bytes:
        """Raises TypeError for a class that was not named."""
        blocks: list[bytes] = []
        tree = self._to_tree(value, blocks)
        header = json.dumps({"tree": tree, "sizes": [len(b) for b in blocks]}, separators=(",", ":")).encode()
        body = b"".join([len(header).to_bytes(4, "little"), header, *blocks])
        return MAGIC + zstandard.ZstdCompressor(level=LEVEL).compress(body)

    def unpack(self, data: bytes, given: Mapping[str, object] | None = None, device: torch.device | None = None) -> Any:
        """given: values of skipped fields, by name; device: where tensors come to lie. Raises PackingError."""
        if data[:4] != MAGIC:
            raise PackingError("These bytes are no packed value.")
        try:
            body = zstandard.ZstdDecompressor().decompress(data[4:], max_output_size=MAX_BYTES)
            length = int.from_bytes(body[:4], "little")
            header = json.loads(body[4 : 4 + length])
            blocks, at = [], 4 + length
            for size in header["sizes"]:
                blocks.append(memoryview(body)[at : at + size])
                at += size
            return self._from_tree(header["tree"], blocks, given or {}, device)
        except (zstandard.ZstdError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            raise PackingError("The packed value is damaged, or of another version.") from error

    def _to_tree(self, value: object, blocks: list[bytes]) -> Any:
        if isinstance(value, enum.Enum):
            return {"e": self._name(value), "v": value.value}
        if value is None or isinstance(value, bool | int | float | str):
            return value if type(value) in (type(None), bool, int, float, str) else self._plain(value)
        if isinstance(value, np.generic):
            return value.item()
        if _is_tensor(value):
            return {"t": self._array(value.detach().cpu().numpy(), blocks)}
        if isinstance(value, np.ndarray):
            return {"a": self._array(value, blocks)}
        if isinstance(value, tuple | list):
            return {"l" if isinstance(value, list) else "u": [self._to_tree(item, blocks) for item in value]}
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            skip = self._skip.get(type(value), frozenset())
            fields = {f.name: self._to_tree(getattr(value, f.name), blocks) for f in dataclasses.fields(value) if f.name not in skip}
            return {"d": self._name(value), "f": fields}
        raise TypeError(f"{type(value).__name__} cannot be packed.")

    @staticmethod
    def _plain(value: Any) -> Any:
        raise TypeError(f"{type(value).__name__} cannot be packed.")

    def _name(self, value: object) -> str:
        name = type(value).__name__
        if self._classes.get(name) is not type(value):
            raise TypeError(f"{name} cannot be packed: it was not named.")
        return name

    @staticmethod
    def _array(array: npt.NDArray[Any], blocks: list[bytes]) -> list[Any]:
        array = np.ascontiguousarray(array)
        if array.dtype.str not in DTYPES:
            raise TypeError(f"Arrays of {array.dtype} cannot be packed.")
        eighths = False
        if array.dtype == np.float32 and array.size and float(array.min()) >= 0 and float(array.max()) <= 1:
            levels = np.rint(array * LEVELS).astype(np.uint8)
            eighths = (levels.astype(np.float32) / LEVELS).tobytes() == array.tobytes()  # a negative zero is none
            array = levels if eighths else array
        blocks.append(array.tobytes())
        return [len(blocks) - 1, array.dtype.str, list(array.shape), eighths]

    def _from_tree(self, tree: Any, blocks: list[memoryview], given: Mapping[str, object], device: torch.device | None) -> Any:
        def deeper(branch: Any) -> Any:
            return self._from_tree(branch, blocks, given, device)

        if not isinstance(tree, dict):
            return tree
        if "a" in tree:
            return _restored(tree["a"], blocks)
        if "t" in tree:
            import torch

            tensor = torch.from_numpy(_restored(tree["t"], blocks))
            return tensor if device is None else tensor.to(device)
        if "u" in tree:
            return tuple(deeper(branch) for branch in tree["u"])
        if "l" in tree:
            return [deeper(branch) for branch in tree["l"]]
        if "e" in tree:
            return self._classes[tree["e"]](tree["v"])
        kind = self._classes[tree["d"]]
        fields = {name: deeper(branch) for name, branch in tree["f"].items()}
        make: Callable[..., Any] = kind
        return make(**fields, **{name: given[name] for name in self._skip.get(kind, frozenset()) if name in given})


def _is_tensor(value: object) -> TypeGuard[torch.Tensor]:
    return type(value).__module__ == "torch" and hasattr(value, "detach")


def _restored(place: list[Any], blocks: list[memoryview]) -> npt.NDArray[Any]:
    block, dtype, shape, eighths = place
    if dtype not in DTYPES:
        raise PackingError(f"Arrays of {dtype} are not unpacked.")
    array = np.frombuffer(blocks[block], np.dtype(dtype)).reshape(shape).copy()  # writable, and free of the whole's memory
    return array.astype(np.float32) / LEVELS if eighths else array
