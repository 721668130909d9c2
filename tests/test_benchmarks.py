"""What the benchmarks left behind can be read, and drawn; how memory and quantiles are measured."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from matplotlib.figure import Figure

from benchmarks import core, growth, history, plots, soak
from benchmarks.core import RESULTS
from benchmarks.figures import save
from benchmarks.gate import RUNS, Runs
from benchmarks.measure import PeakMemory, nearest_rank, resident_mb

KEPT = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc")


def drawn(figure: Figure, out: Path) -> bytes:
    save(figure, out)
    return out.read_bytes()


def test_every_result_can_be_read_and_drawn(tmp_path: Path) -> None:
    measured = msgspec.json.decode((RESULTS / "core.json").read_bytes(), type=core.Report)
    grown = msgspec.json.decode((RESULTS / "growth.json").read_bytes(), type=growth.Report)
    for figure in (plots.plot(measured), growth.plot(grown), history.plot(history.read())):
        assert drawn(figure, tmp_path / "plot.png").startswith(b"\x89PNG")
    soaked = msgspec.json.decode((RESULTS / "soak.json").read_bytes(), type=soak.Report)
    assert soaked.passed
    assert soaked.tries >= 10_000


def test_the_gate_was_run_twenty_times() -> None:
    runs = msgspec.json.decode(RUNS.read_bytes(), type=Runs)
    assert len(runs.runs) >= 20
    assert runs.passed == len(runs.runs)
    assert all(spread.most <= spread.tolerance for spread in runs.spread.values())


@pytest.mark.skipif(not (Path(__file__).parents[1] / ".git").exists(), reason="not a git checkout")
def test_an_entry_of_the_history_is_of_its_run() -> None:
    measured = msgspec.json.decode((RESULTS / "core.json").read_bytes(), type=core.Report)
    entry = history.entry_of(measured, "something", "core.json")
    first = measured.warm[0]
    assert entry.ratio_p95 == pytest.approx(first.core.p95_ms / first.floor.p95_ms, abs=0.01)
    assert entry.ratio_cpu == first.ratio


def test_quantiles_are_values_that_were_measured() -> None:
    values = [5.0, 1.0, 4.0, 2.0, 3.0]
    assert [nearest_rank(values, share) for share in (0, 0.2, 0.5, 0.95, 1)] == [1, 1, 3, 5, 5]


@KEPT
def test_a_peak_is_of_its_lap() -> None:
    memory, before = PeakMemory(), resident_mb()
    held = np.ones(25_000_000)
    del held
    assert memory.lap() - before > 150
    assert memory.lap() - before < 100
    assert memory.most_mb > before + 150
