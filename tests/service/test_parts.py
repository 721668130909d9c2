"""The small parts whose mistakes would be hard to see from outside: negotiation, readings, workers, bounds."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from models.errors import NoPerson
from models.types import Tuck
from service.cache import MemoryCache
from service.dressing import Dresser, GarmentUpload, Order
from service.errors import Overloaded
from service.negotiation import best
from service.readings import Readings, held_bytes
from service.settings import Settings
from service.worker import Admission, UploadMemory, Worker
from tests.fakes import FakeEngine


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


OFFERED = ["image/jpeg", "image/png", "application/json"]


@pytest.mark.parametrize(
    "accept,expected",
    [
        (None, "image/jpeg"),
        ("", "image/jpeg"),
        ("application/json", "application/json"),
        ("image/*;q=0.5, application/json;q=0.6", "application/json"),
        ("image/png;q=0.9, image/*", "image/jpeg"),
        ("image/jpeg;q=0, */*", "image/png"),
        ("*/*;q=0.1, IMAGE/PNG ; Q=0.2", "image/png"),
        ("text/html", None),
        ("*/*;q=0", None),
        ("image/png;q=abc, application/json;q=0.001", "application/json"),
        # what is malformed is ignored, all of it in the same way
        ("image/png;q=5", "image/jpeg"),
        ("image/png;q=-1, application/json", "application/json"),
        ("image/png;q=abc", "image/jpeg"),
        ("image/png;q=, text/html", None),
        ("*/png", "image/jpeg"),
        ("ima ge/png, application/json", "application/json"),
        ("nonsense, text/html", None),
        ("nonsense", "image/jpeg"),
        ("application/json;profile=x", "application/json"),
        (";;;,,/,image", "image/jpeg"),
    ],
)
def test_negotiation(accept: str | None, expected: str | None) -> None:
    assert best(accept, OFFERED) == expected


@pytest.mark.anyio
async def test_what_several_ask_for_at_once_is_read_once() -> None:
    readings: Readings[bytes] = Readings(1000, 60)
    reads = 0

    async def read() -> bytes:
        nonlocal reads
        reads += 1
        await asyncio.sleep(0.02)
        return b"read"

    assert await asyncio.gather(*(readings.get("a", read) for _ in range(50))) == [b"read"] * 50
    assert await readings.get("a", read) == b"read"
    assert reads == 1


@pytest.mark.anyio
async def test_an_error_reaches_everyone_and_is_not_kept() -> None:
    readings: Readings[bytes] = Readings(1000, 60)

    async def fail() -> bytes:
        await asyncio.sleep(0.01)
        raise NoPerson("Nobody.")

    async def succeed() -> bytes:
        return b"read"

    outcomes = await asyncio.gather(*(readings.get("a", fail) for _ in range(5)), return_exceptions=True)
    assert all(isinstance(outcome, NoPerson) for outcome in outcomes)
    assert await readings.get("a", succeed) == b"read"


@pytest.mark.anyio
async def test_a_reading_goes_on_as_long_as_anyone_waits() -> None:
    readings: Readings[bytes] = Readings(1000, 60)
    ended: list[str] = []

    async def read() -> bytes:
        try:
            await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            ended.append("given up")
            raise
        ended.append("read")
        return b"read"

    first, second = (asyncio.create_task(readings.get("a", read)) for _ in range(2))
    await asyncio.sleep(0.01)
    first.cancel()
    assert await second == b"read"
    alone = asyncio.create_task(readings.get("b", read))
    await asyncio.sleep(0.01)
    alone.cancel()
    late = asyncio.create_task(readings.get("b", read))  # asks in the very moment when the other gives up
    assert await late == b"read"
    assert ended == ["read", "given up", "read"]


def test_held_bytes_finds_arrays_through_fields_once() -> None:
    @dataclass(frozen=True)
    class Inner:
        pixels: np.ndarray

    @dataclass(frozen=True)
    class Outer:
        inner: Inner
        again: Inner
        more: dict[str, list[np.ndarray]]

    class Plain:
        def __init__(self) -> None:
            self.pixels = np.zeros(100, np.uint8)

    inner = Inner(np.zeros((10, 10), np.float32))
    assert 400 <= held_bytes(Outer(inner, inner, {"a": [np.zeros(50, np.uint8)]})) < 600
    assert 100 <= held_bytes(Plain()) < 200


HOARD = """
import gc, sys, threading
from service.memory import give_back

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6

def work():
    pieces = [bytearray(100_000) for _ in range(4000)]  # too small to be mapped one by one
    kept.append(pieces[-1])

class Refused(Exception):
    pass

def refuse():
    picture = bytearray(b"x") * 100_000_000
    try:
        raise Refused
    except Refused as error:
        held = error  # a cycle: error, traceback, frame, error
        raise

kept = []
gc.disable()
before = resident()
for _ in range(4):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
try:
    refuse()
except Refused:
    pass
full = resident()
give_back()
print(full - before, resident() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_work_has_left_is_given_back() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HOARD], capture_output=True, text=True, timeout=60, check=True, cwd=Path(__file__).parents[2]
    )
    full, left = map(float, done.stdout.split())
    assert full > 90
    assert left < 20


@pytest.mark.anyio
async def test_memory_is_given_back_once_after_work(monkeypatch: pytest.MonkeyPatch, photo: bytes, garment: bytes) -> None:
    given: list[bool] = []
    monkeypatch.setattr("service.dressing.give_back", lambda: given.append(True))
    dresser = Dresser(FakeEngine(), MemoryCache(1_000_000), Settings())
    await dresser.tidy()
    assert given == []
    await dresser.dress(Order(photo, (GarmentUpload(garment, None),), Tuck.AUTO, "png"))
    await dresser.tidy()
    await dresser.tidy()
    assert given == [True]
    await dresser.close()


@pytest.mark.anyio
async def test_work_that_is_cancelled_before_its_turn_never_runs() -> None:
    worker, gate, done = Worker("test"), threading.Event(), []
    running = asyncio.create_task(worker.run(lambda: gate.wait(5)))
    waiting = asyncio.create_task(worker.run(lambda: done.append("ran")))
    await asyncio.sleep(0.02)
    waiting.cancel()
    await asyncio.sleep(0.02)
    gate.set()
    assert await running
    await worker.run(lambda: done.append("next"))
    assert done == ["next"]
    worker.close()


def test_admission_refuses_and_recovers() -> None:
    admission = Admission(2)
    with admission.enter():
        with admission.enter():
            with pytest.raises(Overloaded) as refused, admission.enter():
                pass
            assert refused.value.retry_after_s is not None
            assert refused.value.retry_after_s >= 1
        with admission.enter():
            assert admission.inside == 2
    assert admission.inside == 0


def test_upload_memory_is_given_back_whatever_happens() -> None:
    memory = UploadMemory(100)
    with memory.lease() as take:
        take(60)
        with memory.lease() as other:
            other(40)
            with pytest.raises(Overloaded):
                other(1)
        assert memory.free == 40
    assert memory.free == 100
