"""Who may ask for what, and how often: API keys for servers, short-lived tokens for shoppers' browsers, rates for all.

An API key is 32 random bytes, kept as their hash. A token is signed and carries its tenant, end and quota; only what was spent of
the quota is kept. Rates are shared by all replicas; while Redis is away each replica counts for itself. Quotas are not: while
nobody knows what was spent, nothing can be.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets as randomness
import time
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from service.callers import ANYBODY, Caller
from service.database import execute, fetch
from service.errors import CredentialsMissing, QuotaSpent, TooManyRequests
from service.lru import ExpiringLru
from service.memory_store import MemoryStore
from service.secrets import Secrets
from service.settings import Settings
from service.store import Allowance, Rate, Store, StoreUnavailable
from service.tables import API_KEYS

KEY_PREFIX, TOKEN_PREFIX = "mk_", "mt_"
KEY_BYTES: Final = 32
REMEMBERED_S: Final = 15.0
"""A key that was looked up is believed so long: a revoked one, and the tokens made with it, work so long at most."""
MINUTE_S: Final = 60.0
RATE_PER_MINUTE: Final = 600
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class ApiKey(msgspec.Struct, frozen=True):
    """A key as it is listed; the key itself is told once, when it is made."""

    id: str
    tenant: str
    name: str
    created: float
    revoked: float | None


class Token(msgspec.Struct, frozen=True, array_like=True):
    """What a shopper's token says."""

    id: str
    tenant: str
    expires: float
    quota: int
    key: str
    """Id of the API key it was made with; it ends with that."""


class ApiKeys:
    """In the database. All raise DatabaseUnavailable."""

    def __init__(self, database: AsyncEngine, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    async def create(self, name: str, tenant: str) -> tuple[ApiKey, str]:
        """The key is nowhere else from now on."""
        key = KEY_PREFIX + base64.urlsafe_b64encode(randomness.token_bytes(KEY_BYTES)).decode().rstrip("=")
        made = ApiKey(f"key_{randomness.token_hex(8)}", tenant, name, self._clock(), None)
        await execute(self._database, insert(API_KEYS).values(**msgspec.structs.asdict(made), hash=_hash(key)))
        return made, key

    async def find(self, key: str) -> ApiKey | None:
        """One that was not revoked."""
        query = select(API_KEYS).where(API_KEYS.c.hash == _hash(key), API_KEYS.c.revoked.is_(None))
        found = await self._fetch(query)
        return found[0] if found else None

    async def is_live(self, key_id: str) -> bool:
        query = select(API_KEYS.c.id).where(API_KEYS.c.id == key_id, API_KEYS.c.revoked.is_(None))
        return bool(await fetch(self._database, query))

    async def all(self) -> list[ApiKey]:
        return await self._fetch(select(API_KEYS).order_by(API_KEYS.c.created))

    async def revoke(self, key_id: str) -> bool:
        """False when there is no such key, or not any more."""
        statement = update(API_KEYS).where(API_KEYS.c.id == key_id, API_KEYS.c.revoked.is_(None)).values(revoked=self._clock())
        return await execute(self._database, statement) > 0

    async def _fetch(self, query: Any) -> list[ApiKey]:
        return [msgspec.convert(row, ApiKey) for row in await fetch(self._database, query)]


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


def is_open(settings: Settings) -> bool:
    """By itself on the loopback interface only."""
    return settings.access == "open" or (settings.access == "auto" and settings.host in LOOPBACK)


@dataclass(frozen=True, slots=True)
class Issued:
    token: str
    expires: float
    quota: int


class Access:
    def __init__(self, keys: ApiKeys, store: Store, secrets: Secrets, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._keys = keys
        self._store = store
        self._secrets = secrets
        self._settings = settings
        self._clock = clock
        self._known: ExpiringLru[ApiKey] = ExpiringLru(10_000)
        self._live: ExpiringLru[bool] = ExpiringLru(10_000)
        self._alone = MemoryStore(1_000_000)
        most = settings.rate_per_minute or (None if is_open(settings) else RATE_PER_MINUTE)
        self._rate = None if most is None else Rate(most, MINUTE_S)

    @property
    def is_open(self) -> bool:
        """Whether anybody may ask for anything."""
        return is_open(self._settings)

    async def identify(self, authorization: str | None) -> Caller:
        """Raises CredentialsMissing, DatabaseUnavailable."""
        scheme, _, credentials = (authorization or "").partition(" ")
        credentials = credentials.strip()
        if scheme.lower() == "bearer" and credentials.startswith(TOKEN_PREFIX):
            token = self._read(credentials)
            if token is not None and token.expires > self._clock() and await self._is_live(token.key):
                return Caller(token.tenant, token.id, token.quota, token.expires, token.key)
        elif scheme.lower() == "bearer" and credentials.startswith(KEY_PREFIX):
            key = await self._find(credentials)
            if key is not None:
                return Caller(key.tenant, key=key.id)
        if self.is_open:  # with whatever credentials: clients of other services cannot do without
            return ANYBODY
        raise CredentialsMissing("The credentials are unknown or have ended." if authorization else "There are no credentials.")

    async def _find(self, key: str) -> ApiKey | None:
        digest = _hash(key).hex()
        known = self._known.get(digest)
        if known is not None:
            return known[0]
        found = await self._keys.find(key)
        if found is not None:
            self._known.put(digest, found, 1, REMEMBERED_S)
        return found

    async def _is_live(self, key_id: str) -> bool:
        """Whether the key with which a token was made is good still; "" stands for none, where all was open."""
        if not key_id:
            return self.is_open
        if self._live.get(key_id) is not None:
            return True
        live = await self._keys.is_live(key_id)
        if live:
            self._live.put(key_id, True, 1, REMEMBERED_S)
        return live

    def issue(self, caller: Caller, ttl_s: float | None, quota: int | None) -> Issued:
        """A shopper's token of the caller's tenant."""
        quota = quota or self._settings.token_quota
        expires = self._clock() + (ttl_s or self._settings.token_ttl_s)
        body = msgspec.msgpack.encode(Token(f"shopper_{randomness.token_hex(8)}", caller.tenant, expires, quota, caller.key))
        text = base64.urlsafe_b64encode(body).decode().rstrip("=")
        return Issued(f"{TOKEN_PREFIX}{text}.{self._seal(body)}", expires, quota)

    def _seal(self, body: bytes) -> str:
        return self._secrets.digest("token", body)

    def _read(self, token: str) -> Token | None:
        text, _, seal = token.removeprefix(TOKEN_PREFIX).partition(".")
        try:
            body = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            if seal.isascii() and hmac.compare_digest(seal, self._seal(body)):
                return msgspec.msgpack.decode(body, type=Token)
        except (binascii.Error, ValueError, msgspec.DecodeError):
            return None
        return None

    async def admit(self, caller: Caller, address: str, told: MutableMapping[str, str]) -> None:
        """Counts a request against its rate, and says so in headers, which are put into `told`. `address`: of the connection, for callers
        without credentials. Raises TooManyRequests.
        """
        if self._rate is None:
            return
        # an address is personal: it is counted by a digest that ends within minutes
        who = self._secrets.digest("rate", caller.shopper or caller.tenant or address)
        try:
            allowance = await self._store.take(who, self._rate)
        except StoreUnavailable:
            allowance = await self._alone.take(who, self._rate)
        told.update(self._told(self._rate, allowance))
        if not allowance.allowed:
            raise TooManyRequests(
                f"More than {self._rate.limit} requests came within a minute.", retry_after_s=max(1, round(allowance.retry_s + 0.5))
            )

    @staticmethod
    def _told(rate: Rate, allowance: Allowance) -> dict[str, str]:
        """Headers (draft-ietf-httpapi-ratelimit-headers)."""
        return {
            "RateLimit-Policy": f'"minute";q={rate.limit};w={rate.window_s:.0f}',
            "RateLimit": f'"minute";r={allowance.left};t={allowance.reset_s:.0f}',
        }

    async def spend(self, caller: Caller) -> None:
        """One try-on or photo of a shopper's quota; of no consequence to servers. Raises QuotaSpent, StoreUnavailable."""
        if caller.shopper is None or caller.quota is None:
            return
        left = await self._store.spend(caller.shopper, caller.quota, max(1.0, caller.expires - self._clock()))
        if left < 0:
            raise QuotaSpent(f"The token's {caller.quota} uses are spent.")
