"""The service as a process of its own: what a signal does to it, and what is left in its memory."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest

from models.images import encode
from service.secrets import new_secret
from service.settings import Settings
from tests.fakes import FakeEngine
from tests.service.servers import free_port, serving
from tests.service.test_garments import some
from tests.service.test_photos import by_id, keep
from tests.service.test_try_ons import form, post

SERVE = """
import sys
from service.cli import main
{imports}
sys.exit(main(["serve"], lambda settings: {engine}))
"""
IMPORTS = {"FakeEngine": "from tests.fakes import FakeEngine", "Engine": "from models.engine import Engine"}
SECRET = new_secret()


@contextlib.contextmanager
def running(engine: str = "FakeEngine()", **settings: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A process of the service with `engine`, an expression; gives its address."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        given = {"PORT": str(port), "SECRET": SECRET, "DATA_DIR": folder, **settings}
        environment = os.environ | {f"MUSLIN_{name}": value for name, value in given.items()}
        process = subprocess.Popen(
            [sys.executable, "-c", SERVE.format(engine=engine, imports=IMPORTS[engine.partition("(")[0]])],
            env=environment,
            cwd=Path(__file__).parents[2],
            stderr=subprocess.DEVNULL,
        )
        try:
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                with contextlib.suppress(httpx.TransportError):
                    if httpx.get(f"http://127.0.0.1:{port}/health/ready").status_code == 200:
                        break
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}", process
        finally:
            process.kill()
            process.wait()


def test_told_to_stop_it_ends_what_it_took() -> None:
    """SIGTERM under load: every request that was accepted is answered."""
    with running("FakeEngine(delay_s=0.2)", DRAIN_S="1") as (address, process):
        garment, states, statuses = some(1), set[str](), list[int]()
        refused = threading.Event()

        def load(seed: int) -> None:
            with httpx.Client(base_url=address, timeout=30) as client:
                for k in range(100):
                    try:
                        statuses.append(post(client, form(some(1000 * seed + k), garment)).status_code)
                    except httpx.ConnectError:
                        refused.set()  # it takes nobody new any more
                        return

        with ThreadPoolExecutor(5) as pool:
            loads = [pool.submit(load, seed) for seed in range(4)]
            time.sleep(1)
            process.send_signal(signal.SIGTERM)
            with httpx.Client(base_url=address) as client, contextlib.suppress(httpx.TransportError):
                for _ in range(100):
                    answer = client.get("/health/ready")
                    states.add(f"{answer.status_code} {answer.json()['status']}")
                    time.sleep(0.02)
            for done in loads:
                done.result()
        assert process.wait(20) == -signal.SIGTERM
        assert refused.is_set()
        assert "503 draining" in states
        assert len(statuses) > 8
        assert set(statuses) == {200}


def found_in(process: subprocess.Popen[bytes], needles: list[bytes]) -> int:
    """How many of the needles stand anywhere in the process's memory."""
    found = set[bytes]()
    with Path(f"/proc/{process.pid}/maps").open() as maps, Path(f"/proc/{process.pid}/mem").open("rb", 0) as memory:
        for line in maps:
            span, access, *_ = line.split()
            begin, end = (int(part, 16) for part in span.split("-"))
            if "r" not in access or "w" not in access or end - begin > 1 << 31:
                continue
            with contextlib.suppress(OSError, ValueError, OverflowError):
                memory.seek(begin)
                content = memory.read(end - begin)
                found.update(needle for needle in needles if needle in content)
    return len(found)


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs Linux's /proc")
def test_an_erased_photo_is_in_no_process_any_more(redis_url: str) -> None:
    """Two replicas have it in memory; after the erasure neither has, nor anything that was made of it."""
    picture = np.random.default_rng(7).integers(0, 256, (768, 576, 3), dtype=np.uint8)
    photo = encode(picture, "png")
    with (
        running(REDIS_URL=redis_url) as (here, first),
        running(REDIS_URL=redis_url) as (there, second),
        httpx.Client(base_url=here, timeout=30) as client,
        httpx.Client(base_url=there, timeout=30) as other,
    ):
        photo_id = keep(client, photo).json()["id"]
        made = [post(c, by_id(photo_id, some(seed), format="png")) for seed, c in enumerate((client, other))]
        assert [m.status_code for m in made] == [200, 200]
        needles = [picture[row].tobytes()[:64] for row in range(0, 768, 97)]
        needles += [data[at : at + 64] for data in (photo, made[0].content) for at in range(10_000, len(data), 150_000)]
        assert found_in(first, needles) > 4
        assert found_in(second, needles) > 4
        assert client.delete(f"/v1/photos/{photo_id}").status_code == 200
        deadline = time.monotonic() + 40
        while (left := (found_in(first, needles), found_in(second, needles))) != (0, 0):
            # the last scraps lie in buffers that the next requests use again, and that are given back within seconds
            assert time.monotonic() < deadline, left
            post(client, form(some(3), some(4)))
            post(other, form(some(3), some(4)))
            time.sleep(1)


def test_two_processes_are_one_service(redis_url: str, tmp_path: Path) -> None:
    """As behind a balancer without any memory: what begins at one goes on at the other, and ends at both."""
    shared = {"REDIS_URL": redis_url, "DATA_DIR": str(tmp_path)}
    with (
        running(**shared) as (here, first),
        running(**shared) as (there, _),
        httpx.Client(base_url=here, timeout=30) as one,
        httpx.Client(base_url=there, timeout=30) as two,
    ):
        garment_id = one.post("/v1/garments", files={"picture": ("shirt", some(1))}, data={"name": "Shirt"}).json()["id"]
        photo_id = keep(one, some(2)).json()["id"]
        order = {"photo_id": photo_id, "garment_ids": [garment_id]}
        made = two.post("/v1/try-ons", json=order)
        assert made.status_code == 200, made.text
        again = one.post("/v1/try-ons", json=order)
        assert again.content == made.content
        assert "hit" in again.headers["cache-status"]
        result = made.headers["content-location"]
        assert one.get(result).content == made.content
        later = one.post("/v1/try-ons", json=order | {"format": "png"}, headers={"Prefer": "respond-async"})
        deadline = time.monotonic() + 20
        while (job := two.get(later.headers["location"]).json())["status"] != "completed":
            assert time.monotonic() < deadline, job
            time.sleep(0.05)
        assert two.delete(f"/v1/photos/{photo_id}").status_code == 200
        assert one.post("/v1/try-ons", json=order).status_code == 404
        assert one.get(f"/v1/photos/{photo_id}").status_code == 404
        assert {client.get(result).status_code for client in (one, two)} == {404}
        orphan = keep(one, some(3)).json()["id"]
        first.kill()
        first.wait()
        assert two.post("/v1/try-ons", json=order | {"photo_id": orphan}).status_code == 200, "what a dead one kept is still there"


def test_the_job_of_a_killed_process_is_not_waited_for_for_ever(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another replica tells that it was lost, and takes it when it is asked again."""
    monkeypatch.setattr("service.jobs.LOST_S", 1.0)
    photo, garment = some(1), some(2)
    settings = Settings(redis_url=redis_url, secret=SECRET)
    with serving(FakeEngine(), settings) as there, httpx.Client(base_url=there, timeout=20) as other:
        with running("FakeEngine(delay_s=60)", REDIS_URL=redis_url) as (here, process):
            taken = httpx.post(f"{here}/v1/try-ons", files=form(photo, garment), headers={"Prefer": "respond-async"})
            assert taken.status_code == 202
            where = taken.headers["location"]
            assert other.get(where).json()["status"] in ("queued", "processing")
            process.kill()
            process.wait()
        deadline = time.monotonic() + 10
        while (job := other.get(where).json())["status"] != "failed":
            assert time.monotonic() < deadline, job
            time.sleep(0.1)
        assert "lost" in job["problem"]["detail"]
        assert post(other, form(photo, garment)).status_code == 200, "what the dead one began holds nobody up"
