"""How much is let in, and how what is in gets drawn: admission by expected wait, and a micro-batcher before the device."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Generic

from models.interface import EngineProtocol, Fitting, G, P, TryOn
from service.errors import Overloaded
from service.worker import Worker

SMOOTHING: Final = 0.2
"""Weight of the newest try-on in the running means of what they cost."""
FIRST_HANDS_S: Final = 1.5
FIRST_DEVICE_S: Final = 0.5
"""What a request costs before any was measured: rather too much, for whoever finds nobody inside is let in whatever the guess."""
BUSY: Final = "The service is busy with others just now; try again in a moment."
LEAST_SAMPLES: Final = 3
"""Before so many were measured nobody is refused by a guess."""


@dataclass(slots=True)
class Mean:
    """A running mean, and how far from it the values lie."""

    value: float
    apart: float = 0.0
    samples: int = 0

    def learn(self, value: float) -> None:
        self.samples += 1
        weight = max(SMOOTHING, 1 / self.samples)
        if self.samples > 1:
            self.apart += weight * (abs(value - self.value) - self.apart)
        self.value += weight * (value - self.value)

    @property
    def likely(self) -> float:
        """What is hardly ever exceeded by much, as of a round trip's time in TCP (RFC 6298)."""
        return self.value + self.apart


@dataclass(slots=True)
class Cost:
    """What one kind of request costs, seconds of work: of the threads that read and encode, and of the device."""

    hands_s: Mean = field(default_factory=lambda: Mean(FIRST_HANDS_S))
    device_s: Mean = field(default_factory=lambda: Mean(FIRST_DEVICE_S))

    def learn(self, visit: Visit) -> None:
        self.hands_s.learn(visit.hands_s)
        self.device_s.learn(visit.device_s)


@dataclass(slots=True)
class Visit:
    """One request inside; the seconds of work are told before it leaves."""

    hands_s: float = 0.0
    device_s: float = 0.0


@dataclass(slots=True)
class Admission:
    """So many requests inside at once, and nobody who would still wait when they have to go.

    Whoever is not let in is told so before any work is done for them. The wait is what those inside still cost, by the running means
    of their kind: `hands` threads read and encode side by side, the device draws one after the other.
    """

    limit: int
    hands: int = 1
    inside: int = 0
    hands_backlog_s: float = 0.0
    device_backlog_s: float = 0.0
    """Expected work of all inside."""
    costs: dict[str, Cost] = field(default_factory=dict)

    def ready_s(self, cost: Cost) -> float:
        """When one more of that cost would be ready."""
        read_s = self.hands_backlog_s / self.hands + cost.hands_s.likely
        return max(read_s, self.device_backlog_s) + cost.device_s.likely

    def empty_s(self) -> int:
        """Whole seconds after which those inside should have gone."""
        return _told_s(max(self.hands_backlog_s / self.hands, self.device_backlog_s))

    @contextmanager
    def enter(self, kind: str, patience_s: float = math.inf) -> Iterator[Visit]:
        """`kind`: requests of a kind cost alike; `patience_s`: until the deadline. Raises Overloaded with the seconds after which
        there should be room.
        """
        cost = self.costs.setdefault(kind, Cost())
        ready_s = self.ready_s(cost)
        if self.inside >= self.limit or (self.inside and ready_s > patience_s):
            wait_s = ready_s / 2 if self.inside >= self.limit else ready_s - patience_s
            raise Overloaded(BUSY, retry_after_s=_told_s(wait_s))
        visit, hands_s, device_s = Visit(), cost.hands_s.likely, cost.device_s.likely
        self.inside += 1
        self.hands_backlog_s += hands_s
        self.device_backlog_s += device_s
        try:
            yield visit
            cost.learn(visit)  # of those that failed nothing is learned
        finally:
            self.inside -= 1
            self.hands_backlog_s = max(0.0, self.hands_backlog_s - hands_s) if self.inside else 0.0
            self.device_backlog_s = max(0.0, self.device_backlog_s - device_s) if self.inside else 0.0


def _told_s(wait_s: float) -> int:
    """As the header Retry-After has it."""
    return max(1, min(60, math.ceil(wait_s)))


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[P, G]):
    fitting: Fitting[P, G]
    answer: asyncio.Future[tuple[TryOn, float]]
    deadline: float
    """Of the event loop's clock; infinite for one who found the device free: it may try."""


class Batcher(Generic[P, G]):
    """Draws what waits, `size` at a time, on the device's one thread.

    A batch takes what is there when the device gets free, and waits `wait_s` for more company at most. Whoever has given up is not
    drawn, nor whoever would have, by what drawings took so far. When a batch fails each of its members is drawn alone, so that
    everybody gets their own answer.
    """

    def __init__(
        self,
        engine: EngineProtocol[P, G],
        device: Worker,
        size: int,
        wait_s: float = 0.0,
        told: Callable[[int], None] = lambda _: None,
    ) -> None:
        """`told`: is given the size of every batch."""
        self._engine = engine
        self._device = device
        self._size = size
        self._wait_s = wait_s
        self._told = told
        self._took_s = Mean(0.0)
        self._drawing = False
        self._queue: deque[_Waiting[P, G]] = deque()
        self._more = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None

    @property
    def depth(self) -> int:
        """Fittings that wait for the device."""
        return len(self._queue)

    async def draw(self, fitting: Fitting[P, G], deadline: float = math.inf) -> tuple[TryOn, float]:
        """The picture, and the seconds of the device's time that were its share. Raises what the engine raises, and Overloaded when it
        could not begin early enough for the `deadline` (of the event loop's clock).
        """
        if self._loop is None or self._loop.done():
            self._loop = asyncio.ensure_future(self._run())
        free = not self._queue and not self._drawing
        waiting = _Waiting(fitting, asyncio.get_running_loop().create_future(), math.inf if free else deadline)
        self._queue.append(waiting)
        self._more.set()
        return await waiting.answer  # a cancelled caller cancels it: then it is not drawn

    async def close(self) -> None:
        """What waits is cancelled."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)
        for waiting in self._queue:
            waiting.answer.cancel()
        self._queue.clear()

    async def _run(self) -> None:
        while True:
            self._more.clear()
            if not self._queue:
                await self._more.wait()
            if self._wait_s and len(self._queue) < self._size:
                await asyncio.sleep(self._wait_s)
            members: list[_Waiting[P, G]] = []
            waiting: _Waiting[P, G] | None
            while self._queue and len(members) < self._size:
                waiting = self._queue.popleft()
                if self._in_time(waiting):
                    members.append(waiting)
            if members:
                self._drawing = True
                try:
                    await self._draw(members)
                finally:
                    self._drawing = False
            waiting = None  # while nobody waits, nobody is held
            members.clear()

    def _in_time(self, waiting: _Waiting[P, G]) -> bool:
        """Whether the waiting one is still there, and will be when it is drawn; else it is told."""
        if waiting.answer.done():
            return False
        if self._took_s.samples >= LEAST_SAMPLES and asyncio.get_running_loop().time() + self._took_s.likely > waiting.deadline:
            _answer_with(waiting, Overloaded(BUSY, retry_after_s=_told_s(self._took_s.likely * (1 + self.depth))))
            return False
        return True

    async def _draw(self, members: Sequence[_Waiting[P, G]]) -> None:
        self._told(len(members))
        try:
            begin = time.perf_counter()
            results = await self._device.run(lambda: self._engine.try_on([m.fitting for m in members]))
            took_s = time.perf_counter() - begin
            self._took_s.learn(took_s)
            share_s = took_s / len(members)
        except Exception as error:  # noqa: BLE001 (whatever it is, it belongs to those who wait)
            if len(members) == 1:
                _answer_with(members[0], error)
                return
            for member in members:
                if not member.answer.done():
                    await self._draw([member])
            return
        for member, result in zip(members, results, strict=True):
            if not member.answer.done():
                member.answer.set_result((result, share_s))


def _answer_with(waiting: _Waiting[P, G], error: Exception) -> None:
    if not waiting.answer.done():
        waiting.answer.set_exception(error)
