"""Times the engine: the warm core and each of its stages, the readings before it, and a first try-on from file to file.

The warm core starts with a read person and a read garment and ends with the finished uint8 picture on the host; none of the pairs was drawn
before in the process. It is timed in turn with the floor (`yardsticks`), so that what else the machine does falls on both. All sizes, one
and two threads, batches of 1 to 64, warm and cold: some ten minutes. See README.md.

    python -m benchmarks.core [--quick] [--device cpu] [--json FILE]

Prints a table and ends with one line of JSON.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
import torch

from benchmarks import gpu
from benchmarks.measure import Machine, PeakMemory, Spread, Stopwatch, command, device, nearest_rank, tell, timed
from benchmarks.pairs import Pair, pairs, photos
from benchmarks.yardsticks import NETWORK_SIZES, floor, network, phone_photo
from models.engine import VERSION, Engine
from models.images import decode, encode
from models.interface import Fitting
from models.samples import packshot
from models.types import Category
from service.memory import give_back

SIZE: Final = (768, 1024)
OTHER_SIZES: Final = ((512, 683), (1152, 1536))
"""(width, height) px of photos and garments."""
BATCHES: Final = (1, 2, 4, 8, 16, 32, 64)
QUICK_BATCHES: Final = (1, 8)
BATCHED_TURNS: Final = 3
BATCHED_LEAST: Final = 8
"""Pictures that are drawn at least to time a batch."""
RESULTS: Final = Path(__file__).parent / "results"


class Stage(msgspec.Struct, frozen=True):
    """One stage of the warm core, by the clock."""

    p50_ms: float
    p95_ms: float
    p99_ms: float

    @classmethod
    def of(cls, ms: Sequence[float]) -> Stage:
        return cls(*(round(nearest_rank(ms, share), 3) for share in (0.5, 0.95, 0.99)))


class Warm(msgspec.Struct, frozen=True):
    """The warm core at one size, one by one."""

    width: int
    height: int
    threads: int
    core: Spread
    stages: dict[str, Stage]
    floor: Spread
    ratio: float
    """Medians of processor time: the core's over the floor's."""
    per_second: float


class Batch(msgspec.Struct, frozen=True):
    """Try-ons drawn so many at a time."""

    width: int
    height: int
    threads: int
    size: int
    batch: Spread
    """Of whole batches."""
    per_second: float
    ms_each: float
    peak_memory_mb: float
    """The most that the process held meanwhile, with all people and garments of the benchmark."""


class Cold(msgspec.Struct, frozen=True):
    """First try-ons, from file to file, the garment being known."""

    width: int
    height: int
    threads: int
    first: Spread


class Report(msgspec.Struct, frozen=True):
    engine: str
    machine: Machine
    warm: list[Warm]
    """The first one counts: one thread at 768 × 1024."""
    colds: list[Cold]
    """JPEGs of the sizes of `warm`."""
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
    gpu: gpu.Gpu | None = None
    """On a GPU, its own budget."""


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
        stages={stage: Stage.of(ms) for stage, ms in stages.items()},
        floor=below,
        ratio=round(spread.cpu_ms / below.cpu_ms, 2),
        per_second=round(1000 / statistics.mean(core.wall_ms), 2),
    )


def batched(
    engine: Engine, size: tuple[int, int], threads: int, fresh: list[Pair], counts: tuple[int, ...], device: str, memory: PeakMemory
) -> list[Batch]:
    """Throughput by how many are drawn at once: the same pictures in every size of batch, in turns, so that what else the machine does
    falls on all of them; the median over the turns of what a picture took on average. Each pair comes as often as it must.
    """
    fittings = [fresh[k % len(fresh)].fitting for k in range(max(*counts, BATCHED_LEAST))]
    watches = {count: Stopwatch(device) for count in counts}
    turns_ms: dict[int, list[float]] = {count: [] for count in counts}
    peaks = dict.fromkeys(counts, 0.0)
    for turn in range(BATCHED_TURNS):
        for count in counts[:: 1 if turn % 2 == 0 else -1]:
            give_back()
            memory.lap()
            before = len(watches[count].wall_ms)
            for begin in range(0, len(fittings), count):
                watches[count](partial(engine.try_on, fittings[begin : begin + count]))
            turns_ms[count].append(sum(watches[count].wall_ms[before:]) / len(fittings))
            peaks[count] = max(peaks[count], memory.lap())
    found = []
    for count, watch in watches.items():
        each = statistics.median(turns_ms[count])
        found.append(Batch(*size, threads, count, watch.spread(), round(1000 / each, 2), round(each, 3), peaks[count]))
    return found


def cold(engine: Engine, files: list[bytes], repeats: int) -> Spread:
    """From files to files."""
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
    begin, memory = time.perf_counter(), PeakMemory()
    engine = Engine(device=device)
    engine.warm_up()
    start_s = time.perf_counter() - begin
    machine = Machine.here(device)
    repeats = 4 if quick else 12
    found: list[Warm] = []
    by_batch: list[Batch] = []
    colds: list[Cold] = []
    for threads in (1,) if quick or device != "cpu" else (1, 2):
        using = Engine(device=device, threads=threads)
        for size in (SIZE,) if quick else (SIZE, *OTHER_SIZES):
            fresh = pairs(using, size)
            found.append(warm(using, size, threads, device, fresh))
            by_batch += batched(using, size, threads, fresh, QUICK_BATCHES if quick else BATCHES, device, memory)
            files = [encode(picture, "jpeg") for _, picture in photos(size)]
            colds.append(Cold(*size, threads, cold(using, files, repeats)))
            print(f"{size[0]}x{size[1]}, threads {threads}: {found[-1].core.p50_ms:.1f} ms", file=sys.stderr, flush=True)
        using.close()
    engine = Engine(device=device)
    photo, shirt = next(photos(SIZE))[1], packshot("polo", SIZE).picture
    people = timed(lambda: engine.read_person(photo), repeats, 1, device)
    garments = timed(lambda: engine.read_garment(shirt, Category.UPPER), repeats, 1, device)
    first = cold(engine, [phone_photo(picture) for _, picture in photos(SIZE)], repeats)
    networks = {f"{w}x{h}": timed(network((w, h), device), repeats, 1, device) for w, h in NETWORK_SIZES}
    memory.lap()
    own = gpu.measure(engine, quick) if device.startswith("cuda") else None
    return Report(VERSION, machine, found, colds, by_batch, people, garments, first, networks, round(start_s, 2), memory.most_mb, own)


def show(report: Report) -> None:
    def row(name: str, spread: Spread) -> None:
        print(f"{name:34}{spread.p50_ms:9.1f}{spread.p95_ms:9.1f}{spread.p99_ms:9.1f}{spread.cpu_ms:9.1f}")

    print(f"{'milliseconds':34}{'p50':>9}{'p95':>9}{'p99':>9}{'CPU':>9}")
    for one in report.warm:
        row(f"warm core {one.width}x{one.height}, threads {one.threads}", one.core)
        row(f"  floor ({one.ratio:.1f} times)", one.floor)
        for stage, ms in one.stages.items():
            print(f"    {stage:30}{ms.p50_ms:9.1f}{ms.p95_ms:9.1f}{ms.p99_ms:9.1f}")
    for of in report.colds:
        row(f"cold {of.width}x{of.height}, threads {of.threads}", of.first)
    row("read a person", report.read_person)
    row("read a garment", report.read_garment)
    row("cold: 12-megapixel JPEG to JPEG", report.cold)
    for size, spread in report.networks.items():
        row(f"lraspp_mobilenet_v3_large {size}", spread)
    for b in report.batches:
        print(
            f"batch {b.size:3} of {b.width}x{b.height}, threads {b.threads}: {b.per_second:7.1f}/s, peak memory {b.peak_memory_mb:,.0f} MB"
        )
    if report.gpu is not None:
        gpu.show(report.gpu)
    print(f"first picture after {report.start_s:.1f} s; peak memory {report.peak_memory_mb:.0f} MB; load {report.machine.load}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one size, one thread, few repeats")
    parser.add_argument("--device", type=device, default="cpu")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        parser.error("torch sees no CUDA device here")
    report = measure(options.device, options.quick)
    show(report)
    tell(report, options.json)


if __name__ == "__main__":
    command(main)
