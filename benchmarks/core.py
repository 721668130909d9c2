"""Times the engine's three calls on our own samples: a person read, a garment read, a warm try-on.

The warm try-on is what a shopper waits for after the first garment: it starts with a read person and garment and ends
with the finished uint8 picture on the host. Each call is warmed up, then timed alone (a synchronous CPU call, or with the
device synchronised by the copy back to the host). Prints a table, ends with one line of JSON.

    python -m benchmarks.core [--repeats 20] [--threads 1] [--device cpu] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from models.engine import Engine
from models.interface import Fitting
from models.samples import packshot, sample_people
from models.types import Category

SIZE = (768, 1024)


def timed(call: Callable[[], object], repeats: int) -> dict[str, float]:
    """Median, 95th percentile and least wall time, and the median CPU time of all threads, ms."""
    wall, cpu = [], []
    for _ in range(2):
        call()
    for _ in range(repeats):
        wall_start, cpu_start = time.perf_counter(), time.process_time()
        call()
        wall.append((time.perf_counter() - wall_start) * 1000)
        cpu.append((time.process_time() - cpu_start) * 1000)
    ordered = sorted(wall)
    return {
        "p50_ms": round(statistics.median(wall), 2),
        "p95_ms": round(ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))], 2),
        "min_ms": round(ordered[0], 2),
        "cpu_ms": round(statistics.median(cpu), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    engine = Engine(device=options.device, threads=options.threads)
    photo, shirt = sample_people()[0].picture, packshot("print-tee", SIZE).picture
    person, garment = engine.read_person(photo), engine.read_garment(shirt, Category.UPPER)
    results = {
        "read_person": timed(lambda: engine.read_person(photo), options.repeats),
        "read_garment": timed(lambda: engine.read_garment(shirt, Category.UPPER), options.repeats),
        "try_on_warm": timed(lambda: engine.try_on([Fitting(person, (garment,))]), options.repeats),
    }
    print(f"{'call':14}{'p50':>10}{'p95':>10}{'min':>10}{'CPU':>10}   ms")
    for name, row in results.items():
        print(f"{name:14}" + "".join(f"{row[k]:10.1f}" for k in ("p50_ms", "p95_ms", "min_ms", "cpu_ms")))
    report = {
        "photo": list(photo.shape[:2]),
        "garment": list(shirt.shape[:2]),
        "machine": {"cpu": platform.processor() or platform.machine(), "cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1)},
        "torch": torch.__version__,
        "device": options.device,
        "threads": options.threads,
        "repeats": options.repeats,
        "results": results,
    }
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
