"""What Prometheus may ask: how many requests, how they ended, how long each stage took. Never about whom."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

STAGE_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64)
CONFIDENCE_BUCKETS = (0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


class Metrics:
    """One registry an application, so that two of them in a process do not mix."""

    def __init__(self, in_flight: Callable[[], float], queued: Callable[[], float]) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "muslin_requests",
            "Answered requests by route and outcome (ok or the problem's slug)",
            ["route", "outcome"],
            registry=self._registry,
        )
        self._stages = Histogram(
            "muslin_stage_seconds", "Time of a try-on by stage", ["stage"], registry=self._registry, buckets=STAGE_BUCKETS_S
        )
        self._cache = Counter("muslin_result_cache", "Looked-up results by hit, miss or bypass", ["outcome"], registry=self._registry)
        self._confidence = Histogram(
            "muslin_confidence", "Confidence of the drawn try-ons", registry=self._registry, buckets=CONFIDENCE_BUCKETS
        )
        Gauge("muslin_in_flight", "Try-ons accepted and not yet answered", registry=self._registry).set_function(in_flight)
        Gauge("muslin_queue_depth", "Try-ons that wait for the device", registry=self._registry).set_function(queued)
        self._batches = Histogram("muslin_batch_size", "Try-ons drawn together", registry=self._registry, buckets=BATCH_BUCKETS)

    def batched(self, size: int) -> None:
        self._batches.observe(size)

    def answered(self, route: str, outcome: str) -> None:
        self._requests.labels(route, outcome).inc()

    def dressed(self, timings_ms: dict[str, float], cache_status: str, confidence: float) -> None:
        hit = "; hit" in cache_status
        self._cache.labels("hit" if hit else "bypass" if "fwd=bypass" in cache_status else "miss").inc()
        for stage, ms in timings_ms.items():
            self._stages.labels(stage).observe(ms / 1000)
        if not hit:
            self._confidence.observe(confidence)

    def exposition(self) -> tuple[bytes, str]:
        """The text and its media type."""
        return generate_latest(self._registry), CONTENT_TYPE_PLAIN_0_0_4
