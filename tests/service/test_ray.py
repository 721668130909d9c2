"""The service as replicas of Ray Serve on this machine: its promises hold, full queues are told, and a replica may die under load."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import secrets
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from service.readiness import Readiness
from service.secrets import Secrets, new_secret, read_secret
from service.settings import Settings
from tests.service.servers import free_port
from tests.service.test_garments import some
from tests.service.test_photos import by_id, keep, unique, wait_until
from tests.service.test_try_ons import form, post

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed: pip install 'muslin[ray]'"),
    pytest.mark.timeout(600),  # starting Ray takes long on a busy machine
]
ROOT = Path(__file__).parents[2]
START_S = 120
RAY = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}


@pytest.fixture(scope="module")
def door(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port, folder = free_port(), tmp_path_factory.mktemp("ray")
    given = {"REDIS_URL": redis_url, "SECRET": new_secret(), "DATA_DIR": str(folder), "ACCESS": "open", "DRAIN_S": "0"}
    environment = os.environ | RAY | {f"MUSLIN_{name}": value for name, value in given.items()} | {"PYTHONPATH": str(ROOT)}
    with (folder / "log").open("wb") as log:
        command = [sys.executable, "-m", "tests.service.ray_cluster", str(port)]
        process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
    try:
        deadline = time.monotonic() + START_S
        while True:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"http://127.0.0.1:{port}/health/ready", timeout=20).status_code == 200:
                    break
            assert process.poll() is None, (folder / "log").read_text()[-3000:]
            assert time.monotonic() < deadline, (folder / "log").read_text()[-3000:]
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # Ray's own processes are of the same session
        process.wait()


def test_what_the_door_does_with_a_lost_replica_a_full_queue_and_too_much(tmp_path: Path) -> None:
    """Without Ray around it: `asked` are the requests that some replica got, `outcomes` what comes of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's own, when it is imported
        from ray.exceptions import RayActorError
        from ray.serve.exceptions import BackPressureError

        from deploy.ray.carried import ANSWER, REQUEST, Answer, Request, seal, unseal
        from deploy.ray.door import Door
    settings = Settings(secret=new_secret(), data_dir=str(tmp_path), max_request_mb=1)
    sealer = Secrets(read_secret(settings.secret, tmp_path))
    right = seal(sealer, ANSWER, Answer(200, [(b"content-type", b"text/plain")], b"drawn"))
    asked: list[Request] = []
    outcomes: list[bytes | Exception] = []

    async def ask(sealed: bytes) -> bytes:
        assert b"a photo" not in sealed
        asked.append(unseal(sealer, REQUEST, sealed, Request))
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def main() -> None:
        readiness = Readiness()
        transport = httpx.ASGITransport(app=Door(ask, settings, readiness))
        async with httpx.AsyncClient(transport=transport, base_url="http://door") as client:
            outcomes[:] = [RayActorError(), right]
            repeated = await client.post("/v1/try-ons", content=b"a photo", headers={"Idempotency-Key": "k"})
            assert (repeated.status_code, repeated.content) == (200, b"drawn")
            assert [request.body for request in asked] == [b"a photo"] * 2
            assert [b"idempotency-key" in dict(request.headers) for request in asked] == [True, False]

            for lost in (
                client.post("/v1/photos", content=b"a photo"),
                client.delete("/v1/photos/ph_1"),
                client.post("/v1/try-ons", content=b"a photo", headers={"Prefer": "respond-async"}),
            ):
                asked.clear()
                outcomes[:] = [RayActorError()]
                refused = await lost
                assert (refused.status_code, refused.json()["type"], len(asked)) == (503, "/problems/overloaded", 1)
                assert int(refused.headers["retry-after"]) >= 1

            outcomes[:] = [BackPressureError(9, 8)]
            assert (await client.get("/v1/consent")).json()["type"] == "/problems/overloaded"
            outcomes[:] = [ValueError("a photo")]
            broken = await client.get("/v1/consent")
            assert (broken.status_code, "a photo" in broken.text) == (500, False)

            asked.clear()
            assert (await client.post("/v1/try-ons", content=bytes(1_000_001))).status_code == 413
            assert (await client.post("/v1/try-ons", headers={"Request-Timeout": "soon"})).status_code == 400
            readiness.draining = True
            assert (await client.get("/health/ready")).json() == {"status": "draining"}
            assert (await client.get("/health/live")).status_code == 200
            assert not asked

    asyncio.run(main())


def replicas(client: httpx.Client, tries: int = 20) -> set[int]:
    """Process ids of those that answer."""
    answers = [client.get("/health/ready").json() for _ in range(tries)]
    return {int(answer["device"].removeprefix("process ")) for answer in answers if "device" in answer}


def test_what_one_replica_keeps_the_other_has_and_deletes(door: str) -> None:
    with httpx.Client(base_url=door, timeout=30) as client:
        assert len(replicas(client)) == 2
        kept = keep(client, unique())
        assert kept.status_code == 201
        photo_id = kept.json()["id"]
        made = [post(client, by_id(photo_id, some(seed))) for seed in range(6)]
        assert [answer.status_code for answer in made] == [200] * 6
        assert client.get(made[0].headers["content-location"]).content == made[0].content
        assert "hit" in post(client, by_id(photo_id, some(0))).headers["cache-status"]
        assert client.delete(f"/v1/photos/{photo_id}").status_code == 200
        gone = [post(client, by_id(photo_id, some(seed))) for seed in range(6)]
        assert {answer.status_code for answer in gone} == {404}
        assert {client.get(answer.headers["content-location"]).status_code for answer in made} == {404}
        assert client.get("/nowhere").json()["type"] == "/problems/not-found"


def test_full_queues_are_told_as_overload(door: str) -> None:
    garment = some(1)
    with httpx.Client(base_url=door, timeout=60) as client, ThreadPoolExecutor(40) as pool:
        answers: list[httpx.Response] = []
        for first in (100, 200, 300):  # a machine that sends more slowly than is drawn fills no queue at the first go
            answers += pool.map(lambda seed: post(client, form(some(seed), garment)), range(first, first + 40))
            if 503 in {answer.status_code for answer in answers}:
                break
    assert {answer.status_code for answer in answers} == {200, 503}
    for answer in answers:
        if answer.status_code == 503:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["type"] == "/problems/overloaded"
            assert int(answer.headers["retry-after"]) >= 1


def test_a_replica_that_dies_under_load_fails_nobody(door: str) -> None:
    garment, statuses = some(1), list[int]()
    with httpx.Client(base_url=door, timeout=60) as client, ThreadPoolExecutor(4) as pool:
        before = replicas(client)

        def load(first: int) -> None:
            for k in range(16):
                statuses.append(post(client, form(some(first + k), garment)).status_code)

        loads = [pool.submit(load, 1000 * n) for n in range(1, 5)]
        wait_until(lambda: len(statuses) >= 4)
        assert not any(done.done() for done in loads)
        os.kill(min(before), signal.SIGKILL)
        for done in loads:
            done.result()
        assert statuses == [200] * 64
        assert min(before) not in replicas(client)
