"""Typed records in a store, sealed: what is personal is unreadable where it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeVar

import msgspec

from service.secrets import Secrets, Unreadable
from service.store import Hit, Store, key_of

FINGERPRINT_S: Final = 30.0
"""A secret that nobody uses any more is forgotten after so long."""
S = TypeVar("S", bound=msgspec.Struct)


@dataclass(slots=True)
class Vault:
    """Everything goes through here but counters, locks and epochs, which tell nothing about anybody."""

    store: Store
    secrets: Secrets
    among_strangers: bool = False
    """Whether the store is used with another secret at the same time; as `look_around` has found it last."""

    async def look_around(self) -> None:
        """Compares the secret's fingerprint with the one that is in the store, which ends with its replicas. Raises StoreUnavailable."""
        key, own = key_of("secret", "fingerprint"), self.secrets.digest("fingerprint").encode()
        found = await self.store.get(key)
        self.among_strangers = found is not None and found.value != own
        if not self.among_strangers:
            await self.store.put(key, own, FINGERPRINT_S)

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
