"""Requests that arrive when they are due, whether or not the ones before were answered (an open loop).

A client that waits for an answer before it asks again stops asking just when the server is slow, and so never sees what all the others
would have waited (Gil Tene's "coordinated omission"). Here every request has its time; latency counts from that time, also where the
generator itself was late.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from benchmarks.measure import nearest_rank

MOST_IN_FLIGHT: Final = 1000
"""Connections at once; beyond, requests wait for one, and that counts as latency too."""
GIVE_UP_S: Final = 60.0
"""An answer that takes longer is an error."""


class Latencies(msgspec.Struct, frozen=True):
    """Of `n` answers, ms; percentiles by the nearest rank: values that were measured."""

    n: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    most_ms: float

    @classmethod
    def of(cls, milliseconds: Sequence[float]) -> Latencies:
        if not milliseconds:
            return cls(0, 0.0, 0.0, 0.0, 0.0)
        return cls(len(milliseconds), *(round(nearest_rank(milliseconds, share), 3) for share in (0.5, 0.95, 0.99, 1.0)))


@dataclass(frozen=True, slots=True)
class Answer:
    """To one request. Seconds count from the time when it was due."""

    status: int
    """0: none came."""
    cache_status: str
    device_s: float
    """Of it, by the service's own clock, the drawing; 0 where nothing was drawn."""
    late_s: float
    """Until it was sent."""
    took_s: float


def due_times(rate: float, count: int, seed: int, even: bool = False) -> list[float]:
    """When `count` requests arrive, seconds from the begin: as a Poisson process of `rate` a second, or evenly spaced."""
    if even:
        return [k / rate for k in range(count)]
    gaps, at, found = random.Random(seed), 0.0, []
    for _ in range(count):
        found.append(at)
        at += gaps.expovariate(rate)
    return found


def message(path: str, body: bytes, media_type: str, accept: str) -> bytes:
    """A POST as it goes over the wire: made before the clock runs."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Client:
    """HTTP/1.1 to one server over kept connections. It costs a fraction of a millisecond a request: what a full client costs would be
    measured as the server's, which shares the machine with it.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def post(self, sent: bytes) -> tuple[int, dict[str, str]]:
        """The status and the headers, once all of the answer has come. Raises OSError, EOFError, TimeoutError."""
        while self._idle and self._idle[-1][0].at_eof():  # closed by the server, which waits for the next request for some seconds only
            self._idle.pop()[1].close()
        reader, writer = self._idle.pop() if self._idle else await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(sent)
            async with asyncio.timeout(GIVE_UP_S):
                status, fields = _head(await reader.readuntil(b"\r\n\r\n"))
                await reader.readexactly(int(fields.get("content-length", "0")))
        except BaseException:
            writer.close()
            raise
        if fields.get("connection") == "close":
            writer.close()
        else:
            self._idle.append((reader, writer))
        return status, fields

    async def close(self) -> None:
        for _, writer in self._idle:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for _, writer in self._idle), return_exceptions=True)
        self._idle.clear()


def _head(head: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = (line.partition(":") for line in lines if line)
    return int(first.split(" ")[1]), {name.lower(): value.strip() for name, _, value in fields}


def _drawing_s(server_timing: str) -> float:
    """Of the header Server-Timing."""
    durations = (part.strip().partition(";dur=") for part in server_timing.split(","))
    return next((float(ms) / 1000 for name, _, ms in durations if name == "try_on"), 0.0)


async def arrive(clients: Sequence[Client], sent: Callable[[int], bytes], due_s: Sequence[float]) -> list[Answer]:
    """Sends request number k at `due_s[k]` to the clients in turn; ends when all are answered."""
    room = asyncio.Semaphore(MOST_IN_FLIGHT)
    begin = time.perf_counter()

    async def one(k: int) -> Answer:
        at = begin + due_s[k]
        async with room:
            late_s = time.perf_counter() - at
            try:
                status, fields = await clients[k % len(clients)].post(sent(k))
            except (OSError, EOFError, TimeoutError):
                status, fields = 0, {}
        took_s = time.perf_counter() - at
        return Answer(status, fields.get("cache-status", ""), _drawing_s(fields.get("server-timing", "")), late_s, took_s)

    tasks = []
    for k, due in enumerate(due_s):
        await asyncio.sleep(max(0.0, begin + due - time.perf_counter()))
        tasks.append(asyncio.create_task(one(k)))
    return list(await asyncio.gather(*tasks))


async def alone(client: Client, sent: Callable[[int], bytes], count: int) -> list[Answer]:
    """One after the other: each is due when the one before was answered."""
    answers = []
    for k in range(count):
        answers += await arrive([client], lambda _, k=k: sent(k), [0.0])  # type: ignore[misc]  # as of now
    return answers
