"""People and garments that were read a moment ago, so that the twentieth try-on reads nothing.

In this process's memory, with a byte limit and an expiry: a read person is personal data. When several requests ask for
the same thing at once it is read once, and when all of them have gone the reading is given up.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, TypeVar

from service.flights import Together
from service.lru import ExpiringLru

V = TypeVar("V")

UNKNOWN_BYTES = 64
"""For what has no size of its own (numbers, short strings)."""


class Readings(Generic[V]):
    """On the event loop only."""

    def __init__(self, max_bytes: int, ttl_s: float) -> None:
        self._kept: ExpiringLru[V] = ExpiringLru(max_bytes)
        self._ttl_s = ttl_s
        self._together: Together[V] = Together()

    async def get(self, key: str, read: Callable[[], Awaitable[V]]) -> V:
        """What is kept under `key`, or what `read` gives (its error goes to everyone who waits, and is not kept)."""
        found = self._kept.get(key)
        if found is not None:
            return found[0]
        return await self._together.do(key, lambda: self._read(key, read))

    async def _read(self, key: str, read: Callable[[], Awaitable[V]]) -> V:
        value = await read()
        if self._together.is_current(key):  # not forgotten meanwhile
            self._kept.put(key, value, held_bytes(value), self._ttl_s)
        return value

    def holds(self, key: str) -> bool:
        return self._kept.get(key) is not None

    def forget(self, key: str) -> bool:
        """Drops it; what is being read just now is not kept either."""
        self._together.leave(key)
        return self._kept.remove(key)

    def forget_all(self) -> None:
        self._together.leave_all()
        self._kept.clear()

    def purge(self) -> int:
        """Drops what has expired; returns how many."""
        return self._kept.purge()

    @property
    def size(self) -> int:
        """Bytes held."""
        return self._kept.size


def held_bytes(value: object) -> int:
    """About how much memory a reading holds: its arrays and tensors (all that has `nbytes`), found through its fields."""
    total, seen, rest = 0, set[int](), [value]
    while rest:
        item = rest.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        size = getattr(item, "nbytes", None)
        if isinstance(size, int):
            total += size
        elif dataclasses.is_dataclass(item) and not isinstance(item, type):
            rest.extend(getattr(item, field.name) for field in dataclasses.fields(item))
        elif isinstance(item, Mapping):
            rest.extend(item.values())
        elif isinstance(item, list | tuple | set | frozenset):
            rest.extend(item)
        elif isinstance(item, bytes | bytearray | str):
            total += len(item)
        elif hasattr(item, "__dict__") and not isinstance(item, type) and not callable(item):
            rest.extend(vars(item).values())
        else:
            total += UNKNOWN_BYTES
    return total
