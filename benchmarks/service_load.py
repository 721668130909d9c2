"""Times the service over HTTP: the real server as a process of its own, orders that arrive at fixed rates (`arrivals`).

    python -m benchmarks.service_load [--quick] [--kinds warm,cached,cold] [--even] [--json FILE] [--plot FILE]
                                      [--replicas 2 --redis-url redis://…]

Kinds of orders, each JPEG out, 768 × 1024 but for the cold ones:
    warm     `photo_id` and a garment of the catalogue, both read before; the result is drawn anew every time
    cached   the same, of which the result is kept
    cold     a 12-megapixel JPEG that was never seen, with a garment of the catalogue
For each: latency alone (one after the other), then at growing rates until the p95 exceeds the kind's bound or anything is refused or goes
wrong, then between the last rate that held and the first that did not. Settings (MUSLIN_DEVICE, MUSLIN_THREADS, …) are those of the
environment. Prints a table and ends with one line of JSON. See README.md.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Final

import httpx
import msgspec
import numpy as np
from matplotlib.figure import Figure

from benchmarks.arrivals import Answer, Client, Latencies, alone, arrive, due_times, message
from benchmarks.core import SIZE
from benchmarks.figures import BAD, GOOD, INK, figure, save
from benchmarks.measure import Machine, at_least, command, tell
from benchmarks.pairs import WARM_UP, photos
from benchmarks.yardsticks import QUALITY, phone_photo
from models.engine import VERSION
from models.images import encode
from models.samples import packshot
from models.samples.packshots import packshot_names
from models.types import Category, Tuck
from service.secrets import new_secret

ROOT: Final = Path(__file__).parents[1]
BOUNDS_MS: Final = {"warm": 100.0, "cached": 100.0, "cold": 1000.0}
"""A rate is sustained when the p95 stays within; of cold orders, which read 12 megapixels first, a second is asked."""
CACHE_STATUS: Final = {"warm": "fwd=uri-miss", "cached": "muslin; hit", "cold": "fwd=uri-miss"}
"""What the answers of a kind say (RFC 9211); others are none of that kind, and count as errors."""
FORGOTTEN_S: Final = 0.05
"""Results of warm and cold orders are kept for so long: the same order is drawn anew when it comes round again."""
FIRST_SHARE: Final = 0.25
"""The first rate, as a share of what one client reaches that asks again at once."""
STEP: Final = 1.5
"""Each rate to the one before."""
DOWN_MOST: Final = 2
"""So often the first rate is halved when it does not hold."""
REFINEMENTS: Final = 3
"""Rates tried between the last that held and the first that did not, each at the geometric mean."""
ATTEMPTS: Final = 2
"""A rate that does not hold gets another attempt, for the machine may have been busy with something else: the better one counts."""
READY_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Effort:
    alone: dict[str, int]
    """Orders one after the other."""
    least: dict[str, int]
    """Arrivals at each rate..."""
    seconds: float
    """... but for so long at least."""


FULL: Final = Effort({"warm": 100, "cached": 200, "cold": 12}, {"warm": 100, "cached": 200, "cold": 16}, 10.0)
QUICK: Final = Effort({"warm": 24, "cached": 24, "cold": 3}, {"warm": 24, "cached": 48, "cold": 4}, 2.0)


class Step(msgspec.Struct, frozen=True):
    """Arrivals at one rate."""

    rate: float
    """A second, as asked."""
    seconds: float
    """Until all were answered."""
    answered: Latencies
    """From when an order was due, of those that got a picture."""
    refusals: int
    """503."""
    errors: int
    """Any other answer, none, or one that is not of the kind."""
    late_p99_ms: float
    """How late the generator sent: part of the latency. Where it is not small the generator is what was measured."""
    cpu_ms: float | None
    """The server's processor time for each arrival."""
    held: bool
    """No refusals, no errors, and the p95 within the bound."""


class Kind(msgspec.Struct, frozen=True):
    bound_ms: float
    alone: Latencies
    alone_ms: list[float]
    """Each of them, for `capacity`."""
    alone_device_ms: list[float]
    """Of each the drawing, which a process does one after the other; the rest goes on beside."""
    alone_cpu_ms: float | None
    steps: list[Step]
    """By rate."""
    sustained_per_s: float | None
    """The highest rate that held; None: not even the lowest that was tried."""


class Report(msgspec.Struct, frozen=True):
    engine: str
    machine: Machine
    device: str
    replicas: int
    arrivals: str
    """poisson or even."""
    width: int
    height: int
    kinds: dict[str, Kind]


@dataclass(frozen=True, slots=True)
class Replica:
    port: int
    process: subprocess.Popen[bytes]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cpu_s(self) -> float | None:
        """Processor time of all its threads so far; None where /proc does not tell."""
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def serving(replicas: int, redis_url: str | None, **settings: str) -> Iterator[list[Replica]]:
    """Processes of the service as `muslin serve` starts them, ready. They share the data folder, the secret and Redis."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as processes:
        given = {"MUSLIN_SECRET": new_secret(), "MUSLIN_DATA_DIR": folder, **{f"MUSLIN_{name}": value for name, value in settings.items()}}
        if redis_url is not None:
            given["MUSLIN_REDIS_URL"] = redis_url
        started = []
        for _ in range(replicas):
            port = _free_port()
            command = [sys.executable, "-m", "service", "serve", "--host", "127.0.0.1", "--port", str(port)]
            process = subprocess.Popen(command, env=os.environ | given, cwd=ROOT, stderr=subprocess.DEVNULL)
            processes.callback(process.wait)
            processes.callback(process.kill)
            started.append(Replica(port, process))
        for replica in started:
            _wait_for(replica)
        yield started


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(replica: Replica) -> None:
    deadline = time.monotonic() + READY_S
    while True:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{replica.address}/health/ready").status_code == 200:
                return
        if time.monotonic() > deadline or replica.process.poll() is not None:
            raise RuntimeError("The service did not get ready; `python -m service serve` says why.")
        time.sleep(0.1)


@dataclass(frozen=True, slots=True)
class Shop:
    """What the service knows: photos and garments by their ids."""

    photo_ids: list[str]
    garment_ids: list[str]

    def orders(self) -> list[bytes]:
        """All that differ, the photos in turn."""
        return [
            _order({"photo_id": photo, "garment_ids": [garment], "tuck": tuck.value})
            for tuck, garment, photo in product(Tuck, self.garment_ids, self.photo_ids)
        ]


def _order(order: object) -> bytes:
    return message("/v1/try-ons", msgspec.json.encode(order), "application/json", "image/jpeg")


def furnish(replicas: Sequence[Replica]) -> Shop:
    """Photos and garments of our samples, read; at each replica every person has worn a garment of each kind, for the plates of a person
    are part of what was read of them.
    """
    with httpx.Client(base_url=f"http://127.0.0.1:{replicas[0].port}", timeout=READY_S) as client:

        def keep(path: str, files: dict[str, bytes], fields: dict[str, str]) -> str:
            answer = client.post(path, files=files, data=fields)
            answer.raise_for_status()
            return str(answer.json()["id"])

        consent = client.get("/v1/consent").json()["version"]
        people = [keep("/v1/photos", {"photo": encode(picture, "jpeg", QUALITY)}, {"consent": consent}) for _, picture in photos(SIZE)]
        worn: list[str] = []
        rest: list[str] = []
        for name in packshot_names():
            shot = packshot(name, SIZE)
            pictures = [(name, shot.picture)]
            if shot.category is Category.DRESS:
                pictures.append(("warm-up dress", np.ascontiguousarray(shot.picture[:, ::-1])))
            for called, picture in pictures:
                fields = {"name": called, "category": shot.category.value}
                found = keep("/v1/garments", {"picture": encode(picture, "jpeg", QUALITY)}, fields)
                (worn if called in WARM_UP else rest).append(found)
    for replica in replicas:
        with httpx.Client(base_url=f"http://127.0.0.1:{replica.port}", timeout=READY_S) as client:
            for photo, garment in product(people, [*worn, *rest]):  # of the others too what is packed is unpacked once
                if garment in worn or photo == people[0]:
                    client.post("/v1/try-ons", json={"photo_id": photo, "garment_ids": [garment]}).raise_for_status()
    time.sleep(2 * FORGOTTEN_S)
    return Shop(people, rest)


def cold_orders(shop: Shop) -> Callable[[int], bytes]:
    """Order number k: a large photo that no other order has. A comment in the file is new; what has to be read is as much as ever."""
    files = [phone_photo(picture) for _, picture in photos(SIZE)]
    boundary = "muslin-benchmark"

    def order(k: int) -> bytes:
        comment = f"{k} {time.time_ns()}".encode()
        file = files[k % len(files)]
        photo = file[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + file[2:]
        garment = shop.garment_ids[k % len(shop.garment_ids)]
        parts = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="garment_id"\r\n\r\n{garment}\r\n'
            f'--{boundary}\r\nContent-Disposition: form-data; name="photo"; filename="photo.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
        )
        body = parts.encode() + photo + f"\r\n--{boundary}--\r\n".encode()
        return message("/v1/try-ons", body, f"multipart/form-data; boundary={boundary}", "image/jpeg")

    return order


@dataclass(slots=True)
class Range:
    """One kind of orders, and the servers that get them."""

    kind: str
    replicas: Sequence[Replica]
    order: Callable[[int], bytes]
    effort: Effort
    even: bool
    sent: int = 0
    """Orders so far: the next ones go on from there, so that none comes again before all others came."""

    def _next(self, count: int) -> Callable[[int], bytes]:
        first, self.sent = self.sent, self.sent + count
        return lambda k: self.order(first + k)

    def _cpu_s(self) -> float | None:
        spent = [replica.cpu_s() for replica in self.replicas]
        return None if None in spent else sum(s for s in spent if s is not None)

    async def alone(self) -> tuple[list[Answer], float | None]:
        """The answers one after the other, and the server's processor time for one, ms."""
        count = self.effort.alone[self.kind]
        client = Client(self.replicas[0].port)
        before = self._cpu_s()
        answers = await alone(client, self._next(count), count)
        after = self._cpu_s()
        await client.close()
        unlike = [a for a in answers if a.status != 200 or CACHE_STATUS[self.kind] not in a.cache_status]
        if unlike:
            raise RuntimeError(f"An order of the kind {self.kind} was answered {unlike[0].status}, {unlike[0].cache_status!r}.")
        return answers, _each_ms(before, after, count)

    async def step(self, rate: float) -> Step:
        count = max(self.effort.least[self.kind], round(rate * self.effort.seconds))
        clients = [Client(replica.port) for replica in self.replicas]
        before, begin = self._cpu_s(), time.perf_counter()
        answers = await arrive(clients, self._next(count), due_times(rate, count, seed=self.sent, even=self.even))
        seconds, after = time.perf_counter() - begin, self._cpu_s()
        for client in clients:
            await client.close()
        right = [a for a in answers if a.status == 200 and CACHE_STATUS[self.kind] in a.cache_status]
        refusals = sum(a.status == 503 for a in answers)
        answered = Latencies.of([1000 * a.took_s for a in right])
        step = Step(
            rate=round(rate, 3),
            seconds=round(seconds, 2),
            answered=answered,
            refusals=refusals,
            errors=count - len(right) - refusals,
            late_p99_ms=Latencies.of([1000 * a.late_s for a in answers]).p99_ms,
            cpu_ms=_each_ms(before, after, count),
            held=len(right) == count and answered.p95_ms <= BOUNDS_MS[self.kind],
        )
        _tell(self.kind, step)
        return step

    async def attempted(self, rate: float) -> Step:
        """The best of the attempts: the first that holds, else the one with the lowest p95."""
        steps: list[Step] = []
        while len(steps) < ATTEMPTS and not (steps and steps[-1].held):
            steps.append(await self.step(rate))
        return steps[-1] if steps[-1].held else min(steps, key=lambda s: (s.errors + s.refusals, s.answered.p95_ms))


async def measure_kind(course: Range, refinements: int) -> Kind:
    await course.alone()  # warms up
    answers, alone_cpu_ms = await course.alone()
    alone_ms = [round(1000 * answer.took_s, 3) for answer in answers]
    each, bound_ms = Latencies.of(alone_ms), BOUNDS_MS[course.kind]
    first = FIRST_SHARE * 1000 / each.p50_ms
    # where half of them take longer than the bound even alone, no rate can hold
    steps = await search(course, first, refinements) if each.p50_ms <= bound_ms else [await course.step(first)]
    return Kind(
        bound_ms=bound_ms,
        alone=each,
        alone_ms=alone_ms,
        alone_device_ms=[round(1000 * answer.device_s, 3) for answer in answers],
        alone_cpu_ms=alone_cpu_ms,
        steps=sorted(steps, key=lambda step: step.rate),
        sustained_per_s=max((step.rate for step in steps if step.held), default=None),
    )


async def search(course: Range, rate: float, refinements: int) -> list[Step]:
    """Down from `rate` until one holds, up until one does not, and between the two."""
    found: list[Step] = []

    async def holds(tried: float) -> bool:
        found.append(await course.attempted(tried))
        return found[-1].held

    good = rate
    while not await holds(good):
        if len(found) > DOWN_MOST:
            return found
        good /= 2
    bad = good * STEP
    while await holds(bad):
        good, bad = bad, bad * STEP
    for _ in range(refinements):
        middle = (good * bad) ** 0.5
        good, bad = (middle, bad) if await holds(middle) else (good, middle)
    return found


def _each_ms(before: float | None, after: float | None, count: int) -> float | None:
    return None if before is None or after is None else round(1000 * (after - before) / count, 3)


def _tell(kind: str, step: Step) -> None:
    latencies = step.answered
    print(
        f"{kind:8}{step.rate:9.2f}/s{latencies.p50_ms:10.1f}{latencies.p95_ms:10.1f}{latencies.p99_ms:10.1f} ms"
        f"{step.refusals:6} refused{step.errors:5} wrong   generator late by {step.late_p99_ms:.1f} ms",
        "" if step.held else "  did not hold",
        flush=True,
    )


def measure(kinds: Sequence[str], quick: bool, even: bool, replicas: int, redis_url: str | None) -> Report:
    effort, refinements = (QUICK, 1) if quick else (FULL, REFINEMENTS)
    device = os.environ.get("MUSLIN_DEVICE", "cpu")
    machine, found = Machine.here(device), {}
    for kind in kinds:
        settings = {} if kind == "cached" else {"RESULT_TTL_S": str(FORGOTTEN_S)}
        with serving(replicas, redis_url, **settings) as started:
            shop = furnish(started)
            orders = shop.orders()
            order = cold_orders(shop) if kind == "cold" else _in_turn(orders)
            course = Range(kind, started, order, effort, even)
            if kind == "cached":
                for sent in orders:
                    asyncio.run(_make(started[0], sent))
            found[kind] = asyncio.run(measure_kind(course, refinements))
    return Report(VERSION, machine, device, replicas, "even" if even else "poisson", *SIZE, found)


def _in_turn(orders: Sequence[bytes]) -> Callable[[int], bytes]:
    return lambda k: orders[k % len(orders)]


async def _make(replica: Replica, sent: bytes) -> None:
    client = Client(replica.port)
    await client.post(sent)
    await client.close()


def plot(report: Report) -> Figure:
    """Latency against rate, a panel for each kind."""
    machine = report.machine
    processes = "one process" if report.replicas == 1 else f"{report.replicas} processes"
    title = f"Engine {report.engine}, {processes}; {machine.processor}, {machine.cores} cores, load {machine.load:g}, {machine.device}"
    made, panels = figure(1, len(report.kinds), title)
    for panel, (name, kind) in zip(panels, report.kinds.items(), strict=True):
        some = [step for step in kind.steps if step.answered.n]
        for share, marker, colour in (("p50", "o", GOOD), ("p95", "s", BAD), ("p99", "^", INK)):
            values = [getattr(step.answered, f"{share}_ms") for step in some]
            panel.plot([step.rate for step in some], values, f"{marker}-", color=colour, markersize=4, label=share)
        bad = [step for step in some if step.refusals or step.errors]
        panel.plot([s.rate for s in bad], [s.answered.p95_ms for s in bad], "kx", markersize=9, label="some refused" if bad else None)
        panel.axhline(kind.bound_ms, color=INK, linestyle="--", linewidth=1)
        sustained = "no rate" if kind.sustained_per_s is None else f"{kind.sustained_per_s:.3g} a second"
        panel.set_title(f"{name}: {sustained} within {kind.bound_ms:g} ms", fontsize=10)
        panel.set(xlim=(0, None), yscale="log", xlabel="arrivals a second", ylabel="ms from when an order is due")
        panel.yaxis.set_major_formatter("{x:g}")
        panel.yaxis.set_minor_formatter("{x:g}")
        panel.tick_params(axis="y", which="both", labelsize=7)
        panel.legend(fontsize=8)
        panel.grid(visible=True, alpha=0.2)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few orders at each rate")
    parser.add_argument("--kinds", default=",".join(BOUNDS_MS), help="of orders, with commas (%(default)s)")
    parser.add_argument("--even", action="store_true", help="evenly spaced arrivals in place of a Poisson process")
    parser.add_argument("--replicas", type=at_least(1), default=1, help="processes that get the orders in turn")
    parser.add_argument("--redis-url", help="what replicas share; without it a single process keeps all in its memory")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    kinds = options.kinds.split(",")
    if not set(kinds) <= set(BOUNDS_MS):
        parser.error(f"the kinds are {', '.join(BOUNDS_MS)}")
    if options.replicas > 1 and not options.redis_url:
        parser.error("replicas share a Redis: --redis-url")
    report = measure(kinds, options.quick, options.even, options.replicas, options.redis_url)
    for name, kind in report.kinds.items():
        print(
            f"{name}: alone p50 {kind.alone.p50_ms:.1f} ms, sustained at a p95 of {kind.bound_ms:g} ms: {kind.sustained_per_s or 'none'}/s"
        )
    if options.plot:
        save(plot(report), options.plot)
    tell(report, options.json)


if __name__ == "__main__":
    command(main)
