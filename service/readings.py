"""People and garments that were read a moment ago, so that the twentieth try-on reads nothing.

Only in this process's memory, with a byte limit and an expiry: a read person is personal data. When several
requests ask for the same thing at once it is read once, and when all of them have gone the reading is given up.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, TypeVar

from service.lru import ExpiringLru

V = TypeVar("V")

UNKNOWN_BYTES = 64
"""For what has no size of its own (numbers, short strings)."""


@dataclasses.dataclass(slots=True)
class _Pending(Generic[V]):
    task: asyncio.Task[V]
    waiting: int = 0


class Readings(Generic[V]):
    """On the event loop only."""

    def __init__(self, max_bytes: int, ttl_s: float) -> None:
        self._kept: ExpiringLru[V] = ExpiringLru(max_bytes)
        self._ttl_s = ttl_s
        self._pending: dict[str, _Pending[V]] = {}

    async def get(self, key: str, read: Callable[[], Awaitable[V]]) -> V:
        """What is kept under `key`, or what `read` gives (its error goes to everyone who waits, and is not kept)."""
        found = self._kept.get(key)
        if found is not None:
            return found[0]
        pending = self._pending.get(key)
        if pending is None:
            pending = self._pending[key] = _Pending(asyncio.ensure_future(self._read(key, read)))
            pending.task.add_done_callback(lambda task: self._ended(key, task))
        pending.waiting += 1
        try:
            return await asyncio.shield(pending.task)
        finally:
            pending.waiting -= 1
            if pending.waiting == 0 and not pending.task.done():
                del self._pending[key]  # before it ends: whoever asks now must not inherit the cancellation
                pending.task.cancel()

    async def _read(self, key: str, read: Callable[[], Awaitable[V]]) -> V:
        value = await read()
        self._kept.put(key, value, held_bytes(value), self._ttl_s)
        return value

    def _ended(self, key: str, task: asyncio.Task[V]) -> None:
        if key in self._pending and self._pending[key].task is task:
            del self._pending[key]
        if not task.cancelled():
            task.exception()  # marks it as seen, should nobody be left to see it

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
