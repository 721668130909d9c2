"""A load test of the service as it is started, with the real engine: shoppers at a stated rate, by locust."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from itertools import product
from pathlib import Path

import httpx

from benchmarks.measure import nearest_rank
from models.images import encode
from models.samples import packshot, sample_people
from tests.service.test_photos import keep
from tests.service.test_processes import running

SHOPPERS, SHARE = 6, 0.3
"""Each orders once a second: six warm try-ons a second, on a slow machine three tenths of what one shopper gets alone, but two."""
ALONE_S, LOAD_S = 2.5, 4.0
RATIO_MOST = 5.0
"""The p95 at that rate to the p95 of one shopper alone."""
ATTEMPTS = 3
"""The best counts: what else the machine does may fall on one half of a run."""
LOCUSTFILE = Path(__file__).parents[2] / "benchmarks" / "locustfile.py"


def run_locust(address: str, orders: Path) -> dict[str, float]:
    """The p95 of each phase, ms. Fails unless every order was drawn."""
    command = [sys.executable, "-m", "locust", "--headless", "--json", "-f", str(LOCUSTFILE), "--host", address, "--orders", str(orders)]
    command += ["--shoppers", str(SHOPPERS), "--share", str(SHARE), "--alone-s", str(ALONE_S), "--load-s", str(LOAD_S)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    phases = {phase["name"]: phase for phase in json.loads(done.stdout)}
    assert set(phases) == {"alone", "load"}
    assert phases["load"]["num_requests"] >= LOAD_S
    assert [phase["num_failures"] for phase in phases.values()] == [0, 0], done.stderr[-2000:]
    counted = {name: Counter({float(ms): n for ms, n in phase["response_times"].items()}) for name, phase in phases.items()}
    return {name: nearest_rank(list(times.elements()), 0.95) for name, times in counted.items()}


def test_at_a_modest_rate_nothing_fails_and_nobody_waits_much_longer_than_alone(tmp_path: Path) -> None:
    # kept for a moment only: the same order is drawn anew when it comes round again
    with running(engine="Engine()", RESULT_TTL_S="0.05") as (address, _), httpx.Client(base_url=address, timeout=60) as client:
        photos = [keep(client, encode(person.picture, "jpeg")).json()["id"] for person in sample_people()[:2]]
        garments = []
        for name in ("print-tee", "polo"):
            picture = encode(packshot(name, (768, 1024)).picture, "jpeg")
            kept = client.post("/v1/garments", files={"picture": (name, picture)}, data={"name": name, "category": "upper"})
            garments.append(kept.json()["id"])
        orders = [{"photo_id": p, "garment_ids": [g], "tuck": t} for t, g, p in product(("auto", "in", "out"), garments, photos)]
        for order in orders:
            client.post("/v1/try-ons", json=order).raise_for_status()
        (tmp_path / "orders.json").write_text(json.dumps(orders))
        ratios: list[float] = []
        while len(ratios) < ATTEMPTS and not (ratios and ratios[-1] < RATIO_MOST):
            p95_ms = run_locust(address, tmp_path / "orders.json")
            ratios.append(p95_ms["load"] / p95_ms["alone"])
    print(f"p95 at load to p95 alone: {[round(ratio, 2) for ratio in ratios]}")
    assert min(ratios) < RATIO_MOST, ratios
