"""The small parts whose mistakes would be hard to see from outside: negotiation, readings, workers, bounds."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from obstore.store import MemoryStore as PictureStore

from models.errors import NoPerson
from models.interface import Fitting, TryOn
from models.types import Category, Tuck
from service.batching import Admission, Batcher
from service.catalogue import Catalogue
from service.database import connect
from service.dressing import Dresser, GarmentUpload, Order
from service.errors import Overloaded
from service.memory_store import MemoryStore
from service.negotiation import best
from service.photos import Photos
from service.pictures import Pictures
from service.reading import Reader
from service.readings import Readings, held_bytes
from service.secrets import Secrets
from service.settings import Settings
from service.vault import Vault
from service.worker import UploadMemory, Worker
from tests.fakes import FakeEngine, FakeGarment, FakePerson, look, marked


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
    engine, settings, vault = FakeEngine(), Settings(), Vault(MemoryStore(1_000_000), Secrets(bytes(32)))
    reader = Reader(engine, settings)
    catalogue = Catalogue(reader, connect(Settings(database_url="sqlite://")), Pictures(PictureStore()), vault.store, "1")
    dresser = Dresser(engine, reader, Photos(reader, vault, settings), catalogue, vault, settings)
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


def test_admission_counts_and_recovers() -> None:
    admission = Admission(2)
    with admission.enter("warm"):
        with admission.enter("warm"):
            with pytest.raises(Overloaded) as refused, admission.enter("warm"):
                pass
            assert refused.value.retry_after_s is not None
            assert refused.value.retry_after_s >= 1
        with admission.enter("warm"):
            assert admission.inside == 2
    assert admission.inside == 0
    assert admission.hands_backlog_s == admission.device_backlog_s == 0


def test_nobody_is_let_in_who_would_still_wait_when_they_have_to_go() -> None:
    admission = Admission(100, hands=2)
    for _ in range(5):
        with admission.enter("cold") as visit:
            visit.hands_s, visit.device_s = 2.0, 0.5
    with ExitStack() as inside:
        for _ in range(3):
            inside.enter_context(admission.enter("cold", patience_s=10))
        assert admission.hands_backlog_s == pytest.approx(6.0)
        assert admission.device_backlog_s == pytest.approx(1.5)
        with pytest.raises(Overloaded) as refused, admission.enter("cold", patience_s=3.7):  # 3 of waiting, 2 of reading, 0.5 of drawing
            pass
        assert refused.value.retry_after_s == 2
        with admission.enter("cold", patience_s=6):
            assert admission.inside == 4
    with admission.enter("cold", patience_s=1):  # with nobody before it, it may try
        assert admission.inside == 1


def test_what_varies_is_expected_to_take_longer() -> None:
    admission = Admission(100)
    for device_s in (0.2, 0.6) * 10:
        with admission.enter("warm") as visit:
            visit.device_s = device_s
    assert 0.5 < admission.costs["warm"].device_s.likely < 0.8


def test_the_device_draws_one_after_the_other() -> None:
    admission = Admission(100, hands=2)
    for _ in range(5):
        with admission.enter("warm") as visit:
            visit.device_s = 1.0
    with ExitStack() as inside:
        for _ in range(3):
            inside.enter_context(admission.enter("warm", patience_s=10))
        with pytest.raises(Overloaded), admission.enter("warm", patience_s=3.5):
            pass


def test_what_fails_teaches_admission_nothing() -> None:
    admission = Admission(2)
    with pytest.raises(ValueError, match="x"), admission.enter("warm"):
        raise ValueError("x")
    assert admission.costs["warm"].device_s.samples == 0


def fitting(value: int, error: type[Exception] | None = None) -> Fitting[FakePerson, FakeGarment]:
    photo = np.full((40, 30, 3), value, np.uint8)
    return Fitting(FakePerson(photo), (FakeGarment(photo if error is None else marked(photo, error), Category.UPPER),))


@dataclass
class Drawing(FakeEngine):
    """Fails as a whole where one garment is marked."""

    batches: list[int] = field(default_factory=list)

    def try_on(self, batch: Sequence[Fitting[FakePerson, FakeGarment]]) -> list[TryOn]:
        self.batches.append(len(batch))
        for fitting in batch:
            look(fitting.garments[0].picture)
        return super().try_on(batch)


@pytest.mark.anyio
async def test_what_waits_for_the_device_is_drawn_together() -> None:
    gate = threading.Event()
    engine, device = Drawing(gate=gate), Worker("device")
    batcher = Batcher(engine, device, size=4)
    drawing = [asyncio.create_task(batcher.draw(fitting(k))) for k in range(8)]
    await asyncio.sleep(0.05)
    drawing[3].cancel()
    gate.set()
    results = await asyncio.gather(*drawing, return_exceptions=True)
    assert [isinstance(r, BaseException) for r in results] == [k == 3 for k in range(8)]
    assert [int(r[0].picture[0, 0, 0]) for r in results if not isinstance(r, BaseException)] == [0, 1, 2, 4, 5, 6, 7]
    assert engine.batches[0] == 4  # all that had come when it began
    assert sum(engine.batches) >= 7
    await batcher.close()
    device.close()


@pytest.mark.anyio
async def test_a_failed_batch_answers_each_of_its_members() -> None:
    engine, device = Drawing(), Worker("device")
    batcher = Batcher(engine, device, size=8, wait_s=0.05)
    wanted = [fitting(1), fitting(2, NoPerson), fitting(3), fitting(4, RuntimeError)]
    results = await asyncio.gather(*(batcher.draw(w) for w in wanted), return_exceptions=True)
    assert [type(r) for r in results] == [tuple, NoPerson, tuple, RuntimeError]
    assert engine.batches == [4, 1, 1, 1, 1]
    again, _ = await batcher.draw(fitting(5))
    assert int(again.picture[0, 0, 0]) == 5
    await batcher.close()
    device.close()


@pytest.mark.anyio
async def test_who_waited_too_long_is_told_before_it_is_drawn_in_vain() -> None:
    engine, device = FakeEngine(delay_s=0.1), Worker("device")
    batcher, now = Batcher(engine, device, size=1), asyncio.get_running_loop().time
    for k in range(3):
        await batcher.draw(fitting(k), now() + 0.05)  # nobody was before it: it may try
    calls = len(engine.calls)
    wanted = [batcher.draw(fitting(k), now() + 0.25) for k in range(4)]
    results = await asyncio.gather(*wanted, return_exceptions=True)
    assert [type(r) for r in results] == [tuple, tuple, Overloaded, Overloaded]
    assert len(engine.calls) == calls + 2
    await batcher.close()
    device.close()


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
