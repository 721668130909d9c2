"""Writes the README's tables, each between its two marks: from `benchmarks/results`, and others' from `peers.json`.

    python -m benchmarks.tables [--check]

`--check` changes nothing; it ends with 1 when the README tells anything else than the results.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from benchmarks import service_load
from benchmarks.core import RESULTS, Report
from benchmarks.measure import command

README: Final = Path(__file__).parents[1] / "README.md"
PEERS: Final = Path(__file__).parent / "peers.json"
BEGIN, END = "<!-- {name}: written by `python -m benchmarks.tables` -->\n", "<!-- /{name} -->\n"
KINDS: Final = {
    "warm": "warm: photo and garment by their ids, drawn anew",
    "cached": "cached: the same, of which the result is kept",
    "cold": "cold: a 12-megapixel JPEG that was never seen",
}


class Peer(msgspec.Struct, frozen=True):
    """What somebody else's try-on takes, a picture."""

    name: str
    time: str
    size: str
    """Width × height, px."""
    hardware: str
    source: str
    """Where it is told, in Markdown."""
    ours: bool
    """We measured it ourselves; else it is as published."""


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


def http_table(report: service_load.Report) -> str:
    machine, kinds = report.machine, report.kinds.items()
    process = "Poisson process" if report.arrivals == "poisson" else "steady stream"
    about = (
        f"Over HTTP, JPEG out; orders arrive as a {process} that waits for nobody. "
        f"{'One process' if report.replicas == 1 else f'{report.replicas} processes'} on {machine.processor}, {machine.cores} cores, "
        f"which the sender shares, load {machine.load:g}, {machine.device}; engine {report.engine}:"
    )
    lines = [
        about,
        "",
        "| ms from when an order is due | alone p50 | alone p95 | rate sustained | at a p95 of | p50 at that rate | p99 |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, kind in kinds:
        start = f"| {KINDS[name]} | {kind.alone.p50_ms:,.1f} | {kind.alone.p95_ms:,.1f} |"
        held = next((step for step in kind.steps if step.rate == kind.sustained_per_s), None)
        if held is None:
            lines.append(f"{start} none | {kind.bound_ms:g} | | |")
        else:
            lines.append(f"{start} {held.rate:,.1f}/s | {kind.bound_ms:g} | {held.answered.p50_ms:,.1f} | {held.answered.p99_ms:,.1f} |")
    return "\n".join(lines) + "\n"


def peers_table(peers: list[Peer]) -> str:
    """Two tables: what we measured of others, and what is only published; none of it is a row of ours."""

    def rows(ours: bool) -> list[str]:
        return [f"| {p.name} | {p.time} | {p.size} | {p.hardware} | {p.source} |" for p in peers if p.ours == ours]

    head = ["| | a picture | px | on | told by |", "|---|---|---|---|---|"]
    lines = [
        "Of others, **measured** by us, their networks alone (parsing and poses not counted):",
        "",
        *head,
        *rows(True),
        "",
        "**Published**, not measured by us: other hardware, other sizes, other things counted. Only orders of magnitude can be compared.",
        "",
        *head,
        *rows(False),
    ]
    return "\n".join(lines) + "\n"


def _core() -> str:
    return table(msgspec.json.decode((RESULTS / "core.json").read_bytes(), type=Report))


def _http() -> str:
    return http_table(msgspec.json.decode((RESULTS / "http.json").read_bytes(), type=service_load.Report))


def _peers() -> str:
    return peers_table(msgspec.json.decode(PEERS.read_bytes(), type=list[Peer]))


TABLES: Final[dict[str, Callable[[], str]]] = {"core": _core, "http": _http, "peers": _peers}
"""By the name in their marks."""


def between(text: str, name: str, written: str) -> str:
    """`text` with what stands between the marks of `name` replaced. Raises ValueError where the marks are missing."""
    begin, end = BEGIN.format(name=name), END.format(name=name)
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"the README has no marks of {name}")
    return before + begin + written + end + after


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 when the README says something else")
    options = parser.parse_args()
    text = written = README.read_text()
    for name, make in TABLES.items():
        written = between(written, name, make())
    if options.check:
        if written != text:
            print("The README's tables are not what benchmarks/results say: run `python -m benchmarks.tables`.")
        return int(written != text)
    README.write_text(written)
    return 0


if __name__ == "__main__":
    command(main)
