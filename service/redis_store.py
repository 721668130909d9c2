"""The store that replicas share: one Redis server (not a cluster: an erasure takes all of an owner's keys in one step)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from service.store import EPOCH_TTL_S, KEY_VERSION, Allowance, Hit, Listener, Rate, StoreUnavailable, key_of

logger = logging.getLogger(__name__)

CALL_TIMEOUT_S: Final = 0.8
"""A GET of 150 kB takes 0.2 ms: a Redis this slow is no help. Not shorter: it is also how long this process may be too busy to look
at what has arrived."""
REST_S: Final = 1.0
"""After a failure Redis is left alone for so long: at most one request in this time waits for a dead server."""
LISTEN_AGAIN_S: Final = 0.5

REPLACE: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 1
"""
PUT_OWNED: Final = """
if (redis.call('GET', KEYS[1]) or '0') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[3], ARGV[2], 'PX', ARGV[3])
redis.call('SADD', KEYS[2], KEYS[3])
if redis.call('PTTL', KEYS[2]) < tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[2], ARGV[3]) end
return 1
"""
ERASE: Final = """
local count = 0
for i = 1, #KEYS, 2 do
  for _, key in ipairs(redis.call('SMEMBERS', KEYS[i + 1])) do count = count + redis.call('DEL', key) end
  redis.call('DEL', KEYS[i + 1])
  redis.call('INCR', KEYS[i])
  redis.call('PEXPIRE', KEYS[i], ARGV[1])
end
return count
"""
TAKE: Final = """
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
local window, step = tonumber(ARGV[1]), tonumber(ARGV[1]) / tonumber(ARGV[2])
local due = math.max(now, tonumber(redis.call('GET', KEYS[1]) or now))
local allowed = 0
if due - now <= window - step + 0.000001 then
  allowed, due = 1, due + step
  redis.call('SET', KEYS[1], string.format('%.3f', due), 'PX', math.max(1, math.ceil(due - now)))
end
return {allowed, math.floor((window - (due - now)) / step + 0.001), math.ceil(due - now), math.ceil(math.max(0, due - now - window + step))}
"""
SPEND: Final = """
local used = tonumber(redis.call('GET', KEYS[1]) or '0')
if used >= tonumber(ARGV[1]) then return -1 end
used = redis.call('INCR', KEYS[1])
if used == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return tonumber(ARGV[1]) - used
"""


class RedisStore:
    shared = True

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._redis: Redis = Redis.from_url(
            url,
            socket_timeout=CALL_TIMEOUT_S,
            socket_connect_timeout=CALL_TIMEOUT_S,
            retry=Retry(NoBackoff(), 1),  # once: a pooled connection may be from before the server's restart
        )
        self._clock = clock
        self._resting_until = float("-inf")
        self._replace, self._put_owned, self._erase, self._take, self._spend = (
            self._redis.register_script(text) for text in (REPLACE, PUT_OWNED, ERASE, TAKE, SPEND)
        )
        self._listeners: defaultdict[str, list[Listener]] = defaultdict(list)
        self._ear: asyncio.Task[None] | None = None

    async def get(self, key: str) -> Hit | None:
        async with self._guard():
            pipeline = self._redis.pipeline(transaction=True)
            pipeline.get(key)
            pipeline.pttl(key)
            value, ttl_ms = await pipeline.execute()
        return None if value is None else Hit(value, max(ttl_ms, 0) / 1000)

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        async with self._guard():
            await self._redis.set(key, value, px=_ms(ttl_s))

    async def add(self, key: str, value: bytes, ttl_s: float) -> bool:
        async with self._guard():
            return bool(await self._redis.set(key, value, px=_ms(ttl_s), nx=True))

    async def replace(self, key: str, old: bytes, new: bytes | None, ttl_s: float) -> bool:
        async with self._guard():
            return bool(await self._replace(keys=[key], args=[old, new or b"", _ms(ttl_s)]))

    async def remove(self, *keys: str) -> int:
        async with self._guard():
            return int(await self._redis.delete(*keys))

    async def epoch(self, owner: str) -> int:
        async with self._guard():
            return int(await self._redis.get(key_of("epoch", owner)) or 0)

    async def look(self, owner: str, key: str) -> tuple[int, Hit | None]:
        async with self._guard():
            pipeline = self._redis.pipeline(transaction=True)
            pipeline.get(key_of("epoch", owner))
            pipeline.get(key)
            pipeline.pttl(key)
            epoch, value, ttl_ms = await pipeline.execute()
        return int(epoch or 0), None if value is None else Hit(value, max(ttl_ms, 0) / 1000)

    async def put_owned(self, owner: str, epoch: int, key: str, value: bytes, ttl_s: float) -> bool:
        async with self._guard():
            return bool(await self._put_owned(keys=[*_places(owner), key], args=[epoch, value, _ms(ttl_s)]))

    async def erase(self, *owners: str) -> int:
        async with self._guard():
            return int(await self._erase(keys=[place for owner in owners for place in _places(owner)], args=[_ms(EPOCH_TTL_S)]))

    async def take(self, key: str, rate: Rate) -> Allowance:
        async with self._guard():
            allowed, left, reset_ms, retry_ms = await self._take(keys=[key_of("rate", key)], args=[_ms(rate.window_s), rate.limit])
        return Allowance(bool(allowed), max(0, int(left)), reset_ms / 1000, 0.0 if allowed else retry_ms / 1000)

    async def spend(self, key: str, limit: int, ttl_s: float) -> int:
        async with self._guard():
            return int(await self._spend(keys=[key_of("quota", key)], args=[limit, _ms(ttl_s)]))

    async def tell(self, channel: str, message: str) -> None:
        async with self._guard():
            await self._redis.publish(f"{KEY_VERSION}:{channel}", message)

    def listen(self, channel: str, listener: Listener) -> None:
        self._listeners[channel].append(listener)
        if self._ear is None:
            self._ear = asyncio.get_running_loop().create_task(self._hear())

    async def _hear(self) -> None:
        """Messages to listeners, for ever; after every break the listeners are told that something may have been missed."""
        while True:
            try:
                async with self._redis.pubsub() as ear:
                    await ear.subscribe(*(f"{KEY_VERSION}:{channel}" for channel in self._listeners))
                    while True:
                        message = await ear.get_message(timeout=5)
                        if message is not None and message["type"] in {"subscribe", "message"}:
                            await self._pass_on(message)
            except (RedisError, OSError, TimeoutError):
                await asyncio.sleep(LISTEN_AGAIN_S)

    async def _pass_on(self, message: dict[str, Any]) -> None:
        """News to its channel's listeners. That Redis has taken the subscription is news too, of nobody: nothing is missed from then on,
        what was told before may have been.
        """
        news = message["data"].decode() if message["type"] == "message" else ""
        for listener in self._listeners[message["channel"].decode().removeprefix(f"{KEY_VERSION}:")]:
            await listener(news)

    async def ping(self) -> None:
        async with self._guard():
            await self._redis.ping()

    async def close(self) -> None:
        if self._ear is not None:
            self._ear.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ear
        await self._redis.aclose()

    @asynccontextmanager
    async def _guard(self) -> AsyncIterator[None]:
        """Turns whatever a dead, slow or full Redis does into StoreUnavailable, and leaves it alone afterwards."""
        if self._clock() < self._resting_until:
            raise StoreUnavailable("Redis did not answer a moment ago.")
        try:
            async with asyncio.timeout(1.2 * CALL_TIMEOUT_S):
                yield
        except (RedisError, OSError, TimeoutError) as error:
            self._resting_until = self._clock() + REST_S
            raise StoreUnavailable(f"Redis: {type(error).__name__}.") from error


def _places(owner: str) -> tuple[str, str]:
    return key_of("epoch", owner), key_of("owned", owner)


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))
