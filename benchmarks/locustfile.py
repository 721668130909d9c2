"""Shoppers for locust: first one alone who orders again at once, then many at a steady rate, told apart in the statistics.

    locust --headless --json -f benchmarks/locustfile.py --host http://127.0.0.1:8000 --orders FILE
           [--shoppers 6] [--share 0.3] [--alone-s 3] [--load-s 4]

FILE holds a list of orders as `POST /v1/try-ons` takes them in JSON; they are sent in turn, round and round. Each of the many orders once
a second, so that `--shoppers` is also the rate a second, as long as nobody waits for longer than that.
"""

from __future__ import annotations

import itertools
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
from locust import FastHttpUser, LoadTestShape, events

ALONE: Final = "alone"
LOAD: Final = "load"
EVERY_S: Final = 1.0
"""Between two orders of a shopper who is not alone."""


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--orders", type=Path, required=True)
    parser.add_argument("--shoppers", type=int, default=6)
    parser.add_argument("--share", type=float, default=0.3)
    parser.add_argument("--alone-s", type=float, default=3.0)
    parser.add_argument("--load-s", type=float, default=4.0)


events.init_command_line_parser.add_listener(add_options)  # type: ignore[no-untyped-call]  # locust's


class Phases(LoadTestShape):
    many: int | None = None

    def tick(self) -> tuple[int, float] | None:
        assert self.runner is not None
        options: Any = self.runner.environment.parsed_options
        now_s: float = self.get_run_time()  # type: ignore[no-untyped-call]
        if now_s < options.alone_s:
            return 1, 1
        if self.many is None:
            alone_per_s = self.runner.stats.get(ALONE, "POST").num_requests / options.alone_s
            self.many = max(2, min(options.shoppers, round(options.share * alone_per_s)))
        return (self.many, self.many) if now_s < options.alone_s + options.load_s else None


class Shopper(FastHttpUser):
    orders: Iterator[Any] | None = None
    """Of all shoppers together."""

    def on_start(self) -> None:
        if Shopper.orders is None:
            options: Any = self.environment.parsed_options
            Shopper.orders = itertools.cycle(msgspec.json.decode(options.orders.read_bytes()))

    def order(self) -> None:
        assert Shopper.orders is not None
        assert self.environment.runner is not None
        phase = ALONE if self.environment.runner.user_count == 1 else LOAD
        begin = time.monotonic()
        with self.client.post("/v1/try-ons", json=next(Shopper.orders), name=phase, catch_response=True) as answer:
            if answer.status_code != 200 or "fwd=uri-miss" not in (answer.headers.get("cache-status") or ""):
                answer.failure(f"{answer.status_code} {answer.headers.get('cache-status')}: not drawn")
        self._pause_s = 0.0 if phase == ALONE else max(0.0, begin + EVERY_S - time.monotonic())

    def wait_time(self) -> float:
        return self._pause_s

    tasks = [order]  # noqa: RUF012 (so locust has it)
