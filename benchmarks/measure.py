"""Times calls: warm, one after the other, by the clock and by the processor, with what is known of the machine."""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final, NoReturn, TypeVar

import msgspec
import torch

T = TypeVar("T")
PACKAGES: Final = ("torch", "mediapipe", "numpy", "opencv-contrib-python", "simplejpeg")


def nearest_rank(values: Sequence[float], share: float) -> float:
    """The quantile by the nearest rank: a value that was measured."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]


def tell(report: msgspec.Struct, path: Path | None) -> None:
    """Prints a report as one line of JSON, and writes it to `path`; first it is made sure that it can be read again."""
    write(report, path)
    print(msgspec.json.encode(report).decode())


def write(report: msgspec.Struct, path: Path | None) -> None:
    """As JSON that can be read again; to no file for None."""
    line = msgspec.json.encode(report)
    msgspec.json.decode(line, type=type(report))
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.format(line, indent=1) + b"\n")


class Spread(msgspec.Struct, frozen=True):
    """Of the milliseconds of `n` calls."""

    n: int
    least_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    quartiles_apart_ms: float
    cpu_ms: float
    """Median of the processor time of all threads."""

    @classmethod
    def of(cls, wall_ms: Sequence[float], cpu_ms: Sequence[float]) -> Spread:
        ordered = sorted(wall_ms)

        def at(share: float) -> float:
            return round(nearest_rank(ordered, share), 3)

        return cls(
            n=len(ordered),
            least_ms=round(ordered[0], 3),
            p50_ms=at(0.5),
            p95_ms=at(0.95),
            p99_ms=at(0.99),
            quartiles_apart_ms=round(at(0.75) - at(0.25), 3),
            cpu_ms=round(statistics.median(cpu_ms), 3),
        )


class Machine(msgspec.Struct, frozen=True):
    """Where and beside what it was measured."""

    processor: str
    cores: int
    """That this process may use."""
    load: float
    """Mean of running processes over the minute before; over the cores' number the times are somebody else's too."""
    system: str
    python: str
    packages: dict[str, str]
    device: str

    @classmethod
    def here(cls, device: str) -> Machine:
        name = device
        if device.startswith("cuda"):
            name = torch.cuda.get_device_name(device)
        return cls(
            processor=_processor(),
            cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
            load=round(os.getloadavg()[0], 2),
            system=f"{platform.system()} {platform.release().partition('-')[0]}",
            python=platform.python_version(),
            packages={name: version(name) for name in PACKAGES},
            device=name,
        )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    facts = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if "model name" not in facts:
        return platform.machine()
    # hypervisors give the same name to processors of several generations
    return f"{facts['model name']} ({facts.get('cpu family', '?')}/{facts.get('model', '?')})"


class Stopwatch:
    """Collects the times of calls; on CUDA each ends when the device has."""

    def __init__(self, device: str = "cpu") -> None:
        self._cuda = device.startswith("cuda")
        self.wall_ms: list[float] = []
        self.cpu_ms: list[float] = []

    def __call__(self, call: Callable[[], T]) -> T:
        """Calls, and gives what it gives."""
        self._settle()
        wall, cpu = time.perf_counter(), time.process_time()
        result = call()
        self._settle()
        self.wall_ms.append(1000 * (time.perf_counter() - wall))
        self.cpu_ms.append(1000 * (time.process_time() - cpu))
        return result

    def _settle(self) -> None:
        if self._cuda:
            torch.cuda.synchronize()

    def spread(self) -> Spread:
        return Spread.of(self.wall_ms, self.cpu_ms)


def timed(call: Callable[[], object], repeats: int, warm_up: int = 2, device: str = "cpu") -> Spread:
    watch = Stopwatch(device)
    for _ in range(warm_up):
        call()
    for _ in range(repeats):
        watch(call)
    return watch.spread()


def peak_memory_mb() -> float:
    """The most that this process ever held, or held since `PeakMemory` looked last."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000, 1)


def resident_mb(process: int | str = "self") -> float:
    """What a process holds now; Linux only."""
    return round(int(Path(f"/proc/{process}/statm").read_text().split()[1]) * resource.getpagesize() / 1e6, 1)


class PeakMemory:
    """The most that a process holds at a time, in parts: from one `lap` to the next.

    Linux forgets the peak when asked; where it cannot be asked, every lap gives the most of all that *this* process ever held.
    """

    def __init__(self, process: int | str = "self") -> None:
        self.most_mb = 0.0
        self._facts = Path(f"/proc/{process}")
        self.lap()

    def lap(self) -> float:
        """MB since the lap before."""
        peak = peak_memory_mb()
        with contextlib.suppress(OSError):
            status = (self._facts / "status").read_text()
            peak = round(int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6, 1)
            (self._facts / "clear_refs").write_text("5")
        self.most_mb = max(self.most_mb, peak)
        return peak


# --- command lines --------------------------------------------------------------------------------------------------------


def command(main: Callable[[], int | None]) -> NoReturn:
    """Ends the process with what `main` returns; files that are missing or something else are told in one sentence, with exit code 2."""
    try:
        code = main() or 0
    except OSError as error:
        code = 2
        print(f"{error.filename or 'A file'}: {error.strerror or error}", file=sys.stderr)
    except (ValueError, msgspec.MsgspecError) as error:
        code = 2
        print(error, file=sys.stderr)
    sys.exit(code)


def at_least(least: int) -> Callable[[str], int]:
    """A type of argparse: whole numbers from `least` on."""

    def number(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"{value} is less than {least}")
        return value

    return number


def device(text: str) -> str:
    """A type of argparse: a device that torch knows and has."""
    try:
        torch.empty(1, device=text)
    except (RuntimeError, AssertionError) as error:  # a torch without CUDA asserts
        raise argparse.ArgumentTypeError(f"torch has no device {text} here") from error
    return text
