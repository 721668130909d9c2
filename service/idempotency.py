"""Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): a request that is sent again does not happen again.

Only the name of what a request made is kept, never an answer: a repeated answer is made from the resource as it is now, and what was
deleted meanwhile stays deleted.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

import msgspec

from service.callers import Caller
from service.errors import IdempotencyMismatch, InvalidRequest, StillUnderWay
from service.store import StoreUnavailable, key_of
from service.vault import Vault

KEY: Final = re.compile(r'"?([\x21\x23-\x7e]{1,200})"?')
KEPT_S: Final = 86_400.0
PENDING_S: Final = 60.0
"""What began and never ended, with its process, may be tried again after so long."""


class _Record(msgspec.Struct, frozen=True):
    fingerprint: str
    made: str
    """The id of what was made; empty while it is under way."""


@dataclass(slots=True)
class Once:
    """One request that may be a repetition."""

    earlier: str | None = None
    """The id of what the first one made."""
    made: str = ""
    """To be set to the id of what this one makes."""


class Idempotency:
    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    @asynccontextmanager
    async def once(self, key: str | None, caller: Caller, route: str, *request: bytes | str) -> AsyncIterator[Once]:
        """`key`: the header, None without; `request`: all that makes the request what it is.

        While the store is away repetitions are not told. Raises InvalidRequest, IdempotencyMismatch, StillUnderWay.
        """
        if key is None:
            yield Once()
            return
        found = KEY.fullmatch(key.strip())
        if found is None:
            raise InvalidRequest("Idempotency-Key must be 1 to 200 visible ASCII characters.", field="Idempotency-Key")
        place = key_of("once", self._vault.secrets.digest("once", caller.tenant, caller.shopper or "", route, found[1]))
        fingerprint = self._vault.secrets.digest("fingerprint", *request)
        pending = self._vault.sealed(place, _Record(fingerprint, ""))
        once = Once()
        try:
            if not await self._vault.store.add(place, pending, PENDING_S):
                once.earlier = await self._earlier(place, fingerprint)
        except StoreUnavailable:
            yield once
            return
        try:
            yield once
        except BaseException:
            if once.earlier is None:
                with suppress(StoreUnavailable):
                    await self._vault.store.replace(place, pending, None, 1)  # it did not happen: it may be tried again
            raise
        if once.earlier is None and once.made:
            with suppress(StoreUnavailable):
                await self._vault.store.replace(place, pending, self._vault.sealed(place, _Record(fingerprint, once.made)), KEPT_S)

    async def _earlier(self, place: str, fingerprint: str) -> str | None:
        found = await self._vault.get_record(place, _Record)
        if found is None:
            return None  # it has just ended without success
        if found[0].fingerprint != fingerprint:
            raise IdempotencyMismatch("This Idempotency-Key came before, with another request.", field="Idempotency-Key")
        if not found[0].made:
            raise StillUnderWay("The first request with this Idempotency-Key is still under way.", retry_after_s=1)
        return found[0].made
