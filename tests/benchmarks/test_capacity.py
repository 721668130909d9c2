"""The simulated queues against what is known of queues, and the model built of them."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.capacity import AtRandom, Floats, OneQueue, batched, one_queue, p95_ms, poisson, replicas_for

COUNT = 150_000
NOTHING = np.zeros(1)


@pytest.mark.parametrize(
    "servers, erlangs, waiting",  # Erlang C, the share that has to wait: tabled values
    [(1, 0.5, 0.5), (2, 1.0, 1 / 3), (5, 4.0, 0.5541), (10, 8.0, 0.4092), (20, 16.0, 0.2561)],
)
def test_erlang_c(servers: int, erlangs: float, waiting: float) -> None:
    """M/M/c: how many wait, and for how long on average: waiting / (servers - erlangs) service times."""
    rng = np.random.default_rng(1)
    service_ms = rng.exponential(10.0, COUNT)
    arrivals = poisson(1000 * erlangs / 10.0, COUNT, rng)
    waits = (one_queue(arrivals, service_ms, servers) - arrivals)[COUNT // 10 :]
    assert (waits > 1e-9).mean() == pytest.approx(waiting, abs=0.02)
    assert waits.mean() == pytest.approx(10.0 * waiting / (servers - erlangs), rel=0.1)


def test_constant_work_waits_half_as_long() -> None:
    """M/D/1 by Pollaczek and Khinchine: load / (2 (1 - load)) service times."""
    arrivals = poisson(80.0, COUNT, np.random.default_rng(2))
    waits = one_queue(arrivals, np.full(COUNT, 10.0), 1) - arrivals
    assert waits.mean() == pytest.approx(10.0 * 0.8 / (2 * 0.2), rel=0.06)


def test_the_p95_of_one_server() -> None:
    """M/M/1: the time from arrival to end is exponential, of mean service / (1 - load)."""
    service_ms: Floats = np.random.default_rng(3).exponential(10.0, 20_000)
    found = p95_ms(OneQueue(service_ms, np.zeros_like(service_ms)), 70.0, 1, COUNT)
    assert found == pytest.approx(-np.log(0.05) * service_ms.mean() / (1 - 0.07 * service_ms.mean()), rel=0.1)


def test_batches_of_one_are_a_queue() -> None:
    arrivals = poisson(70.0, 20_000, np.random.default_rng(4))
    assert np.allclose(batched(arrivals, {1: 10.0}), one_queue(arrivals, np.full(20_000, 10.0), 1) + 10.0)


def test_batches_take_who_waits() -> None:
    assert batched(np.array([0.0, 1.0, 2.0, 3.0, 50.0]), {1: 10.0, 2: 12.0}).tolist() == [10.0, 22.0, 22.0, 32.0, 60.0]


def test_fewest_replicas() -> None:
    """Deterministic work of 30 ms: 1,000 a second need more than 30 replicas, and one queue fewer than many."""
    work = np.full(1, 30.0)
    shared, apart = (replicas_for(way(work, NOTHING), 1000.0, 30, 20_000) for way in (OneQueue, AtRandom))
    assert shared is not None
    assert apart is not None
    assert 31 <= shared < 36
    assert shared < apart < 60
    assert replicas_for(OneQueue(np.full(1, 101.0), NOTHING), 1000.0, 101, 5_000) is None, "the work alone takes longer than that"
