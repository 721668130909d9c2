"""Times the engine: the warm core and each of its stages, the readings before it, and a first try-on from file to file.

The warm core starts with a read person and a read garment and ends with the finished uint8 picture on the host; none of the pairs was drawn
before in the process. It is timed in turn with the floor (`yardsticks`), so that what else the machine does falls on both. See README.md.

    python -m benchmarks.core [--quick] [--device cpu] [--json FILE]

Prints a table and ends with one line of JSON.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
import torch

from benchmarks.measure import Machine, Spread, Stopwatch, peak_memory_mb, timed
from benchmarks.pairs import Pair, pairs, photos
from benchmarks.yardsticks import NETWORK_SIZES, floor, network, phone_photo
from models.engine import VERSION, Engine
from models.images import decode, encode
from models.interface import Fitting
from models.samples import packshot
from models.types import Category

SIZE: Final = (768, 1024)
OTHER_SIZES: Final = ((512, 683), (1152, 1536))
"""(width, height) px of photos and garments."""
BATCHES: Final = (1, 2, 4, 8, 16, 32, 64)
QUICK_BATCHES: Final = (1, 8)
RESULTS: Final = Path(__file__).parent / "results"


class Warm(msgspec.Struct, frozen=True):
    """The warm core at one size, one by one."""

    width: int
    height: int
    threads: int
    core: Spread
    stages_ms: dict[str, float]
    """Medians by the clock."""
    floor: Spread
    ratio: float
    """Medians of processor time: the core's over the floor's."""
    per_second: float


class Batch(msgspec.Struct, frozen=True):
    size: int
    per_second: float
    ms_each: float


class Report(msgspec.Struct, frozen=True):
    engine: str
    machine: Machine
    warm: list[Warm]
    """The first one counts: one thread at 768 × 1024."""
    batches: list[Batch]
    read_person: Spread
    read_garment: Spread
    cold: Spread
    """A 12-megapixel JPEG of a photo to a JPEG of the result, the garment being known."""
    networks: dict[str, Spread]
    """lraspp_mobilenet_v3_large with random weights, by its picture's size."""
    start_s: float
    """Until the first picture: loading, compiling or finding what was compiled."""
    peak_memory_mb: float


def warm(engine: Engine, size: tuple[int, int], threads: int, device: str, fresh: list[Pair]) -> Warm:
    core, ground, call = Stopwatch(device), Stopwatch(), floor(size)
    stages: defaultdict[str, list[float]] = defaultdict(list)
    for _ in range(3):
        call()
    for pair in fresh:
        results = core(partial(engine.try_on, [pair.fitting]))
        ground(call)
        for stage, ms in results[0].timings_ms.items():
            stages[stage].append(ms)
    spread, below = core.spread(), ground.spread()
    return Warm(
        width=size[0],
        height=size[1],
        threads=threads,
        core=spread,
        stages_ms={stage: round(statistics.median(ms), 3) for stage, ms in stages.items()},
        floor=below,
        ratio=round(spread.cpu_ms / below.cpu_ms, 2),
        per_second=round(1000 / statistics.mean(core.wall_ms), 2),
    )


def batched(engine: Engine, fresh: list[Pair], sizes: tuple[int, ...], device: str) -> list[Batch]:
    """Throughput by how many are drawn at once. Batches hold each pair as often as they must."""
    found = []
    for size in sizes:
        fittings = [fresh[k % len(fresh)].fitting for k in range(max(size, 8))]
        watch = Stopwatch(device)
        for begin in range(0, len(fittings), size):
            watch(partial(engine.try_on, fittings[begin : begin + size]))
        total_ms = sum(watch.wall_ms)
        found.append(Batch(size, round(1000 * len(fittings) / total_ms, 2), round(total_ms / len(fittings), 3)))
    return found


def cold(engine: Engine, repeats: int) -> Spread:
    files = [phone_photo(picture) for _, picture in photos(SIZE)]
    shirt = engine.read_garment(packshot("print-tee", SIZE).picture, Category.UPPER)
    watch = Stopwatch()

    def call(file: bytes) -> object:
        person = engine.read_person(decode(file).picture)
        return encode(engine.try_on([Fitting(person, (shirt,))])[0].picture, "jpeg")

    call(files[0])
    for k in range(repeats):
        watch(partial(call, files[k % len(files)]))
    return watch.spread()


def measure(device: str, quick: bool) -> Report:
    begin = time.perf_counter()
    engine = Engine(device=device)
    engine.warm_up()
    start_s = time.perf_counter() - begin
    machine = Machine.here(device)
    fresh = pairs(engine, SIZE)
    found = [warm(engine, SIZE, 1, device, fresh)]
    by_batch = batched(engine, fresh, QUICK_BATCHES if quick else BATCHES, device)
    repeats = 4 if quick else 12
    photo, shirt = next(photos(SIZE))[1], packshot("polo", SIZE).picture
    people = timed(lambda: engine.read_person(photo), repeats, 1, device)
    garments = timed(lambda: engine.read_garment(shirt, Category.UPPER), repeats, 1, device)
    first = cold(engine, repeats)
    networks = {f"{w}x{h}": timed(network((w, h), device), repeats, 1, device) for w, h in NETWORK_SIZES}
    if not quick:
        found += [warm(engine, size, 1, device, pairs(engine, size)) for size in OTHER_SIZES]
        if device == "cpu":
            torch.set_num_threads(2)
            two = Engine(device=device, threads=2)
            found.append(warm(two, SIZE, 2, device, pairs(two, SIZE)))
            torch.set_num_threads(1)
    return Report(VERSION, machine, found, by_batch, people, garments, first, networks, round(start_s, 2), peak_memory_mb())


def show(report: Report) -> None:
    def row(name: str, spread: Spread) -> None:
        print(f"{name:34}{spread.p50_ms:9.1f}{spread.p95_ms:9.1f}{spread.p99_ms:9.1f}{spread.cpu_ms:9.1f}")

    print(f"{'milliseconds':34}{'p50':>9}{'p95':>9}{'p99':>9}{'CPU':>9}")
    for one in report.warm:
        row(f"warm core {one.width}x{one.height}, threads {one.threads}", one.core)
        row(f"  floor ({one.ratio:.1f} times)", one.floor)
        print("  " + ", ".join(f"{stage} {ms:.1f}" for stage, ms in one.stages_ms.items()))
    row("read a person", report.read_person)
    row("read a garment", report.read_garment)
    row("cold: 12-megapixel JPEG to JPEG", report.cold)
    for size, spread in report.networks.items():
        row(f"lraspp_mobilenet_v3_large {size}", spread)
    print("batches: " + ", ".join(f"{b.size}: {b.per_second:.1f}/s" for b in report.batches))
    print(f"first picture after {report.start_s:.1f} s; peak memory {report.peak_memory_mb:.0f} MB; load {report.machine.load}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one size, one thread, few repeats")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    report = measure(options.device, options.quick)
    show(report)
    line = msgspec.json.encode(report)
    msgspec.json.decode(line, type=Report)  # what is written can be read
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_bytes(msgspec.json.format(line, indent=1) + b"\n")
    print(line.decode())


if __name__ == "__main__":
    main()
