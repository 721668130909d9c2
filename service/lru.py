"""A bounded memory: so many bytes, so long, the least recently used goes first."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Entry(Generic[V]):
    value: V
    size: int
    """Bytes."""
    expires: float
    """In seconds of the clock."""


class ExpiringLru(Generic[V]):
    """Values by key. Not for several threads: the service uses it on the event loop only."""

    def __init__(self, max_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_bytes = max_bytes
        self._clock = clock
        self._entries: OrderedDict[str, Entry[V]] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size(self) -> int:
        """Bytes held."""
        return self._bytes

    def get(self, key: str) -> tuple[V, float] | None:
        """The value and the seconds it has left."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        left = entry.expires - self._clock()
        if left <= 0:
            self.remove(key)
            return None
        self._entries.move_to_end(key)
        return entry.value, left

    def put(self, key: str, value: V, size: int, ttl_s: float) -> bool:
        """False when it alone is larger than the whole memory."""
        self.remove(key)
        if size > self._max_bytes:
            return False
        self._entries[key] = Entry(value, size, self._clock() + ttl_s)
        self._bytes += size
        while self._bytes > self._max_bytes:
            self.remove(next(iter(self._entries)))
        return True

    def remove(self, key: str) -> bool:
        entry = self._entries.pop(key, None)
        if entry is None:
            return False
        self._bytes -= entry.size
        return True

    def clear(self) -> None:
        self._entries.clear()
        self._bytes = 0

    def purge(self) -> int:
        """Drops what has expired, asked for or not; returns how many."""
        now = self._clock()
        expired = [key for key, entry in self._entries.items() if entry.expires <= now]
        for key in expired:
            self.remove(key)
        return len(expired)
