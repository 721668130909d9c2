"""How many replicas hold a p95 of 100 ms, and what a million pictures cost: a simulation of queues, fed with what was measured.

    python -m benchmarks.capacity [--quick] [--http FILE] [--gpu CORE.json] [--json FILE] [--plot FILE]
                                  [--vcpu-hour 0.0425] [--gpu-hour 5.408]

Orders arrive as a Poisson process, all warm (`results/http.json`). A replica draws one after the other, each for as long as one of the
measured orders took on the device; all else of that order (HTTP, encoding) goes on beside it, and is added. Two ways to the replicas bound
what balancers do: one queue for all (nobody waits while a replica is idle), and at random (each replica has a queue of its own).
`--gpu` takes the batches of a `results/core.json` that was measured on CUDA: a replica then draws all that waits at once, up to the
largest batch; all else is as over HTTP on the CPU. Ends with one line of JSON. See README.md.
"""

from __future__ import annotations

import argparse
import heapq
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import msgspec
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from benchmarks.figures import COLOURS, figure, save
from benchmarks.measure import Machine, command, tell
from benchmarks.service_load import Report as HttpReport

RESULTS: Final = Path(__file__).parent / "results"
BOUND_MS: Final = 100.0
RATES: Final = (10.0, 1_000.0, 100_000.0)
"""Try-ons a second that are asked about."""
BETWEEN: Final = (10.0, 30.0, 100.0, 300.0, 1_000.0, 3_000.0, 10_000.0, 30_000.0, 100_000.0)
"""... and plotted."""
ARRIVALS: Final = 60_000
QUICK_ARRIVALS: Final = 8_000
RUN_IN: Final = 0.2
"""Of the arrivals, at the begin, when the queues were still empty: they do not count."""
BUSY_MOST: Final = 0.9
"""No fleet is planned fuller: thousands of replicas would do with less to spare, until one is lost or the rate is not what was thought."""
VCPU_HOUR_USD: Final = 0.0425
"""EC2 c5.2xlarge on demand, US East: 0.34 for 8 vCPUs (docs.aws.amazon.com, Auto Scaling user guide, on spot prices per unit hour)."""
GPU_HOUR_USD: Final = 5.408
"""H200 by the hour in EC2 Capacity Blocks, US East (aws.amazon.com/ec2/capacityblocks/pricing, end of 2024)."""
MILLION: Final = 1_000_000
Floats = npt.NDArray[np.float64]


class Way(Protocol):
    """When the work of each arrival begins and ends; all in ms."""

    def ends(self, rate: float, replicas: int, count: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """`rate` a second at all replicas. Gives arrivals and ends, (count,) each."""
        ...


@dataclass(frozen=True, slots=True)
class OneQueue:
    """The first who came goes to the first replica that gets free: M/G/c."""

    service_ms: Floats
    beside_ms: Floats
    """Of the same orders, what is no queue's business."""

    def ends(self, rate: float, replicas: int, count: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
        arrivals = poisson(rate, count, rng)
        which = rng.integers(0, len(self.service_ms), count)
        begins = one_queue(arrivals, self.service_ms[which], replicas)
        return arrivals, begins + self.service_ms[which] + self.beside_ms[which]


@dataclass(frozen=True, slots=True)
class AtRandom:
    """Each replica has its own part of the arrivals, again a Poisson process: M/G/1. One of them stands for all."""

    service_ms: Floats
    beside_ms: Floats

    def ends(self, rate: float, replicas: int, count: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
        return OneQueue(self.service_ms, self.beside_ms).ends(rate / replicas, 1, count, rng)


@dataclass(frozen=True, slots=True)
class Batches:
    """Each replica draws all that waits, up to the largest batch; arrivals go to replicas at random."""

    batch_ms: dict[int, float]
    """By size, of the whole batch; between sizes linear."""
    beside_ms: Floats

    def ends(self, rate: float, replicas: int, count: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
        arrivals = poisson(rate / replicas, count, rng)
        return arrivals, batched(arrivals, self.batch_ms) + self.beside_ms[rng.integers(0, len(self.beside_ms), count)]


def poisson(rate: float, count: int, rng: np.random.Generator) -> Floats:
    """Times, ms, of `count` arrivals at `rate` a second."""
    return np.cumsum(rng.exponential(1000 / rate, count))


def one_queue(arrivals: Floats, service_ms: Floats, servers: int) -> Floats:
    """When each is begun: in the order of arrival, by the server that gets free first."""
    free = [0.0] * servers  # a heap
    begins = np.empty_like(arrivals)
    for k, (arrival, service) in enumerate(zip(arrivals.tolist(), service_ms.tolist(), strict=True)):
        begin = max(arrival, free[0])
        begins[k] = begin
        heapq.heapreplace(free, begin + service)
    return begins


def batched(arrivals: Floats, batch_ms: dict[int, float]) -> Floats:
    """When each is drawn, by one server that takes all who wait, `max(batch_ms)` at most."""
    sizes = sorted(batch_ms)
    took = np.interp(np.arange(sizes[-1] + 1), sizes, [batch_ms[size] for size in sizes]).tolist()
    times, ends, at, free = arrivals.tolist(), np.empty_like(arrivals), 0, 0.0
    while at < len(times):
        begin = max(free, times[at])
        until = min(bisect_right(times, begin, at), at + sizes[-1])
        free = begin + took[until - at]
        ends[at:until] = free
        at = until
    return ends


def p95_ms(way: Way, rate: float, replicas: int, count: int, seed: int = 0) -> float:
    arrivals, ends = way.ends(rate, replicas, count, np.random.default_rng(seed))
    return float(np.quantile((ends - arrivals)[round(RUN_IN * count) :], 0.95, method="inverted_cdf"))


def replicas_for(way: Way, rate: float, floor: int, count: int) -> int | None:
    """The fewest replicas that hold the bound at `rate` a second; `floor`: fewer are not thought of. None: no number does."""

    def holds(replicas: int) -> bool:
        return p95_ms(way, rate, replicas, count) <= BOUND_MS

    most = max(1, floor)
    while not holds(most):
        if most > 64 * max(1, floor):
            return None
        most *= 2
    least = max(1, floor)
    while least < most:
        middle = (least + most) // 2
        least, most = (least, middle) if holds(middle) else (middle + 1, most)
    return most


def rate_of_one(way: Way, highest: float, count: int) -> float:
    """The rate that one replica holds within the bound, by bisection under `highest`; 0: none."""
    low, high = 0.0, highest
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (middle, high) if p95_ms(way, middle, 1, count) <= BOUND_MS else (low, middle)
    return round(low, 2)


CPU: Final[dict[str, Callable[[Floats, Floats], Way]]] = {"CPU, one queue": OneQueue, "CPU, at random": AtRandom}


class Need(msgspec.Struct, frozen=True):
    """At one rate."""

    rate: float
    """Try-ons a second."""
    replicas: int | None
    """None: no number holds the bound."""
    busy: float | None
    """Share of the replicas' time that is spent drawing."""
    million_usd: float | None
    """What a million pictures cost at that rate."""


class Fleet(msgspec.Struct, frozen=True):
    """Replicas of one kind, reached in one way."""

    name: str
    replica_usd_hour: float
    one_holds_per_s: float
    """What one replica alone holds by this model: to be compared with what was measured."""
    needs: list[Need]


class Report(msgspec.Struct, frozen=True):
    bound_ms: float
    engine: str
    processor: str
    vcpu_hour_usd: float
    gpu_hour_usd: float
    measured_per_s: float | None
    """What one process held over HTTP at a p95 of `bound_ms`."""
    fleets: list[Fleet]


class Batch(msgspec.Struct, frozen=True):
    """As in `core.Batch`."""

    width: int
    height: int
    size: int
    ms_each: float


class Core(msgspec.Struct, frozen=True):
    """What is read of a `core.Report`."""

    machine: Machine
    batches: list[Batch]


def fleet(name: str, way: Way, each_ms: float, usd_hour: float, rates: tuple[float, ...], count: int) -> Fleet:
    """`each_ms`: the least that a replica spends on one picture."""
    needs = []
    for rate in rates:
        found = replicas_for(way, rate, int(rate * each_ms / 1000 / BUSY_MOST) + 1, count)
        busy = None if found is None else round(rate * each_ms / 1000 / found, 3)
        cost = None if found is None else round(found * usd_hour / 3600 / rate * MILLION, 4)
        needs.append(Need(rate, found, busy, cost))
    return Fleet(name, round(usd_hour, 4), rate_of_one(way, 1000 / each_ms, count), needs)


def model(http: HttpReport, gpu: Core | None, vcpu_usd: float, gpu_usd: float, quick: bool) -> Report:
    """`http`: with warm orders."""
    warm = http.kinds["warm"]
    service = np.array(warm.alone_device_ms)
    beside = np.array(warm.alone_ms) - service
    rates, count = (RATES, QUICK_ARRIVALS) if quick else (BETWEEN, ARRIVALS)
    each_ms = float(service.mean())
    vcpus = (warm.alone_cpu_ms or float(np.mean(warm.alone_ms))) / each_ms  # so many it keeps busy when it always draws
    fleets = [fleet(name, way(service, beside), each_ms, vcpus * vcpu_usd, rates, count) for name, way in CPU.items()]
    if gpu is not None:
        batches = [batch for batch in gpu.batches if (batch.width, batch.height) == (http.width, http.height)]
        if not batches:
            raise ValueError(f"the GPU was not measured with batches of {http.width} × {http.height} px, as the service was")
        batch_ms = {batch.size: batch.size * batch.ms_each for batch in batches}
        each = min(batch.ms_each for batch in batches)
        beside_cpu_ms = max(0.0, (warm.alone_cpu_ms or 0.0) - each_ms)
        usd_hour = gpu_usd + vcpu_usd * beside_cpu_ms / each  # vCPUs for all else, when it always draws
        fleets.append(fleet("GPU, at random, in batches", Batches(batch_ms, beside), each, usd_hour, rates, count))
    return Report(
        bound_ms=BOUND_MS,
        engine=http.engine,
        processor=http.machine.processor,
        vcpu_hour_usd=vcpu_usd,
        gpu_hour_usd=gpu_usd,
        measured_per_s=warm.sustained_per_s,
        fleets=fleets,
    )


def plot(report: Report) -> Figure:
    """Replicas against rate, and what a million pictures cost."""
    prices = f"{report.vcpu_hour_usd:g} USD a vCPU-hour" + (
        f", {report.gpu_hour_usd:g} a GPU-hour" if len(report.fleets) > len(CPU) else ""
    )
    made, (left, right) = figure(1, 2, f"Simulated with service times of {report.processor}; {prices}")
    for one, colour in zip(report.fleets, COLOURS, strict=False):
        found = [need for need in one.needs if need.replicas is not None]
        rates = [need.rate for need in found]
        left.plot(rates, [need.replicas or 0 for need in found], "o-", color=colour, markersize=4, label=one.name)
        right.plot(rates, [need.million_usd or 0.0 for need in found], "o-", color=colour, markersize=4, label=one.name)
    left.set(xscale="log", yscale="log", xlabel="try-ons a second", ylabel="replicas")
    left.set_title(f"Replicas that hold a p95 of {report.bound_ms:g} ms", fontsize=10)
    right.set(xscale="log", yscale="log", xlabel="try-ons a second", ylabel="USD")
    right.set_title("A million pictures cost", fontsize=10)
    right.yaxis.set_major_formatter("{x:g}")
    for panel in (left, right):
        panel.grid(visible=True, alpha=0.2)
        panel.legend(fontsize=8)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer arrivals, three rates")
    parser.add_argument("--http", type=Path, default=RESULTS / "http.json", help="of benchmarks.service_load, with warm orders")
    parser.add_argument("--gpu", type=Path, help="of benchmarks.core --device cuda")
    parser.add_argument("--vcpu-hour", type=float, default=VCPU_HOUR_USD, help="US$ (%(default)s)")
    parser.add_argument("--gpu-hour", type=float, default=GPU_HOUR_USD, help="US$ (%(default)s)")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    http = msgspec.json.decode(options.http.read_bytes(), type=HttpReport)
    if "warm" not in http.kinds:
        parser.error(f"{options.http} has no warm orders")
    gpu = None if options.gpu is None else msgspec.json.decode(options.gpu.read_bytes(), type=Core)
    if gpu is not None and gpu.machine.device == "cpu":
        raise ValueError(f"{options.gpu} was measured on a CPU, not on a GPU")
    report = model(http, gpu, options.vcpu_hour, options.gpu_hour, options.quick)
    for one in report.fleets:
        print(
            f"{one.name}: one replica holds {one.one_holds_per_s:g}/s (one process held {report.measured_per_s or 'nothing'}/s over HTTP)"
        )
        for need in one.needs:
            if need.rate in RATES:
                said = (
                    f"{need.replicas:,} replicas, {100 * (need.busy or 0):.0f}% busy, {need.million_usd} USD a million"
                    if need.replicas
                    else "none"
                )
                print(f"{need.rate:>12,.0f}/s: {said}")
    if options.plot:
        save(plot(report), options.plot)
    tell(report, options.json)


if __name__ == "__main__":
    command(main)
