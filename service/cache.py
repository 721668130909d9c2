"""Finished results by key, in this process or in Redis: one protocol, two backends.

A cache is a convenience: when Redis is away, `CacheUnavailable` is raised within a fraction of a second and the
try-on goes on without it. Keys carry a version (`KEY_VERSION`) that changes with the stored form.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from service.lru import ExpiringLru

KEY_VERSION = "muslin:1"


class CacheUnavailable(Exception):
    """The store cannot be reached just now."""


@dataclass(frozen=True, slots=True)
class Hit:
    value: bytes
    ttl_s: float
    """Seconds until it expires."""


class Cache(Protocol):
    """Bytes that expire. All calls raise CacheUnavailable, and nothing else, when the store is away."""

    async def get(self, key: str) -> Hit | None: ...

    async def put(self, key: str, value: bytes, ttl_s: float) -> None: ...

    async def remove(self, key: str) -> bool:
        """True when it was there."""
        ...

    async def close(self) -> None: ...


def digest(*parts: bytes | str) -> str:
    """40 hexadecimal digits; no two different lists of parts have the same in practice."""
    state = hashlib.blake2b(digest_size=20)
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        state.update(len(data).to_bytes(8, "little"))
        state.update(data)
    return state.hexdigest()


def result_key(inputs: Iterable[str], engine_version: str) -> str:
    """`inputs`: digests of photo and garments and the options that change the picture."""
    return f"{KEY_VERSION}:result:{digest(engine_version, *inputs)}"


class MemoryCache:
    """In this process, with a byte limit; the least recently used result goes first."""

    def __init__(self, max_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._entries: ExpiringLru[bytes] = ExpiringLru(max_bytes, clock)

    async def get(self, key: str) -> Hit | None:
        found = self._entries.get(key)
        return None if found is None else Hit(*found)

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        self._entries.put(key, value, len(value), ttl_s)

    async def remove(self, key: str) -> bool:
        return self._entries.remove(key)

    async def close(self) -> None:
        self._entries.purge()

    def purge(self) -> None:
        """Called now and then, so that nothing stays in memory only because nobody asks for it."""
        self._entries.purge()


CALL_TIMEOUT_S = 0.3
"""A GET of 150 kB takes 0.2 ms: a Redis this slow is no help."""
REST_S = 2.0
"""After a failure Redis is left alone for so long: at most one request in this time waits for a dead server."""


class RedisCache:
    """In a Redis server that other replicas share."""

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._redis: Redis = Redis.from_url(
            url,
            socket_timeout=CALL_TIMEOUT_S,
            socket_connect_timeout=CALL_TIMEOUT_S,
            retry=Retry(NoBackoff(), 1),  # once: a pooled connection may be from before the server's restart
        )
        self._clock = clock
        self._resting_until = float("-inf")

    async def get(self, key: str) -> Hit | None:
        async with self._guard():
            pipeline = self._redis.pipeline(transaction=True)
            pipeline.get(key)
            pipeline.pttl(key)
            value, ttl_ms = await pipeline.execute()
        return None if value is None else Hit(value, max(ttl_ms, 0) / 1000)

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        async with self._guard():
            await self._redis.set(key, value, px=max(1, round(ttl_s * 1000)))

    async def remove(self, key: str) -> bool:
        async with self._guard():
            return bool(await self._redis.delete(key))

    async def close(self) -> None:
        await self._redis.aclose()

    @asynccontextmanager
    async def _guard(self) -> AsyncIterator[None]:
        """Turns whatever a dead, slow or full Redis does into CacheUnavailable, and leaves it alone afterwards."""
        if self._clock() < self._resting_until:
            raise CacheUnavailable("Redis did not answer a moment ago.")
        try:
            async with asyncio.timeout(3 * CALL_TIMEOUT_S):
                yield
        except (RedisError, OSError, TimeoutError) as error:
            self._resting_until = self._clock() + REST_S
            raise CacheUnavailable(f"Redis: {type(error).__name__}.") from error
