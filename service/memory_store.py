"""The store of a single process: nothing is shared, nothing outlives it."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable

from service.lru import ExpiringLru
from service.store import EPOCH_TTL_S, Allowance, Hit, Listener, Rate, key_of

LARGE_BYTES = 16_000
"""Pictures and photos: they fill the memory, and go first. What is smaller has a memory of its own of a tenth of theirs."""


class MemoryStore:
    """With a byte limit; what was not used for longest goes first. On the event loop only."""

    shared = False

    def __init__(self, max_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._large: ExpiringLru[bytes] = ExpiringLru(max_bytes, clock)
        self._small: ExpiringLru[bytes] = ExpiringLru(max(max_bytes // 10, 10 * LARGE_BYTES), clock)
        self._owned: defaultdict[str, set[str]] = defaultdict(set)
        self._epochs: ExpiringLru[int] = ExpiringLru(max(max_bytes // 10, 10 * LARGE_BYTES), clock)
        self._clock = clock
        self._due: ExpiringLru[float] = ExpiringLru(max(max_bytes // 10, 10 * LARGE_BYTES), clock)
        """By rate key: when the next call is due (theoretical arrival time)."""
        self._listeners: defaultdict[str, list[Listener]] = defaultdict(list)

    async def get(self, key: str) -> Hit | None:
        found = self._large.get(key) or self._small.get(key)
        return None if found is None else Hit(*found)

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        self._drop(key)
        place = self._large if len(value) >= LARGE_BYTES else self._small
        place.put(key, value, len(value) + len(key), ttl_s)

    async def add(self, key: str, value: bytes, ttl_s: float) -> bool:
        if await self.get(key) is not None:
            return False
        await self.put(key, value, ttl_s)
        return True

    async def replace(self, key: str, old: bytes, new: bytes | None, ttl_s: float) -> bool:
        found = await self.get(key)
        if found is None or found.value != old:
            return False
        if new is None:
            self._drop(key)
        else:
            await self.put(key, new, ttl_s)
        return True

    async def remove(self, *keys: str) -> int:
        return sum(self._drop(key) for key in keys)

    def _drop(self, key: str) -> bool:
        return self._large.remove(key) or self._small.remove(key)

    async def epoch(self, owner: str) -> int:
        found = self._epochs.get(owner)
        return 0 if found is None else found[0]

    async def look(self, owner: str, key: str) -> tuple[int, Hit | None]:
        return await self.epoch(owner), await self.get(key)

    async def put_owned(self, owner: str, epoch: int, key: str, value: bytes, ttl_s: float) -> bool:
        if await self.epoch(owner) != epoch:
            return False
        await self.put(key, value, ttl_s)
        self._owned[owner].add(key)
        return True

    async def erase(self, *owners: str) -> int:
        count = 0
        for owner in owners:
            count += sum(self._drop(key) for key in self._owned.pop(owner, ()))
            self._epochs.put(owner, await self.epoch(owner) + 1, len(owner), EPOCH_TTL_S)
        return count

    async def take(self, key: str, rate: Rate) -> Allowance:
        now, step = self._clock(), rate.window_s / rate.limit
        found = self._due.get(key_of("rate", key))
        due = max(now, found[0] if found else now)
        allowed = due - now <= rate.window_s - step + 1e-9
        if allowed:
            due += step
            self._due.put(key_of("rate", key), due, len(key), due - now)
        left = int((rate.window_s - (due - now)) / step + 1e-6)
        return Allowance(allowed, max(0, left), due - now, 0.0 if allowed else due - now - (rate.window_s - step))

    async def spend(self, key: str, limit: int, ttl_s: float) -> int:
        place = key_of("quota", key)
        found = self._small.get(place)
        used, left_s = (int(found[0]), found[1]) if found else (0, ttl_s)
        if used >= limit:
            return -1
        self._small.put(place, str(used + 1).encode(), len(place), left_s)
        return limit - used - 1

    async def tell(self, channel: str, message: str) -> None:
        for listener in self._listeners[channel]:
            await listener(message)

    def listen(self, channel: str, listener: Listener) -> None:
        self._listeners[channel].append(listener)

    async def ping(self) -> None:
        return

    async def close(self) -> None:
        self.purge()

    def purge(self) -> None:
        """Called now and then, so that nothing stays in memory only because nobody asks for it."""
        for place in (self._large, self._small, self._epochs, self._due):
            place.purge()
        for owner in list(self._owned):
            left = {key for key in self._owned[owner] if self._large.get(key) or self._small.get(key)}
            if left:
                self._owned[owner] = left
            else:
                del self._owned[owner]
