"""How the sustained rate is looked for, and that the results which are kept can be read."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import msgspec
import pytest

from benchmarks import capacity, service_load
from benchmarks.arrivals import Latencies
from benchmarks.capacity import RESULTS
from benchmarks.service_load import QUICK, Range, Step, search


@dataclass(slots=True)
class Known(Range):
    """Holds up to a rate that is known."""

    limit: float = 0.0

    async def attempted(self, rate: float) -> Step:
        return Step(rate, 1.0, Latencies.of([1.0]), 0, 0, 0.0, None, held=rate <= self.limit)


def course(limit: float) -> Known:
    return Known("warm", [], lambda _: b"", QUICK, even=False, limit=limit)


@pytest.mark.parametrize("limit", [3.0, 10.0, 11.0, 47.0, 500.0])
def test_the_sustained_rate_is_found_within_a_few_percent(limit: float) -> None:
    steps = asyncio.run(search(course(limit), 10.0, refinements=4))
    held = max(step.rate for step in steps if step.held)
    assert held <= limit < 1.03 * held


def test_where_no_rate_holds_the_search_ends() -> None:
    steps = asyncio.run(search(course(0.1), 10.0, refinements=4))
    assert [step.rate for step in steps] == [10.0, 5.0, 2.5]


def test_what_was_measured_can_be_read() -> None:
    http = msgspec.json.decode((RESULTS / "http.json").read_bytes(), type=service_load.Report)
    assert {"warm", "cached"} <= set(http.kinds)
    warm = http.kinds["warm"]
    assert len(warm.alone_ms) == len(warm.alone_device_ms) == warm.alone.n
    report = msgspec.json.decode((RESULTS / "capacity.json").read_bytes(), type=capacity.Report)
    assert set(capacity.RATES) <= {need.rate for need in report.fleets[0].needs}
