"""Typed records in a store, sealed: what is personal is unreadable where it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import msgspec

from service.secrets import Secrets, Unreadable
from service.store import Hit, Store

S = TypeVar("S", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Vault:
    """Everything goes through here but counters, locks and epochs, which tell nothing about anybody."""

    store: Store
    secrets: Secrets

    async def get(self, key: str) -> Hit | None:
        """None also for what cannot be opened: it was sealed with another secret. Raises StoreUnavailable."""
        return self._opened(key, await self.store.get(key))

    async def get_record(self, key: str, kind: type[S]) -> tuple[S, float] | None:
        """The record and the seconds it has left; None also for one of another form."""
        return self._read(key, await self.store.get(key), kind)

    def _opened(self, key: str, hit: Hit | None) -> Hit | None:
        if hit is None:
            return None
        try:
            return Hit(self.secrets.open(key, hit.value), hit.ttl_s)
        except Unreadable:
            return None

    def _read(self, key: str, sealed: Hit | None, kind: type[S]) -> tuple[S, float] | None:
        hit = self._opened(key, sealed)
        if hit is None:
            return None
        try:
            return msgspec.msgpack.decode(hit.value, type=kind), hit.ttl_s
        except (msgspec.DecodeError, msgspec.ValidationError):
            return None

    async def look(self, owner: str, key: str, kind: type[S]) -> tuple[int, tuple[S, float] | None]:
        """The owner's epoch and the record, in one round trip."""
        epoch, hit = await self.store.look(owner, key)
        return epoch, self._read(key, hit, kind)

    def sealed(self, key: str, value: bytes | msgspec.Struct) -> bytes:
        return self.secrets.seal(key, value if isinstance(value, bytes) else msgspec.msgpack.encode(value))

    async def put(self, key: str, value: bytes | msgspec.Struct, ttl_s: float) -> None:
        await self.store.put(key, self.sealed(key, value), ttl_s)

    async def put_owned(self, owner: str, epoch: int, key: str, value: bytes | msgspec.Struct, ttl_s: float) -> bool:
        """See `Store.put_owned`."""
        return await self.store.put_owned(owner, epoch, key, self.sealed(key, value), ttl_s)
