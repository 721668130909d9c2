"""Writes the README's table of latencies from `benchmarks/results/core.json`, between its two marks.

    python -m benchmarks.tables [--check]

`--check` changes nothing; it ends with 1 when the README tells anything else than the results.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.core import RESULTS, Report

README: Final = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- core: written by `python -m benchmarks.tables` -->\n", "<!-- /core -->\n"


def table(report: Report) -> str:
    first = report.warm[0]
    rows = [
        ("warm try-on: photo and garment read before", first.core),
        ("the floor: one remap of 4 channels and one JPEG", first.floor),
        ("read a person (once a photo)", report.read_person),
        ("read a garment (once a picture)", report.read_garment),
        ("first try-on of a 12-megapixel JPEG, file to file, the garment known", report.cold),
        *((f"one small network, lraspp_mobilenet_v3_large at {size}", spread) for size, spread in report.networks.items()),
    ]
    about = (
        f"Milliseconds at {first.width} × {first.height}, one thread; {report.machine.processor}, {report.machine.cores} cores, "
        f"load {report.machine.load:g}, torch {report.machine.packages['torch']}, {report.machine.device}; engine {report.engine}:"
    )
    lines = [
        about,
        "",
        "| | p50 | p95 | CPU |",
        "|---|---:|---:|---:|",
        *(f"| {name} | {spread.p50_ms:,.1f} | {spread.p95_ms:,.1f} | {spread.cpu_ms:,.1f} |" for name, spread in rows),
        "",
        f"The warm try-on costs {first.ratio:.1f} times the floor's processor time, {first.per_second:.1f} a second on one thread.",
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    report = msgspec.json.decode((RESULTS / "core.json").read_bytes(), type=Report)
    text = README.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    written = before + BEGIN + table(report) + END + after
    if "--check" in sys.argv[1:]:
        return int(written != text)
    README.write_text(written)
    return 0


if __name__ == "__main__":
    sys.exit(main())
