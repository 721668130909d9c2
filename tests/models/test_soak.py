"""Thousands of try-ons leave nothing behind; each in a process of its own, where no other test's memory is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from benchmarks.soak import LOOKS, Report

ROOT = Path(__file__).parents[2]


def soak(tries: int, out: Path) -> Report:
    command = [sys.executable, "-m", "benchmarks.soak", "--tries", str(tries), "--json", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert out.exists(), done.stderr[-2000:]
    report = msgspec.json.decode(out.read_bytes(), type=Report)
    assert (report.tries, len(report.resident_mb)) == (tries, LOOKS)
    return report


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
@pytest.mark.timeout(600)
def test_a_thousand_try_ons_leave_nothing_behind(tmp_path: Path) -> None:
    report = soak(1000, tmp_path / "soak.json")
    assert report.growth_mb <= report.allowed_mb, report


@pytest.mark.soak
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
@pytest.mark.timeout(7200)
def test_ten_thousand_try_ons_leave_nothing_behind(tmp_path: Path) -> None:
    """`python -m benchmarks.soak --json benchmarks/results/soak.json` is the same and keeps what it found."""
    report = soak(10_000, tmp_path / "soak.json")
    assert report.growth_mb <= report.allowed_mb, report
