"""Open-loop arrivals: what a slow server costs those who come meanwhile is seen."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator

import pytest

from benchmarks.arrivals import Client, alone, arrive, due_times, message
from benchmarks.measure import nearest_rank

SENT = message("/", b"{}", "application/json", "image/jpeg")
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nCache-Status: muslin; hit\r\nServer-Timing: encode;dur=1, try_on;dur=7.5\r\n\r\nok"


@contextlib.asynccontextmanager
async def server(works_s: float, answer: bytes = ANSWER) -> AsyncIterator[int]:
    """Answers one at a time; gives its port."""
    turn = asyncio.Lock()

    served = set[asyncio.Task[None] | None]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.add(asyncio.current_task())
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await reader.readexactly(len(SENT))
                async with turn:
                    await asyncio.sleep(works_s)
                writer.write(answer)
        writer.close()
        await writer.wait_closed()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1]
    await asyncio.gather(*filter(None, served))


def test_those_who_come_while_it_is_slow_are_counted_with_their_wait() -> None:
    """Of twenty who come every 10 ms to a server that takes 50 ms, the last is due at 190 ms and answered at 1 s."""

    async def main() -> tuple[list[float], list[float]]:
        async with server(0.05) as port:
            client = Client(port)
            open_loop = [answer.took_s for answer in await arrive([client], lambda _: SENT, due_times(100.0, 20, 0, even=True))]
            closed_loop = [answer.took_s for answer in await alone(client, lambda _: SENT, 5)]
            await client.close()
            return open_loop, closed_loop

    open_loop, closed_loop = asyncio.run(main())
    assert max(open_loop) > 0.8
    assert open_loop[0] < open_loop[9] < open_loop[19]
    assert min(closed_loop) < 0.1, "who waits for the answer before asking again sees nothing of it"


def test_what_an_answer_tells() -> None:
    async def main() -> None:
        async with server(0.0) as port:
            client = Client(port)
            (answer,) = await alone(client, lambda _: SENT, 1)
            assert (answer.status, answer.cache_status, answer.device_s) == (200, "muslin; hit", 0.0075)
            await client.close()
        (answer,) = await alone(Client(port), lambda _: SENT, 1)
        assert answer.status == 0, "nobody is there any more"

    asyncio.run(main())


def test_a_poisson_process() -> None:
    due = due_times(50.0, 20_000, seed=1)
    gaps = [later - earlier for earlier, later in itertools.pairwise(due)]
    mean = sum(gaps) / len(gaps)
    assert mean == pytest.approx(0.02, rel=0.03)
    assert sum((gap - mean) ** 2 for gap in gaps) / len(gaps) == pytest.approx(mean**2, rel=0.1), "as exponential gaps have it"
    assert due == due_times(50.0, 20_000, seed=1)


def test_nearest_rank() -> None:
    values = [float(value) for value in range(1, 21)]
    assert [nearest_rank(values, share) for share in (0.5, 0.95, 0.99, 1.0)] == [10.0, 19.0, 20.0, 20.0]
