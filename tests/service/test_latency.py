"""What HTTP costs: the service as it is started, with the real engine, against the time of the engine itself."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import httpx
import numpy as np
import pytest

from models.images import decode, encode
from models.resizing import resize_picture
from models.samples import packshot, sample_people
from tests.service.test_photos import keep
from tests.service.test_processes import running

CLIENT = """
import json, sys, time, httpx
rounds, orders = [], json.loads(sys.argv[2])
with httpx.Client(base_url=sys.argv[1], timeout=60) as client:
    for _ in range(12):
        kept, alive = [], []
        for k in range(40):
            begin = time.perf_counter()
            answer = client.post("/v1/try-ons", json=orders[k % len(orders)], headers={"Accept": "image/jpeg"})
            middle = time.perf_counter()
            assert client.get("/health/live").status_code == 200
            alive.append(1000 * (time.perf_counter() - middle))
            kept.append(1000 * (middle - begin))
            assert answer.status_code == 200 and "hit" in answer.headers["cache-status"], answer.headers
        rounds.append((sorted(kept)[37], sorted(alive)[37]))
print(json.dumps(rounds))
"""
"""Twelve rounds: the p95 of a kept result and, in turns with it, of the cheapest answer there is, ms. In a process of its own, for
what other tests have left in this one is not the service's either."""
ALIVE_MS = 1.5
"""The cheapest answer's p95 on a quiet machine: as much longer as it takes, so much slower the machine is at that moment."""
SIZE = (768, 1024)
LARGE = (2048, 1536)


@dataclass(frozen=True, slots=True)
class Shop:
    """A service that knows photos and garments, and the try-ons of them; none was made yet."""

    client: httpx.Client
    process: subprocess.Popen[bytes]
    wishes: list[dict[str, str]]
    heavy: list[dict[str, str]]
    """Of photos four times as large: long enough for a queue to form, whatever else the machine does for a moment."""


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with running(engine="Engine()", REQUEST_TIMEOUT_S="60") as (address, process), httpx.Client(base_url=address, timeout=60) as client:
        people = [person.picture for person in sample_people()[:2]]
        photos = [keep(client, encode(picture, "jpeg")).json()["id"] for picture in people]
        large = [keep(client, encode(resize_picture(picture, LARGE), "jpeg")).json()["id"] for picture in people]
        garments = []
        for name in ("print-tee", "polo", "v-neck", "breton", "tank", "gingham"):
            picture = encode(packshot(name, SIZE).picture, "jpeg")
            answer = client.post("/v1/garments", files={"picture": (name, picture)}, data={"name": name, "category": "upper"})
            assert answer.status_code == 201, answer.text
            garments.append(answer.json()["id"])
        tucks = ("auto", "in", "out")
        light, heavy = ([{"photo_id": p, "garment_id": g, "tuck": t} for p, g, t in product(of, garments, tucks)] for of in (photos, large))
        yield Shop(client, process, light, heavy)


def send(client: httpx.Client, wish: dict[str, str], format_: str = "jpeg", patience_s: float = 60) -> tuple[float, httpx.Response]:
    """Milliseconds until the answer was there, and the answer."""
    order = {"photo_id": wish["photo_id"], "garment_ids": [wish["garment_id"]], "tuck": wish["tuck"], "format": format_}
    headers = {"Accept": f"image/{format_}", "Request-Timeout": f"{patience_s:.3f}"}
    begin = time.perf_counter()
    answer = client.post("/v1/try-ons", json=order, headers=headers)
    return (time.perf_counter() - begin) * 1000, answer


def dress(client: httpx.Client, wish: dict[str, str]) -> tuple[float, httpx.Response]:
    took, answer = send(client, wish)
    assert answer.status_code == 200, answer.text
    return took, answer


def stages(answer: httpx.Response) -> dict[str, float]:
    """Milliseconds by stage, of the Server-Timing header."""
    parts = (part.split(";dur=") for part in answer.headers["server-timing"].split(", "))
    return {name: float(ms) for name, ms in parts}


def test_a_warm_try_on_costs_little_more_than_its_core(shop: Shop) -> None:
    client, wishes = shop.client, shop.wishes
    ratios = []
    for wish in wishes:
        took, answer = dress(client, wish)
        spent = stages(answer)
        assert "read_person" not in spent
        assert "read_garment" not in spent
        ratios.append(took / (spent["try_on"] + spent["encode"]))
    assert statistics.median(ratios) < 1.5, ratios


def test_a_kept_result_is_there_at_once(shop: Shop) -> None:
    client, wishes = shop.client, shop.wishes
    for wish in wishes:
        dress(client, wish)
    orders = [{"photo_id": w["photo_id"], "garment_ids": [w["garment_id"]], "tuck": w["tuck"]} for w in wishes]
    command = [sys.executable, "-c", CLIENT, str(client.base_url), json.dumps(orders)]
    rounds = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert min(kept_ms / max(1.0, alive_ms / ALIVE_MS) for kept_ms, alive_ms in rounds) < 5, rounds  # other work on the machine is not its
    assert min(kept_ms - alive_ms for kept_ms, alive_ms in rounds) < 4, rounds


def resident_mb(process: subprocess.Popen[bytes]) -> float:
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * 4096 / 1e6


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
def test_at_three_times_what_it_can_every_answer_is_right_or_a_fast_refusal(shop: Shop) -> None:
    """Requests arrive three times as fast as they can be drawn, whether or not the ones before were answered."""
    drawn_s = []
    for wish in shop.heavy[::9]:  # each photo's plate is made once, too
        took, answer = send(shop.client, wish)
        took, answer = send(shop.client, wish | {"tuck": "out"})
        assert answer.status_code == 200
        drawn_s.append(took / 1000)
    wishes = [wish for wish in shop.heavy if wish["tuck"] == "in"] + [wish for wish in shop.heavy if wish["tuck"] == "out"]
    every_s, patience_s = statistics.median(drawn_s) / 3, 6 * statistics.median(drawn_s)
    before_mb = resident_mb(shop.process)
    started = time.perf_counter()

    def arrive(k: int) -> tuple[float, httpx.Response]:
        time.sleep(max(0.0, started + k * every_s - time.perf_counter()))
        return send(shop.client, wishes[k], patience_s=patience_s)

    with ThreadPoolExecutor(len(wishes)) as pool:
        answers = list(pool.map(arrive, range(len(wishes))))
    statuses = [answer.status_code for _, answer in answers]
    assert {200, 503} >= set(statuses), statuses
    assert min(statuses.count(200), statuses.count(503)) > 3, statuses
    for wish, (took, answer) in zip(wishes, answers, strict=True):
        assert took < 1000 * patience_s + 500
        if answer.status_code == 503:
            assert int(answer.headers["retry-after"]) >= 1
            continue
        shown, right = (decode(data).picture.astype(float) for data in (answer.content, send(shop.client, wish, "png")[1].content))
        assert np.abs(shown - right).mean() < 4, "the JPEG of the right picture"
    at_once = [took for took, answer in answers if answer.status_code == 503 and took < 500 * patience_s]
    assert len(at_once) > 3
    assert statistics.median(at_once) < 100, "refused before any work is done"
    assert resident_mb(shop.process) < before_mb + 300
