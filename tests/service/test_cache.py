"""One suite over both backends; then what only one of them can do wrong."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.cache import Cache, CacheUnavailable, MemoryCache, RedisCache, digest, result_key
from tests.service.servers import free_port, redis_server

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["memory", "redis"])
async def cache(request: pytest.FixtureRequest) -> AsyncIterator[Cache]:
    made: Cache = MemoryCache(1_000_000) if request.param == "memory" else RedisCache(request.getfixturevalue("redis_url"))
    yield made
    await made.close()


def fresh_key() -> str:
    return result_key([str(time.perf_counter_ns())], "test")


async def test_what_was_put_is_got_with_its_time_left(cache: Cache) -> None:
    key = fresh_key()
    await cache.put(key, b"\x00picture\xff", 60)
    hit = await cache.get(key)
    assert hit is not None
    assert hit.value == b"\x00picture\xff"
    assert 55 < hit.ttl_s <= 60


async def test_an_unknown_key_is_a_miss(cache: Cache) -> None:
    assert await cache.get(fresh_key()) is None


async def test_putting_again_replaces(cache: Cache) -> None:
    key = fresh_key()
    await cache.put(key, b"old", 60)
    await cache.put(key, b"new", 60)
    hit = await cache.get(key)
    assert hit is not None
    assert hit.value == b"new"


async def test_what_has_expired_is_gone(cache: Cache) -> None:
    key = fresh_key()
    await cache.put(key, b"x", 0.05)
    await asyncio.sleep(0.12)
    assert await cache.get(key) is None


async def test_removing_says_whether_it_was_there(cache: Cache) -> None:
    key = fresh_key()
    await cache.put(key, b"x", 60)
    assert await cache.remove(key) is True
    assert await cache.remove(key) is False
    assert await cache.get(key) is None


async def test_large_values_come_back_whole(cache: Cache) -> None:
    key, value = fresh_key(), os.urandom(700_000)
    await cache.put(key, value, 60)
    hit = await cache.get(key)
    assert hit is not None
    assert hit.value == value


def test_a_digest_tells_apart_where_parts_end() -> None:
    assert digest("ab", "c") != digest("a", "bc")
    assert digest(b"ab") == digest("ab")


def test_a_result_key_depends_on_inputs_and_engine_and_carries_a_version() -> None:
    assert result_key(["a", "b"], "1") != result_key(["a", "b"], "2")
    assert result_key(["a", "b"], "1") != result_key(["b", "a"], "1")
    assert result_key(["a"], "1").startswith("muslin:1:")


async def test_memory_drops_the_least_recently_used() -> None:
    cache = MemoryCache(30)
    for name in "abc":
        await cache.put(name, bytes(10), 60)
    await cache.get("a")
    await cache.put("d", bytes(10), 60)
    assert [name for name in "abcd" if await cache.get(name)] == ["a", "c", "d"]


async def test_memory_refuses_what_is_larger_than_itself_and_keeps_the_rest() -> None:
    cache = MemoryCache(30)
    await cache.put("small", bytes(10), 60)
    await cache.put("huge", bytes(31), 60)
    assert await cache.get("huge") is None
    assert await cache.get("small") is not None


async def test_a_purge_forgets_what_nobody_asks_for() -> None:
    now = 0.0
    cache = MemoryCache(1000, clock=lambda: now)
    await cache.put("a", bytes(10), 5)
    now = 6.0
    cache.purge()
    assert cache._entries.size == 0


async def test_without_a_redis_server_calls_fail_fast_and_typed() -> None:
    cache = RedisCache(f"redis://127.0.0.1:{free_port()}/0")
    begin = time.monotonic()
    for _ in range(20):
        with pytest.raises(CacheUnavailable):
            await cache.get("x")
        with pytest.raises(CacheUnavailable):
            await cache.put("x", b"y", 1)
    assert time.monotonic() - begin < 1
    await cache.close()


async def test_a_redis_server_that_never_answers_costs_one_short_wait() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        cache = RedisCache(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        begin = time.monotonic()
        for _ in range(10):
            with pytest.raises(CacheUnavailable):
                await cache.get("x")
        assert time.monotonic() - begin < 1.5
        await cache.close()


async def test_redis_killed_and_back_again(tmp_path: Path) -> None:
    port, now = free_port(), [0.0]
    with redis_server(tmp_path, port) as (url, process):
        cache = RedisCache(url, clock=lambda: now[0])
        await cache.put("x", b"1", 60)
        process.send_signal(signal.SIGKILL)
        process.wait()
        with pytest.raises(CacheUnavailable):
            await cache.get("x")
    with redis_server(tmp_path, port):
        with pytest.raises(CacheUnavailable, match="a moment ago"):
            await cache.get("x")
        now[0] += 10
        assert await cache.get("x") is None
        await cache.put("x", b"2", 60)
        assert await cache.get("x") is not None
        await cache.close()
