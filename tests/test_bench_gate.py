"""The gate against slowness: the committed baseline is one, a stage that is slower by half fails, and it says which."""

from __future__ import annotations

from functools import partial

import msgspec
import pytest

from benchmarks import gate
from benchmarks.gate import SHARE_LEAST, SLOWED_BY, TOLERANCE, Baseline, ProcessorClock
from benchmarks.pairs import Pair
from models.engine import Engine

SIZE = (384, 512)
ROUNDS = 6


@pytest.fixture(scope="module")
def fittings() -> list[Pair]:
    return gate.pairs(Engine(), SIZE, ("woman",), ("print-tee", "dotted-dress"))


@pytest.fixture(scope="module")
def base(fittings: list[Pair]) -> Baseline:
    return gate.baseline("a test's own", Engine(clock=ProcessorClock), fittings, SIZE, ROUNDS)


def test_the_committed_baseline_tells_why() -> None:
    committed = gate.read_baseline()
    assert len(committed.reason.split()) >= 3
    shares = [level.share for level in committed.levels.stages.values()]
    assert sum(share >= SHARE_LEAST for share in shares) >= 2
    assert sum(shares) == pytest.approx(1, abs=0.05)
    assert not gate.slower(committed.levels, committed.levels)


def test_what_did_not_change_passes(fittings: list[Pair]) -> None:
    one, other = gate.in_turns([Engine(clock=ProcessorClock)] * 2, fittings, SIZE, 3 * ROUNDS)
    assert not gate.slower(one, other)


@pytest.mark.parametrize("stage", ["drape", "compose"])
def test_a_stage_that_is_slower_by_half_fails_by_its_name(fittings: list[Pair], stage: str) -> None:
    assert 1 + SLOWED_BY > TOLERANCE
    engines = [Engine(clock=ProcessorClock), Engine(clock=partial(ProcessorClock, stage))]
    plain, slowed = gate.in_turns(engines, fittings, SIZE, 3 * ROUNDS)
    assert plain.stages[stage].share >= SHARE_LEAST
    told = gate.slower(slowed, plain)
    assert any(line.startswith(f"{stage} takes 1.") for line in told), told


def test_what_is_much_slower_is_measured_again_before_it_fails(fittings: list[Pair], base: Baseline) -> None:
    stages = {name: msgspec.structs.replace(level, ratio=level.ratio / 3) for name, level in base.levels.stages.items()}
    of_old = msgspec.structs.replace(base.levels, core_p95=base.levels.core_p95 / 3, stages=stages)
    run = gate.judged(Engine(clock=ProcessorClock), fittings, SIZE, of_old, ROUNDS)
    assert not run.passed
    assert run.attempts == gate.ATTEMPTS
    assert run.slower[0].startswith("the core (p95) takes ")


def test_stages_that_come_and_go_are_told(base: Baseline) -> None:
    stages = dict(base.levels.stages)
    stages["knit"] = stages.pop("compose")
    told = gate.slower(msgspec.structs.replace(base.levels, stages=stages), base.levels)
    assert [line.split()[0] for line in told] == ["knit", "compose"]


def test_on_another_processor_more_is_allowed() -> None:
    base = gate.read_baseline()
    assert gate.comparable(base, base.machine) is base.levels
    wider = gate.comparable(base, msgspec.structs.replace(base.machine, processor="another"))
    assert wider.core_p95 == pytest.approx(gate.ELSEWHERE * base.levels.core_p95)
    assert not gate.slower(base.levels, wider)
