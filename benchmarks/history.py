"""One entry for every change that touches speed, and how the core's ratio to the floor went with them.

    python -m benchmarks.history                    # the entries, and results/history.png
    python -m benchmarks.history --add "what it is"  # appends one, of results/core.json and the last commit
    python -m benchmarks.history --add … --note "load" --core FILE

Only what was measured is told: entries from before the benchmark was there hold what was measured then, and nothing for the rest.
"""

from __future__ import annotations

import argparse
import datetime as dt
import subprocess
from pathlib import Path
from typing import Final

import msgspec
from matplotlib.figure import Figure

from benchmarks.core import RESULTS, Report
from benchmarks.figures import BAD, GOOD, INK, figure, save
from benchmarks.measure import command

HISTORY: Final = RESULTS / "history.jsonl"
BUDGET: Final = 3.0
"""Times the floor's processor time that the core may take."""


class Entry(msgspec.Struct, frozen=True):
    """The warm core at 768 × 1024 on one thread, each number over the floor's of the same run."""

    date: str
    engine: str
    commit: str
    """Its hash, shortened."""
    subject: str
    """What changed."""
    source: str
    """The file that tells how it was measured."""
    load: float | None
    """Of the machine meanwhile; null: not written down."""
    ratio_cpu: float
    """Medians of processor time."""
    ratio_p50: float | None
    """By the clock; null: not measured."""
    ratio_p95: float | None
    note: str = ""
    """What has to be known to compare it with others."""


def read(path: Path = HISTORY) -> list[Entry]:
    """Raises msgspec.ValidationError for what is no entry."""
    return [msgspec.json.decode(line, type=Entry) for line in path.read_bytes().splitlines()]


def entry_of(report: Report, subject: str, source: str, note: str = "") -> Entry:
    """Of a run of `benchmarks.core`, made on what is checked out."""
    core, floor = report.warm[0].core, report.warm[0].floor
    commit, date = subprocess.run(
        ["git", "log", "-1", "--format=%h %cs"], cwd=RESULTS, check=True, capture_output=True, text=True
    ).stdout.split()
    return Entry(
        date=max(date, dt.datetime.now(dt.UTC).date().isoformat()),
        engine=report.engine,
        commit=commit,
        subject=subject,
        source=source,
        load=report.machine.load,
        ratio_cpu=report.warm[0].ratio,
        ratio_p50=round(core.p50_ms / floor.p50_ms, 2),
        ratio_p95=round(core.p95_ms / floor.p95_ms, 2),
        note=note,
    )


def plot(entries: list[Entry]) -> Figure:
    """Ratios to the floor, entry by entry."""
    made, (axes,) = figure(1, 1, "The warm core over the floor (one remap and one JPEG) of the same run, change by change")
    at = range(len(entries))
    for name, colour, values in (
        ("p95 by the clock", BAD, [e.ratio_p95 for e in entries]),
        ("median by the clock", GOOD, [e.ratio_p50 for e in entries]),
        ("median of processor time", INK, [e.ratio_cpu for e in entries]),
    ):
        known = [(k, value) for k, value in zip(at, values, strict=True) if value is not None]
        axes.plot([k for k, _ in known], [value for _, value in known], "o-", color=colour, label=name)
    axes.axhline(BUDGET, color=INK, linestyle=":", linewidth=1)
    axes.annotate(f"budget of processor time: {BUDGET:g}", (0, BUDGET), xytext=(2, 3), textcoords="offset points", fontsize=8)
    axes.set_yscale("log")
    axes.set_yticks([1, 2, 3, 5, 10, 20, 50, 100], ["1", "2", "3", "5", "10", "20", "50", "100"])
    axes.set_ylabel("times the floor")
    axes.set_xticks(list(at), [f"{e.date}\n{e.commit}" for e in entries])
    axes.legend()
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--add", metavar="SUBJECT", help="what changed")
    parser.add_argument("--note", default="", help="what has to be known to compare it with others")
    parser.add_argument("--core", type=Path, default=RESULTS / "core.json")
    options = parser.parse_args()
    if options.add:
        report = msgspec.json.decode(options.core.read_bytes(), type=Report)
        with HISTORY.open("ab") as file:
            file.write(msgspec.json.encode(entry_of(report, options.add, "core.json", options.note)) + b"\n")
    entries = read()
    for e in entries:
        note = f" ({e.note})" if e.note else ""
        print(f"{e.date} {e.commit:9} p95 {e.ratio_p95 or '-':>6} p50 {e.ratio_p50 or '-':>6} CPU {e.ratio_cpu:>6}  {e.subject}{note}")
    save(plot(entries), RESULTS / "history.png")


if __name__ == "__main__":
    command(main)
