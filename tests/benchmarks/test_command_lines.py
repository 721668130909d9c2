"""What cannot be done is said in one sentence, with exit code 2."""

from __future__ import annotations

import importlib
import sys

import pytest

from benchmarks.core import RESULTS
from benchmarks.measure import command


@pytest.mark.parametrize(
    "line, told",
    [
        ("gate --slow knit", "choose from"),
        ("gate --slow plate", "choose from"),
        ("gate --runs 0", "0 is less than 1"),
        ("soak --tries 3", "3 is less than"),
        ("core --device abacus", "no device abacus"),
        ("service_load --replicas 0", "0 is less than 1"),
        ("tables --chek", "unrecognized"),
        ("plots --json nowhere.json", "nowhere.json: No such file"),
        ("history --add why --core nowhere.json", "nowhere.json: No such file"),
        ("capacity --http nowhere.json", "nowhere.json: No such file"),
        (f"capacity --http {RESULTS / 'core.json'}", "missing required field"),
        (f"capacity --gpu {RESULTS / 'core.json'}", "measured on a CPU"),
        ("calibration nowhere", "manifest.csv: No such file"),
    ],
)
def test_arguments_that_cannot_be_are_told(
    line: str, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name, *arguments = line.split()
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    with pytest.raises(SystemExit) as ended:
        command(importlib.import_module(f"benchmarks.{name}").main)
    assert ended.value.code == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert told in said[-1]
    assert "Traceback" not in "".join(said)


def test_the_readme_tells_what_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["tables", "--check"])
    with pytest.raises(SystemExit) as ended:
        command(importlib.import_module("benchmarks.tables").main)
    assert ended.value.code == 0
