"""How time and memory grow: with pixels, with what is drawn at a time, with the garments of an outfit, and with clients that ask at once.

    python -m benchmarks.growth [--quick] [--json FILE] [--plot FILE]

The first three are the warm core's, on one thread: times are least of several rounds, memory is the most that the process held meanwhile
over what it held before. The last is the service's, over HTTP, in a process of its own: every client asks again as soon as it has its
answer (a closed loop: `service_load` is the one whose orders arrive whether or not others were answered). Prints a table and ends with one
line of JSON. See README.md.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Final

import httpx
import msgspec
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.figures import BAD, GOOD, INK, figure, save
from benchmarks.measure import Machine, PeakMemory, Stopwatch, command, nearest_rank, resident_mb, tell
from benchmarks.pairs import at_size, photos
from benchmarks.service_load import Replica, serving
from models.drape.cut import Garment
from models.engine import VERSION, Engine, Person
from models.images import encode
from models.interface import Fitting
from models.samples import packshot
from models.samples.person import sample_person
from models.types import Tuck
from service.memory import give_back
from service.settings import Settings

SIZE: Final = (768, 1024)
SIZES: Final = ((192, 256), (384, 512), (576, 768), (768, 1024), (960, 1280), (1152, 1536), (1536, 2048), (2304, 3072), (3000, 4000))
"""(width, height) px. From 1,536 px on photos are dressed reduced and composed at their own size."""
BATCHES: Final = (1, 2, 4, 8, 16, 32, 64)
OUTFIT: Final = ("chinos", "tank", "gingham", "turtleneck")
"""Inner to outer; the first one, two, three and four of them are drawn."""
CLIENTS: Final = (1, 2, 4, 8, 16, 32)
ROUNDS: Final = 8
ASKED: Final = 30
"""Orders of every client..."""
ASKED_LEAST: Final = 120
"""... but so many of all together at least."""
FORGOTTEN_S: Final = "0.05"
"""Results are kept for so long only: an order that comes round again is drawn anew."""


class Point(msgspec.Struct, frozen=True):
    """One place of a curve of the engine's."""

    at: float
    """Megapixels, try-ons at a time, or garments."""
    ms: float
    """By the clock, the least of the rounds."""
    cpu_ms: float
    memory_mb: float
    """The most held while drawing, over what was held before."""


class Load(msgspec.Struct, frozen=True):
    """So many clients that ask at once."""

    clients: int
    p50_ms: float
    p95_ms: float
    per_second: float
    errors: int
    memory_mb: float
    """The most that the server held meanwhile, its loaded programs included."""


class Report(msgspec.Struct, frozen=True):
    engine: str
    machine: Machine
    pixels: list[Point]
    batch: list[Point]
    garments: list[Point]
    clients: list[Load]


def _point(at: float, call: Callable[[], object], rounds: int) -> Point:
    call()
    give_back()
    memory, before, watch = PeakMemory(), resident_mb(), Stopwatch()
    for _ in range(rounds):
        watch(call)
    return Point(round(at, 3), round(min(watch.wall_ms), 3), round(min(watch.cpu_ms), 3), round(max(0.0, memory.lap() - before), 1))


def _worn(engine: Engine, names: Sequence[str], size: tuple[int, int]) -> tuple[Garment, ...]:
    return tuple(engine.read_garment(shot.picture, shot.category) for shot in (packshot(name, size) for name in names))


def _wearer(engine: Engine, size: tuple[int, int]) -> Person:
    return engine.read_person(at_size(sample_person("woman").picture, size))


def by_pixels(engine: Engine, sizes: Sequence[tuple[int, int]], rounds: int) -> list[Point]:
    """The garment's picture keeps its size; the photo grows."""
    shirt = _worn(engine, OUTFIT[2:3], SIZE)
    found = []
    for width, height in sizes:
        fitting = Fitting(_wearer(engine, (width, height)), shirt)
        found.append(_point(width * height / 1e6, partial(engine.try_on, [fitting]), rounds))
    return found


def by_batch(engine: Engine, batches: Sequence[int], rounds: int) -> list[Point]:
    fitting = Fitting(_wearer(engine, SIZE), _worn(engine, OUTFIT[2:3], SIZE))
    return [_point(n, partial(engine.try_on, [fitting] * n), max(3, rounds // n)) for n in batches]


def by_garments(engine: Engine, rounds: int) -> list[Point]:
    person, garments = _wearer(engine, SIZE), _worn(engine, OUTFIT, SIZE)
    return [_point(n, partial(engine.try_on, [Fitting(person, garments[:n], Tuck.OUT)]), rounds) for n in range(1, len(garments) + 1)]


def orders(client: httpx.Client, garments: Sequence[str]) -> list[dict[str, object]]:
    """What may be asked for; all of it was drawn once: photos are read, garments too, plates made."""
    consent = {"consent": Settings().consent_version}
    people = [client.post("/v1/photos", files={"photo": encode(picture, "jpeg")}, data=consent) for _, picture in photos(SIZE)]
    clothes = []
    for name in garments:
        shot = packshot(name, SIZE)
        form = {"name": name, "category": shot.category.value}
        clothes.append(client.post("/v1/garments", files={"picture": encode(shot.picture, "jpeg")}, data=form))
    known = [[answer.raise_for_status().json()["id"] for answer in answers] for answers in (people, clothes)]
    made: list[dict[str, object]] = [
        {"photo_id": person, "garment_ids": [garment], "tuck": tuck.value} for tuck, garment, person in product(Tuck, known[1], known[0])
    ]
    for order in made[: len(made) // len(Tuck)]:
        client.post("/v1/try-ons", json=order, headers={"Accept": "image/jpeg"}).raise_for_status()
    return made


def load(server: Replica, made: Sequence[dict[str, object]], clients: int, each: int) -> Load:
    """Every client asks `each` times, for something else than the others ask for at that moment."""
    took: list[float] = []
    wrong: list[int] = []
    together = threading.Barrier(clients + 1)

    def ask(number: int) -> None:
        with httpx.Client(base_url=server.address, timeout=60) as client:
            together.wait()
            for k in range(each):
                begin = time.perf_counter()
                order = made[(number + k * clients) % len(made)]
                answer = client.post("/v1/try-ons", json=order, headers={"Accept": "image/jpeg"})
                if answer.status_code == 200 and answer.headers["content-type"] == "image/jpeg":
                    took.append(1000 * (time.perf_counter() - begin))
                else:
                    wrong.append(answer.status_code)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(clients)]
    memory = PeakMemory(server.process.pid)
    for thread in threads:
        thread.start()
    together.wait()
    begin = time.perf_counter()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - begin
    if not took:
        raise RuntimeError(f"nothing was drawn, the answers were {sorted(set(wrong))}")
    p50, p95 = (round(nearest_rank(took, share), 1) for share in (0.5, 0.95))
    return Load(clients, p50, p95, round(len(took) / seconds, 2), len(wrong), memory.lap())


def by_clients(counts: Sequence[int], asked: int, least: int, garments: Sequence[str]) -> list[Load]:
    with serving(1, None, RESULT_TTL_S=FORGOTTEN_S) as (server,), httpx.Client(base_url=server.address, timeout=60) as client:
        made = orders(client, garments)
        load(server, made, 2, 4)
        return [load(server, made, clients, max(asked, -(-least // clients))) for clients in counts]


def measure(quick: bool) -> Report:
    engine, rounds = Engine(), 3 if quick else ROUNDS
    engine.warm_up()
    machine = Machine.here("cpu")
    clients = by_clients(CLIENTS[:3] if quick else CLIENTS, 6 if quick else ASKED, 12 if quick else ASKED_LEAST, OUTFIT)
    return Report(
        engine=VERSION,
        machine=machine,
        pixels=by_pixels(engine, SIZES[1:4] if quick else SIZES, rounds),
        batch=by_batch(engine, BATCHES[:3] if quick else BATCHES, rounds),
        garments=by_garments(engine, rounds),
        clients=clients,
    )


def _two(axes: Axes, at: Sequence[float], times: Sequence[tuple[str, str, Sequence[float]]], memory: Sequence[float], below: str) -> None:
    """Times on the left, memory on the right."""
    right = axes.twinx()
    right.spines["top"].set_visible(False)
    right.plot(at, memory, "s:", color=INK, label="memory", markersize=4)
    right.set_ylabel("MB")
    right.set_ylim(0, 1.15 * max([1.0, *memory]))
    right.tick_params(labelsize=8)
    for name, colour, values in times:
        axes.plot(at, values, "o-", color=colour, label=name, markersize=4)
    axes.set_ylabel("ms")
    axes.set_ylim(bottom=0)
    axes.set_xlabel(below)
    axes.legend(
        [*axes.get_lines(), *right.get_lines()], [str(line.get_label()) for line in (*axes.get_lines(), *right.get_lines())], fontsize=8
    )


def plot(report: Report) -> Figure:
    machine = report.machine
    made, (pixels, batch, garments, clients) = figure(
        2, 2, f"How it grows: engine {report.engine}; {machine.processor}, {machine.cores} cores, load {machine.load:g}"
    )
    for axes, title, points, below in (
        (pixels, "Pixels of the photo", report.pixels, "megapixels"),
        (batch, "Drawn at a time", report.batch, "try-ons in a batch"),
        (garments, "Garments in an outfit", report.garments, "garments"),
    ):
        axes.set_title(title, fontsize=10)
        times = [("by the clock", GOOD, [p.ms for p in points]), ("processor time", BAD, [p.cpu_ms for p in points])]
        _two(axes, [p.at for p in points], times, [p.memory_mb for p in points], below)
    garments.set_xticks([p.at for p in report.garments])
    clients.set_title("Clients that ask at once, over HTTP", fontsize=10)
    times = [("p50", GOOD, [one.p50_ms for one in report.clients]), ("p95", BAD, [one.p95_ms for one in report.clients])]
    _two(clients, [one.clients for one in report.clients], times, [one.memory_mb for one in report.clients], "clients")
    for one in report.clients:
        clients.annotate(
            f"{one.per_second:.0f}/s", (one.clients, one.p50_ms), (0, -12), textcoords="offset points", fontsize=7, ha="center"
        )
    return made


def show(report: Report) -> None:
    for name, points in (("megapixels", report.pixels), ("in a batch", report.batch), ("garments", report.garments)):
        print(f"{name:>12}{'ms':>10}{'CPU ms':>10}{'MB':>8}")
        for p in points:
            print(f"{p.at:12g}{p.ms:10.1f}{p.cpu_ms:10.1f}{p.memory_mb:8.0f}")
        slope = np.polyfit([p.at for p in points], [p.cpu_ms for p in points], 1)
        print(f"{'':12}about {slope[1]:.1f} ms and {slope[0]:.1f} ms each")
    print(f"{'clients':>12}{'p50':>10}{'p95':>10}{'a second':>10}{'errors':>8}{'MB':>8}")
    for one in report.clients:
        print(f"{one.clients:12}{one.p50_ms:10.1f}{one.p95_ms:10.1f}{one.per_second:10.1f}{one.errors:8}{one.memory_mb:8.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few points, few rounds")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    report = measure(options.quick)
    show(report)
    if options.plot:
        save(plot(report), options.plot)
    tell(report, options.json)


if __name__ == "__main__":
    command(main)
