"""What is kept for a while and shared by replicas: one protocol, two backends (`memory_store`, `redis_store`).

Keys carry a version (`KEY_VERSION`) that changes with the stored form. What belongs to a person is kept for an *owner*, goes
with them in one step (`erase`), and cannot come back by a hand that was still at work: each owner has an epoch, which an
erasure ends, and what began in an older epoch is not kept.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol

KEY_VERSION: Final = "muslin:2"
EPOCH_TTL_S: Final = 86_400.0
"""An ended epoch is remembered so long: longer than anything is under way."""


class StoreUnavailable(Exception):
    """The store cannot be reached just now."""


@dataclass(frozen=True, slots=True)
class Hit:
    value: bytes
    ttl_s: float
    """Seconds until it expires."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many calls in a window, spread evenly, with a burst of all of them: the generic cell rate algorithm."""

    limit: int
    window_s: float


@dataclass(frozen=True, slots=True)
class Allowance:
    allowed: bool
    left: int
    """Calls that would be allowed at once."""
    reset_s: float
    """Seconds until all of them are again."""
    retry_s: float
    """Seconds until the next one is; 0 when it was allowed."""


Listener = Callable[[str], Awaitable[None]]


class Store(Protocol):
    """All calls raise StoreUnavailable, and nothing else, when the store is away; they return or raise within a second."""

    @property
    def shared(self) -> bool:
        """Whether other processes see the same."""
        ...

    async def get(self, key: str) -> Hit | None: ...

    async def put(self, key: str, value: bytes, ttl_s: float) -> None: ...

    async def add(self, key: str, value: bytes, ttl_s: float) -> bool:
        """Puts it where nothing is; False where something is."""
        ...

    async def replace(self, key: str, old: bytes, new: bytes | None, ttl_s: float) -> bool:
        """Puts `new` (None: removes it) only while `old` is there, in one step."""
        ...

    async def remove(self, *keys: str) -> int:
        """How many were there."""
        ...

    async def epoch(self, owner: str) -> int: ...

    async def look(self, owner: str, key: str) -> tuple[int, Hit | None]:
        """`epoch` and `get` in one."""
        ...

    async def put_owned(self, owner: str, epoch: int, key: str, value: bytes, ttl_s: float) -> bool:
        """Puts what `erase` shall remove; False, and nothing is kept, when the owner's epoch is another one by now."""
        ...

    async def erase(self, *owners: str) -> int:
        """Removes all that is kept for the owners and ends their epochs, in one step; how many keys that were."""
        ...

    async def take(self, key: str, rate: Rate) -> Allowance:
        """One call of a rate."""
        ...

    async def spend(self, key: str, limit: int, ttl_s: float) -> int:
        """One of `limit` units, which come back after `ttl_s`; how many are left then, -1 when there was none."""
        ...

    async def tell(self, channel: str, message: str) -> None:
        """To the listeners of all processes."""
        ...

    def listen(self, channel: str, listener: Listener) -> None:
        """`listener` is told every message, and an empty one when some may have been missed."""
        ...

    async def ping(self) -> None: ...

    async def close(self) -> None: ...


def key_of(kind: str, name: str) -> str:
    """The only place where keys are made."""
    return f"{KEY_VERSION}:{kind}:{name}"
