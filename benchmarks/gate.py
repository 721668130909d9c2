"""Fails when the core, or a stage that is a tenth of it or more, has become slower than the committed baseline allows.

    python -m benchmarks.gate                             # measure, compare, tell: exit code 1 when something got slower
    python -m benchmarks.gate --raise "why it may be so"  # write benchmarks/baseline.json anew, with the reason in it
    python -m benchmarks.gate --slow drape                # the proof: one stage burns half as much again; has to fail
    python -m benchmarks.gate --runs 20 --json FILE       # so many runs, each in a process of its own: how far they spread

Every try-on is timed in turns with a kernel that has nothing of ours (`yardsticks.kernel`), and only ratios to it are compared. A
number is made of *processor time*, and of each pair's *least* over all rounds: what else runs on the machine, stalls and slow phases then
fall out, or on both sides. What waits instead of working costs no processor time; so the clock is looked at as well, by the median of
each pair's ratio to the kernel beside it, and with more tolerance. Whatever looks slower is measured again, together with what there is
already: a slow program stays slow, a noisy minute does not. See README.md.
"""

from __future__ import annotations

import argparse
import datetime as dt
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from benchmarks.core import RESULTS
from benchmarks.measure import Machine, at_least, command, nearest_rank, write
from benchmarks.pairs import Pair, at_size
from benchmarks.yardsticks import kernel
from models.engine import VERSION, Engine, StageClock
from models.interface import Fitting
from models.samples import packshot
from models.samples.person import sample_person

BASELINE: Final = Path(__file__).parent / "baseline.json"
RUNS: Final = RESULTS / "gate-runs.json"
SIZE: Final = (768, 1024)
"""(width, height) px of photos and garments."""
PEOPLE: Final = ("woman", "man")
GARMENTS: Final = ("print-tee", "breton", "turtleneck", "chinos", "dotted-dress")
"""Tops with short and long sleeves, trousers and a dress."""
ROUNDS: Final = 8
"""Each pair is drawn so often; its least counts."""
ATTEMPTS: Final = 3
"""Measured so often at most, before something is said to be slower."""
BASELINE_TIMES: Final = 3
"""A baseline is the medians of so many measurements."""
SHARE_LEAST: Final = 0.1
"""Stages with less of the core are not judged."""
TOLERANCE: Final = 1.25
"""Of processor time: times the baseline's ratio. Half as much again is seen; other work moved ratios by 12% at most (README.md)."""
CLOCK_TOLERANCE: Final = 1.6
"""Of the clock: it sees whom the system let run."""
ELSEWHERE: Final = 1.4
"""On another processor than the baseline's, whose caches and vectors favour other things than the kernel does, so many times as much."""
SLOWED_BY: Final = 0.5
"""Of its own time, what `--slow` adds to a stage."""
REST: Final = "the rest"
"""What the core does outside its named stages."""
FloatArray = npt.NDArray[np.float64]


class Level(msgspec.Struct, frozen=True):
    """Of one stage."""

    ratio: float
    """Processor time, the kernel's being 1."""
    share: float
    """Of the core's."""


class Levels(msgspec.Struct, frozen=True):
    """What is compared."""

    core_p95: float
    """Processor time: the p95 over the pairs, the kernel's mean being 1."""
    core_clock: float
    """By the clock: median of try-on over kernel."""
    stages: dict[str, Level]


class Baseline(msgspec.Struct, frozen=True):
    """What was agreed to."""

    reason: str
    """Why it may be so."""
    date: str
    engine: str
    machine: Machine
    levels: Levels


class Run(msgspec.Struct, frozen=True):
    """One run of the gate."""

    passed: bool
    load: float
    """Mean of running processes over the minute before, this one among them later on."""
    attempts: int
    seconds: float
    levels: Levels
    slower: list[str]


class Ratios(msgspec.Struct, frozen=True):
    """Of a ratio over several runs, the baseline's being 1."""

    least: float
    median: float
    most: float
    tolerance: float


class Runs(msgspec.Struct, frozen=True):
    """Several runs, and how far they lie apart."""

    date: str
    engine: str
    machine: Machine
    passed: int
    spread: dict[str, Ratios]
    runs: list[Run]


class ProcessorClock(StageClock):
    """Times stages by the processor time of all threads; with `slow` named, that stage burns half as much again."""

    def __init__(self, slow: str | None = None) -> None:
        super().__init__()
        self._slow = slow

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        begin = time.process_time()
        yield
        if stage == self._slow:
            until = begin + (1 + SLOWED_BY) * (time.process_time() - begin)
            while time.process_time() < until:
                pass
        self.timings_ms[stage] = self.timings_ms.get(stage, 0.0) + 1000 * (time.process_time() - begin)


class Samples:
    """Milliseconds of try-ons and of the kernel after each: rounds of all pairs."""

    def __init__(self) -> None:
        self._core: list[list[float]] = []
        self._clock: list[list[float]] = []
        self._kernel: list[list[float]] = []
        self._stages: list[list[dict[str, float]]] = []

    def take(self, engine: Engine, pairs: Sequence[Pair], call: Callable[[], None], rounds: int) -> None:
        """`engine` has to have a ProcessorClock."""
        for _ in range(rounds):
            for kept in (self._core, self._clock, self._kernel):
                kept.append([])
            self._stages.append([])
            for pair in pairs:
                begin, begin_cpu = time.perf_counter(), time.process_time()
                (result,) = engine.try_on([pair.fitting])
                middle, middle_cpu = time.perf_counter(), time.process_time()
                call()
                end, end_cpu = time.perf_counter(), time.process_time()
                self._core[-1].append(1000 * (middle_cpu - begin_cpu))
                self._kernel[-1].append(1000 * (end_cpu - middle_cpu))
                self._clock[-1].append((middle - begin) / (end - middle))
                self._stages[-1].append(dict(result.timings_ms))

    def levels(self) -> Levels:
        core, unit = np.array(self._core), float(np.mean(np.min(self._kernel, 0)))
        names = {name for row in self._stages for stages in row for name in stages}
        stages = {name: np.array([[of.get(name, 0.0) for of in row] for row in self._stages]) for name in sorted(names)}
        stages[REST] = core - sum(stages.values(), np.zeros_like(core))
        whole = _best(core)
        return Levels(
            core_p95=round(nearest_rank(core.min(0).tolist(), 0.95) / unit, 4),
            core_clock=round(float(np.median(np.median(self._clock, 0))), 4),
            stages={name: Level(round(_best(ms) / unit, 4), round(_best(ms) / whole, 4)) for name, ms in stages.items()},
        )


def _best(ms: FloatArray) -> float:
    """The mean over the pairs of each one's least."""
    return float(np.mean(np.min(ms, 0)))


def pairs(engine: Engine, size: tuple[int, int], people: Sequence[str] = PEOPLE, garments: Sequence[str] = GARMENTS) -> list[Pair]:
    """Everybody in everything at `size` (width, height), drawn once: plates and compiled code are there."""
    read = [(who, engine.read_person(at_size(sample_person(who).picture, size))) for who in people]
    found = []
    for what in garments:
        shot = packshot(what, size)
        garment = engine.read_garment(shot.picture, shot.category)
        found += [Pair(f"{who} in {what}", Fitting(person, (garment,))) for who, person in read]
    for pair in found:
        engine.try_on([pair.fitting])
    return found


def slower(found: Levels, base: Levels) -> list[str]:
    """What got slower than the baseline allows, in plain words."""
    told = []

    def look(name: str, now: float, before: float, tolerance: float, of: str) -> None:
        if now > tolerance * before:
            told.append(
                f"{name} takes {now / before:.2f} times as long as in the baseline: {before:.3f} of the kernel's {of} before, "
                f"{now:.3f} now; up to {tolerance:g} times is allowed"
            )

    look("the core (p95)", found.core_p95, base.core_p95, TOLERANCE, "processor time")
    look("the core (median by the clock)", found.core_clock, base.core_clock, CLOCK_TOLERANCE, "time")
    for name, level in found.stages.items():
        before = base.stages.get(name)
        if max(level.share, before.share if before else 0.0) < SHARE_LEAST:
            continue
        if before is None:
            told.append(f"{name} is {level.share:.0%} of the core and not in the baseline: raise it with the reason")
        else:
            look(name, level.ratio, before.ratio, TOLERANCE, "processor time")
    gone = (name for name in sorted(base.stages.keys() - found.stages.keys()) if base.stages[name].share >= SHARE_LEAST)
    return told + [f"{name} is in the baseline and was not run: raise it with the reason" for name in gone]


def judged(engine: Engine, fittings: Sequence[Pair], size: tuple[int, int], base: Levels, rounds: int = ROUNDS) -> Run:
    """Measures, again where something looks slower, and compares. `engine` has to have a ProcessorClock."""
    begin, load = time.perf_counter(), Machine.here("cpu").load
    samples, call, attempts, told = Samples(), kernel(size), 0, [""]
    call()
    while told and attempts < ATTEMPTS:
        attempts += 1
        samples.take(engine, fittings, call, rounds)
        levels = samples.levels()
        told = slower(levels, base)
    return Run(not told, load, attempts, round(time.perf_counter() - begin, 1), levels, told)


def in_turns(engines: Sequence[Engine], fittings: Sequence[Pair], size: tuple[int, int], rounds: int = ROUNDS) -> list[Levels]:
    """What each of several engines, all with a ProcessorClock, takes in the same minute, round by round."""
    call, samples = kernel(size), [Samples() for _ in engines]
    call()
    for _ in range(rounds):
        for engine, own in zip(engines, samples, strict=True):
            own.take(engine, fittings, call, 1)
    return [own.levels() for own in samples]


def baseline(reason: str, engine: Engine, fittings: Sequence[Pair], size: tuple[int, int], rounds: int = ROUNDS) -> Baseline:
    """Measures what to compare with from now on."""
    call, found = kernel(size), []
    call()
    for _ in range(BASELINE_TIMES):
        samples = Samples()
        samples.take(engine, fittings, call, rounds)
        found.append(samples.levels())

    def middle(values: Iterator[float]) -> float:
        return statistics.median(values)

    stages = {
        name: Level(middle(one.stages[name].ratio for one in found), middle(one.stages[name].share for one in found))
        for name in found[0].stages
    }
    levels = Levels(middle(one.core_p95 for one in found), middle(one.core_clock for one in found), stages)
    return Baseline(reason, _today(), VERSION, Machine.here("cpu"), levels)


def _today() -> str:
    return dt.datetime.now(dt.UTC).date().isoformat()


def read_baseline() -> Baseline:
    return msgspec.json.decode(BASELINE.read_bytes(), type=Baseline)


def comparable(base: Baseline, here: Machine) -> Levels:
    """The baseline's levels, wider where they were measured on another kind of machine than `here`."""
    if (base.machine.processor, base.machine.cores) == (here.processor, here.cores):
        return base.levels
    stages = {name: Level(ELSEWHERE * level.ratio, level.share) for name, level in base.levels.stages.items()}
    return Levels(ELSEWHERE * base.levels.core_p95, ELSEWHERE * base.levels.core_clock, stages)


def show(run: Run, base: Levels, at_home: bool) -> None:
    """`base`: what is compared with, the baseline itself only where it is `at_home`."""
    print(f"{'against the kernel':34}{'baseline' if at_home else 'compared':>10}{'now':>8}{'times':>7}{'allowed':>9}")

    def row(name: str, now: float, before: float | None, allowed: str) -> None:
        times = f"{now / before:7.2f}" if before else f"{'':7}"
        print(f"{name:34}{before or 0:10.3f}{now:8.3f}{times}{allowed:>9}")

    row("core, p95 of processor time", run.levels.core_p95, base.core_p95, f"{TOLERANCE:g}")
    row("core, median by the clock", run.levels.core_clock, base.core_clock, f"{CLOCK_TOLERANCE:g}")
    for name, level in sorted(run.levels.stages.items(), key=lambda item: -item[1].ratio):
        before = base.stages.get(name)
        is_judged = max(level.share, before.share if before else 0.0) >= SHARE_LEAST
        row(f"  {name} ({level.share:.0%})", level.ratio, before.ratio if before else None, f"{TOLERANCE:g}" if is_judged else "-")
    print(f"measured {run.attempts} times in {run.seconds:g} s, load {run.load:g}")
    for line in run.slower:
        print(f"SLOWER: {line}")
    if at_home and run.levels.core_p95 * TOLERANCE < base.core_p95:
        print("The core is much faster than its baseline: raise it, so that this is kept.")
    print("bench-gate: " + ("passed" if run.passed else "FAILED"))


def repeated(times: int) -> Runs:
    """So many runs in processes of their own, one after the other."""
    found, base = [], read_baseline().levels
    for k in range(times):
        with tempfile.NamedTemporaryFile(suffix=".json") as file:
            command = [sys.executable, "-m", "benchmarks.gate", "--json", file.name]
            subprocess.run(command, check=False, capture_output=True, cwd=Path(__file__).parents[1])
            found.append(msgspec.json.decode(Path(file.name).read_bytes(), type=Run))
        print(
            f"{k + 1:3}: {'passed' if found[-1].passed else 'FAILED'}, load {found[-1].load:g}, {found[-1].attempts} measured", flush=True
        )

    def spread(ratio: Callable[[Levels], float], tolerance: float) -> Ratios:
        values = [ratio(run.levels) / ratio(base) for run in found]
        return Ratios(round(min(values), 3), round(statistics.median(values), 3), round(max(values), 3), tolerance)

    stages = [name for name, level in base.stages.items() if level.share >= SHARE_LEAST]
    spreads = {
        "core p95": spread(lambda levels: levels.core_p95, TOLERANCE),
        "core by the clock": spread(lambda levels: levels.core_clock, CLOCK_TOLERANCE),
        **{name: spread(partial(_ratio_of, name), TOLERANCE) for name in stages},
    }
    return Runs(_today(), VERSION, Machine.here("cpu"), sum(run.passed for run in found), spreads, found)


def _ratio_of(stage: str, levels: Levels) -> float:
    return levels.stages[stage].ratio


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raise", dest="reason", help="write the baseline anew; the reason is stored in it")
    stages = [name for name, level in read_baseline().levels.stages.items() if name != REST and level.share >= SHARE_LEAST]
    parser.add_argument("--slow", choices=stages, help="half as much again in this stage, one of those that are judged: has to fail")
    parser.add_argument("--runs", type=at_least(1), help="so many runs, in processes of their own")
    parser.add_argument("--json", type=Path, help="where a run, or several, are written")
    options = parser.parse_args()
    if options.runs:
        runs = repeated(options.runs)
        for name, spread in runs.spread.items():
            print(f"{name:20}{spread.least:7.3f} to {spread.most:.3f}, median {spread.median:.3f}; allowed {spread.tolerance:g}")
        write(runs, options.json or RUNS)
        return int(runs.passed < len(runs.runs))
    if options.reason is not None and not options.reason.strip():
        parser.error("say why the baseline is raised")
    engine = Engine(clock=partial(ProcessorClock, options.slow))
    fittings = pairs(engine, SIZE)
    if options.reason:
        found = baseline(options.reason.strip(), engine, fittings, SIZE)
        write(found, BASELINE)
        print(f"{BASELINE}: {msgspec.json.encode(found.levels).decode()}")
        return 0
    base, here = read_baseline(), Machine.here("cpu")
    levels = comparable(base, here)
    if levels is not base.levels:
        print(
            f"The baseline is of {base.machine.processor} with {base.machine.cores} cores, this is {here.processor} with {here.cores}: "
            f"{ELSEWHERE:g} times as much is allowed."
        )
    run = judged(engine, fittings, SIZE, levels)
    show(run, levels, levels is base.levels)
    if options.json:
        write(run, options.json)
    return int(not run.passed)


if __name__ == "__main__":
    command(main)
