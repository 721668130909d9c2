"""Single flight: what many ask for at once is done once, in this process and among those that share a store."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from service.store import Store, StoreUnavailable, key_of

V = TypeVar("V")

LEASE_S: Final = 5.0
"""Who computes says so for this long, again and again; when its process dies another one takes over after it."""
RENEW_S: Final = LEASE_S / 3
LOOK_S: Final = (0.02, 0.2)
"""Who waits for another process looks for its result after so long, then less and less often."""


@dataclass(slots=True)
class _Pending(Generic[V]):
    task: asyncio.Task[V]
    waiting: int = 0


class Together(Generic[V]):
    """Within this process, on the event loop only. Work that nobody waits for any more is cancelled."""

    def __init__(self) -> None:
        self._pending: dict[str, _Pending[V]] = {}

    async def do(self, key: str, work: Callable[[], Awaitable[V]]) -> V:
        """What `work` gives to whoever asked first; its error goes to everyone who waits."""
        pending = self._pending.get(key)
        if pending is None:
            pending = self._pending[key] = _Pending(asyncio.ensure_future(work()))
            pending.task.add_done_callback(lambda task: self._ended(key, task))
        pending.waiting += 1
        try:
            return await asyncio.shield(pending.task)
        finally:
            pending.waiting -= 1
            if pending.waiting == 0 and not pending.task.done():
                if self._pending.get(key) is pending:
                    self.leave(key)  # before it ends: whoever asks now must not inherit the cancellation
                pending.task.cancel()

    def under_way(self, key: str) -> bool:
        return key in self._pending

    def leave(self, key: str) -> None:
        """Whoever asks from now on gets a new start; those who wait already get what they wait for."""
        self._pending.pop(key, None)

    def leave_all(self) -> None:
        self._pending.clear()

    def is_current(self, key: str) -> bool:
        """Asked by the work itself: whether nobody has called `leave` since it began."""
        pending = self._pending.get(key)
        return pending is not None and pending.task is asyncio.current_task()

    def _ended(self, key: str, task: asyncio.Task[V]) -> None:
        if key in self._pending and self._pending[key].task is task:
            del self._pending[key]
        if not task.cancelled():
            task.exception()  # marks it as seen, should nobody be left to see it


class Flights(Generic[V]):
    """Among all processes that share `store`; a store that is away costs nothing but that."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._here: Together[tuple[V, bool]] = Together()

    async def run(self, key: str, look_up: Callable[[], Awaitable[V | None]], compute: Callable[[], Awaitable[V]]) -> tuple[V, bool]:
        """What `look_up` finds, else what `compute` gives; and whether somebody else had asked for it before and was waited for."""
        joined = self._here.under_way(key)
        value, elsewhere = await self._here.do(key, lambda: self._among_processes(key, look_up, compute))
        return value, joined or elsewhere

    async def _among_processes(
        self, key: str, look_up: Callable[[], Awaitable[V | None]], compute: Callable[[], Awaitable[V]]
    ) -> tuple[V, bool]:
        lock, token, pause = key_of("flight", key), secrets.token_bytes(8), LOOK_S[0]
        mine = waited = False
        try:
            while True:
                found = await look_up()
                if found is not None:
                    return found, waited
                if mine:
                    return await self._leading(lock, token, compute), False
                if not self._store.shared:
                    return await compute(), False
                mine = await self._store.add(lock, token, LEASE_S)
                if not mine:  # else it looks once more: somebody may have ended just now
                    waited = True
                    await asyncio.sleep(pause)
                    pause = min(1.5 * pause, LOOK_S[1])
        except StoreUnavailable:
            return await compute(), False
        finally:
            if mine:
                await self._give_up(lock, token)

    async def _leading(self, lock: str, token: bytes, compute: Callable[[], Awaitable[V]]) -> V:
        keeper = asyncio.ensure_future(self._renew(lock, token))
        try:
            return await compute()
        finally:
            keeper.cancel()

    async def _renew(self, lock: str, token: bytes) -> None:
        while True:
            await asyncio.sleep(RENEW_S)
            with suppress(StoreUnavailable):
                await self._store.replace(lock, token, token, LEASE_S)

    async def _give_up(self, lock: str, token: bytes) -> None:
        with suppress(StoreUnavailable):
            await self._store.replace(lock, token, None, LEASE_S)
