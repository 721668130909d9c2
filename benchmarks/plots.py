"""Draws results/core.png from results/core.json: where the core's time goes, and how it spreads.

python -m benchmarks.plots [--json FILE] [--out FILE]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, StrMethodFormatter

from benchmarks.core import RESULTS, Report, Warm
from benchmarks.figures import BAD, COLOURS, GOOD, INK, figure, save
from benchmarks.measure import Spread, command


def _named(one: Warm) -> str:
    return f"{one.width}×{one.height}\n{one.threads} thread{'s' * (one.threads > 1)}"


def _spreads(axes: Axes, names: list[str], spreads: list[tuple[str, str, list[Spread]]]) -> None:
    """Bars to the median, a thin line to the p95, a dot at the p99."""
    wide = 0.8 / len(spreads)
    for k, (label, colour, values) in enumerate(spreads):
        at = np.arange(len(values)) + (k - (len(spreads) - 1) / 2) * wide
        axes.bar(at, [s.p50_ms for s in values], 0.9 * wide, color=colour, label=label)
        axes.vlines(at, [s.p50_ms for s in values], [s.p95_ms for s in values], color=INK, linewidth=1)
        axes.plot(at, [s.p99_ms for s in values], ".", color=INK, markersize=4)
    axes.set_xticks(range(len(names)), names)
    axes.set_yscale("log")  # one stall of the machine would flatten all else
    axes.set_ylim(bottom=0.5 * min(s.p50_ms for _, _, values in spreads for s in values))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="x", labelsize=7)
    axes.set_ylabel("ms: bar p50, line to p95, dot p99")
    axes.legend(fontsize=8)


def plot(report: Report) -> Figure:
    """Warm core and floor, stages, throughput by batch, cold."""
    machine = report.machine
    made, (whole, parts, batches, cold) = figure(
        2, 2, f"Engine {report.engine}; {machine.processor}, {machine.cores} cores, load {machine.load:g}, {machine.device}"
    )
    runs = sorted(report.warm, key=lambda one: (one.threads, one.width))
    names = [_named(one) for one in runs]
    whole.set_title("Warm try-on beside the floor of the same run", fontsize=10)
    _spreads(whole, names, [("warm core", GOOD, [one.core for one in runs]), ("floor", BAD, [one.floor for one in runs])])

    parts.set_title("Its stages, medians", fontsize=10)
    below = np.zeros(len(runs))
    stages = [stage for stage, one in runs[0].stages.items() if one.p50_ms >= 0.005 * runs[0].core.p50_ms]
    for stage, colour in zip(stages, COLOURS, strict=False):
        taken = np.array([one.stages[stage].p50_ms for one in runs])
        parts.bar(range(len(runs)), taken, 0.6, bottom=below, color=colour, label=stage)
        below += taken
    parts.set_xticks(range(len(names)), names)
    parts.set_ylabel("ms")
    parts.legend(fontsize=8)

    batches.set_title("Throughput by batch", fontsize=10)
    kinds = sorted({(b.threads, b.width, b.height) for b in report.batches})
    for k, (threads, width, height) in enumerate(kinds):
        members = [b for b in report.batches if (b.threads, b.width) == (threads, width)]
        label = f"{width}×{height}, {threads} thread{'s' * (threads > 1)}"
        line = "o-" if threads == 1 else "s--"
        colour = COLOURS[sorted({of[1] for of in kinds}).index(width) % len(COLOURS)]
        batches.plot([b.size for b in members], [b.per_second for b in members], line, color=colour, label=label, markersize=4 - (k > 3))
    batches.set_xscale("log", base=2)
    sizes = sorted({b.size for b in report.batches})
    batches.set_xticks(sizes, [str(size) for size in sizes])
    batches.set_ylim(0, 1.35 * max(b.per_second for b in report.batches))
    batches.set_xlabel("try-ons drawn at a time")
    batches.set_ylabel("try-ons a second")
    batches.legend(fontsize=7, loc="best", ncols=2)

    cold.set_title("Cold: JPEG to JPEG, the garment known", fontsize=10)
    colds = sorted(report.colds, key=lambda one: (one.threads, one.width))
    labels = [f"{one.width}×{one.height}\n{one.threads} thread{'s' * (one.threads > 1)}" for one in colds]
    _spreads(cold, [*labels, "12 MP\n1 thread"], [("first try-on", GOOD, [*(one.first for one in colds), report.cold])])
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, default=RESULTS / "core.json")
    parser.add_argument("--out", type=Path, default=RESULTS / "core.png")
    options = parser.parse_args()
    save(plot(msgspec.json.decode(options.json.read_bytes(), type=Report)), options.out)
    print(options.out)


if __name__ == "__main__":
    command(main)
