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

from service.memory_store import LARGE_BYTES, MemoryStore
from service.redis_store import RedisStore
from service.store import Rate, Store, StoreUnavailable, key_of
from tests.service.servers import free_port, redis_server

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["memory", "redis"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    made: Store = MemoryStore(10_000_000) if request.param == "memory" else RedisStore(request.getfixturevalue("redis_url"))
    yield made
    await made.close()


def fresh(kind: str = "test") -> str:
    return key_of(kind, str(time.perf_counter_ns()))


async def test_what_was_put_is_got_with_its_time_left(store: Store) -> None:
    key = fresh()
    await store.put(key, b"\x00picture\xff", 60)
    hit = await store.get(key)
    assert hit is not None
    assert hit.value == b"\x00picture\xff"
    assert 55 < hit.ttl_s <= 60


async def test_an_unknown_key_is_a_miss(store: Store) -> None:
    assert await store.get(fresh()) is None


async def test_putting_again_replaces_whatever_the_size(store: Store) -> None:
    key = fresh()
    for value in (b"old", bytes(LARGE_BYTES + 1), b"new"):
        await store.put(key, value, 60)
        hit = await store.get(key)
        assert hit is not None
        assert hit.value == value
    assert await store.remove(key) == 1
    assert await store.get(key) is None


async def test_what_has_expired_is_gone(store: Store) -> None:
    key = fresh()
    await store.put(key, b"x", 0.05)
    await asyncio.sleep(0.12)
    assert await store.get(key) is None


async def test_removing_says_how_many_there_were(store: Store) -> None:
    one, other = fresh(), fresh()
    await store.put(one, b"x", 60)
    assert await store.remove(one, other) == 1
    assert await store.remove(one, other) == 0


async def test_large_values_come_back_whole(store: Store) -> None:
    key, value = fresh(), os.urandom(700_000)
    await store.put(key, value, 60)
    hit = await store.get(key)
    assert hit is not None
    assert hit.value == value


async def test_only_the_first_adds(store: Store) -> None:
    key = fresh()
    added = await asyncio.gather(*(store.add(key, str(k).encode(), 60) for k in range(8)))
    assert sum(added) == 1
    hit = await store.get(key)
    assert hit is not None
    assert hit.value == str(added.index(True)).encode()


async def test_only_what_is_still_there_is_replaced(store: Store) -> None:
    key = fresh()
    assert not await store.replace(key, b"a", b"b", 60)
    await store.put(key, b"a", 60)
    assert not await store.replace(key, b"x", b"b", 60)
    assert await store.replace(key, b"a", b"b", 60)
    assert not await store.replace(key, b"a", None, 60)
    assert await store.replace(key, b"b", None, 60)
    assert await store.get(key) is None


async def test_an_erasure_takes_all_that_is_owned_and_nothing_else(store: Store) -> None:
    mine, yours = fresh("owner"), fresh("owner")
    keys = [fresh() for _ in range(5)]
    for key in keys[:3]:
        assert await store.put_owned(mine, 0, key, b"x", 60)
    assert await store.put_owned(yours, 0, keys[3], b"x", 60)
    await store.put(keys[4], b"x", 60)
    assert await store.erase(mine) == 3
    assert [await store.get(key) is not None for key in keys] == [False, False, False, True, True]
    assert await store.erase(mine) == 0


async def test_what_began_before_an_erasure_is_not_kept_after_it(store: Store) -> None:
    owner, key = fresh("owner"), fresh()
    began = await store.epoch(owner)
    await store.erase(owner)
    assert not await store.put_owned(owner, began, key, b"late", 60)
    assert await store.get(key) is None
    assert await store.look(owner, key) == (1, None)
    assert await store.put_owned(owner, await store.epoch(owner), key, b"new", 60)
    epoch, hit = await store.look(owner, key)
    assert epoch == 1
    assert hit is not None
    assert hit.value == b"new"


async def test_owned_keys_keep_their_own_expiry(store: Store) -> None:
    owner, short, long = fresh("owner"), fresh(), fresh()
    await store.put_owned(owner, 0, long, b"x", 60)
    await store.put_owned(owner, 0, short, b"x", 0.05)
    await asyncio.sleep(0.12)
    assert await store.get(short) is None
    assert await store.erase(owner) == 1


async def test_a_rate_lets_a_burst_through_and_then_one_at_a_time(store: Store) -> None:
    key, rate = fresh("rate"), Rate(5, 1.0)
    burst = [await store.take(key, rate) for _ in range(6)]
    assert [a.allowed for a in burst] == [True] * 5 + [False]
    assert [a.left for a in burst] == [4, 3, 2, 1, 0, 0]
    assert 0 < burst[-1].retry_s <= 0.2
    assert 0.8 < burst[-1].reset_s <= 1.0
    await asyncio.sleep(burst[-1].retry_s + 0.02)
    again = await store.take(key, rate)
    assert again.allowed
    assert again.retry_s == 0


async def test_refused_calls_cost_nothing(store: Store) -> None:
    key, rate = fresh("rate"), Rate(2, 0.4)
    for _ in range(10):
        await store.take(key, rate)
    await asyncio.sleep(0.45)
    assert [(await store.take(key, rate)).allowed for _ in range(3)] == [True, True, False]


async def test_a_quota_is_spent_once(store: Store) -> None:
    key = fresh("quota")
    left = await asyncio.gather(*(store.spend(key, 3, 60) for _ in range(5)))
    assert sorted(left) == [-1, -1, 0, 1, 2]
    short = fresh("quota")
    assert await store.spend(short, 1, 0.05) == 0
    await asyncio.sleep(0.12)
    assert await store.spend(short, 1, 0.05) == 0


async def test_listeners_hear_what_is_told_and_that_they_began(store: Store) -> None:
    heard: list[str] = []

    async def listener(message: str) -> None:
        heard.append(message)

    channel = str(time.perf_counter_ns())
    store.listen(channel, listener)
    for _ in range(50):
        await store.tell(channel, "gone")
        await asyncio.sleep(0.02)
        if "gone" in heard:
            break
    assert "gone" in heard
    assert not store.shared or heard[0] == ""


def test_keys_carry_a_version() -> None:
    assert key_of("result", "x") == "muslin:2:result:x"


async def test_memory_drops_the_least_recently_used_and_keeps_small_things_apart() -> None:
    store = MemoryStore(3 * LARGE_BYTES + 100)
    await store.put("small", b"x", 60)
    for name in "abc":
        await store.put(name, bytes(LARGE_BYTES), 60)
    await store.get("a")
    await store.put("d", bytes(LARGE_BYTES), 60)
    assert [name for name in "abcd" if await store.get(name)] == ["a", "c", "d"]
    assert await store.get("small") is not None


async def test_memory_refuses_what_is_larger_than_itself_and_keeps_the_rest() -> None:
    store = MemoryStore(2 * LARGE_BYTES)
    await store.put("large", bytes(LARGE_BYTES), 60)
    await store.put("huge", bytes(3 * LARGE_BYTES), 60)
    assert await store.get("huge") is None
    assert await store.get("large") is not None


async def test_a_purge_forgets_what_nobody_asks_for() -> None:
    now = 0.0
    store = MemoryStore(1000, clock=lambda: now)
    await store.put_owned("me", 0, "a", bytes(10), 5)
    now = 6.0
    store.purge()
    assert store._small.size == 0
    assert not store._owned


async def test_without_a_redis_server_calls_fail_fast_and_typed() -> None:
    store = RedisStore(f"redis://127.0.0.1:{free_port()}/0")
    begin = time.monotonic()
    for _ in range(20):
        with pytest.raises(StoreUnavailable):
            await store.get("x")
        with pytest.raises(StoreUnavailable):
            await store.erase("x")
    assert time.monotonic() - begin < 1
    await store.close()


async def test_a_redis_server_that_never_answers_costs_one_short_wait() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        store = RedisStore(f"redis://127.0.0.1:{silent.getsockname()[1]}/0", clock=lambda: 0.0)
        begin = time.monotonic()
        for _ in range(10):
            with pytest.raises(StoreUnavailable):
                await store.get("x")
        assert time.monotonic() - begin < 1.5
        await store.close()


async def test_redis_killed_and_back_again(tmp_path: Path) -> None:
    port, now = free_port(), [0.0]
    heard: list[str] = []

    async def listener(message: str) -> None:
        heard.append(message)

    with redis_server(tmp_path, port) as (url, process):
        store = RedisStore(url, clock=lambda: now[0])
        store.listen("news", listener)
        await store.put("x", b"1", 60)
        await told(heard, 1)  # it hears before Redis dies
        process.send_signal(signal.SIGKILL)
        process.wait()
        with pytest.raises(StoreUnavailable):
            await store.get("x")
    try:
        with redis_server(tmp_path, port):
            with pytest.raises(StoreUnavailable, match="a moment ago"):
                await store.get("x")
            now[0] += 10
            assert await store.get("x") is None
            await store.put("x", b"2", 60)
            assert await store.get("x") is not None
            assert await store.put_owned("me", 0, "y", b"2", 60)  # its scripts are loaded again
            await told(heard, 2)
    finally:
        await store.close()


async def told(heard: list[str], times: int) -> None:
    """Waits until listeners were told that often that messages may have been missed."""
    for _ in range(500):
        if heard.count("") >= times:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("nobody was told that messages may have been missed")
