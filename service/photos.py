"""A shopper's photo, read once and kept for a while: with their consent, sealed, and gone with everything made of it when they say so.

A photo's id carries its expiry and a seal of ours, so that an id that was ours and is lost (410) is told from one that never was
(404). What is erased is remembered by its id alone, until it would have expired anyway.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import logging
import secrets as randomness
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Generic

import msgspec

from models.interface import G, P
from service.callers import Caller
from service.errors import PhotoExpired, PhotoNotFound, StoreAway
from service.memory import wipe
from service.reading import Reader, ReadPhoto, Stages
from service.records import NoticeRecord, collect
from service.settings import Settings
from service.store import StoreUnavailable, key_of
from service.vault import Vault

logger = logging.getLogger(__name__)

ERASED: Final = "erased"
"""The channel on which replicas tell one another whose photo is gone."""
RANDOM_BYTES, EXPIRY_BYTES, SEAL_DIGITS = 10, 5, 12


class Consent(msgspec.Struct, frozen=True):
    """What was agreed to, and when."""

    version: str
    """Of the text."""
    text_sha256: str
    agreed_at: str
    """RFC 3339."""


class KeptPhoto(msgspec.Struct, frozen=True):
    """What is known of a kept photo; what was read of it lies beside it."""

    id: str
    tenant: str
    shopper: str | None
    digest: str
    """Keyed; equal for equal photos of one tenant."""
    created: float
    expires: float
    """Unix seconds."""
    consent: Consent
    width: int
    height: int
    confidence: float
    notices: tuple[NoticeRecord, ...]

    @property
    def owner(self) -> str:
        """For the store: to whom the record and the reading belong."""
        return f"photo:{self.id}"


class Erasure(msgspec.Struct, frozen=True):
    """What the receipt says."""

    photo_id: str
    erased_at: str
    """RFC 3339."""
    removed: int
    """Records that were removed: the photo, what was read of it, and every result that was still kept."""
    consent: Consent


@dataclass(frozen=True, slots=True)
class Receipt:
    """An erasure, signed: the signature is over exactly these bytes."""

    document: bytes
    signature: bytes
    key_id: str


def results_owner(digest: str) -> str:
    """For the store: to whom the results made of a photo belong."""
    return f"results:{digest}"


def rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).isoformat().replace("+00:00", "Z")


class Photos(Generic[P, G]):
    def __init__(self, reader: Reader[P, G], vault: Vault, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._reader = reader
        self._vault = vault
        self._settings = settings
        self._clock = clock

    def start(self) -> None:
        """Listens to other replicas; on a running event loop."""
        self._vault.store.listen(ERASED, self._heard)

    async def _heard(self, digest: str) -> None:
        """Somebody erased a photo; an empty message says that we may have missed one."""
        if digest:
            self._reader.forget_person(digest)
        else:
            self._reader.forget_people()
        await asyncio.to_thread(wipe)

    def digest(self, caller: Caller, photo: bytes) -> str:
        return self._vault.secrets.digest("photo", caller.tenant, photo)

    async def keep(self, caller: Caller, photo: bytes, stages: Stages) -> KeptPhoto:
        """Reads a photo and keeps what was read. Raises InputRejected, StoreAway."""
        digest = await self._reader.codecs.run(lambda: self.digest(caller, photo))
        read = await self._reader.person(digest, photo, stages)
        packed = await self._reader.packed(read.person)
        now = self._clock()
        expires = now + self._settings.photo_ttl_s
        text = self._settings.consent_text.encode()
        height, width = read.person.size
        kept = KeptPhoto(
            id=self._new_id(expires),
            tenant=caller.tenant,
            shopper=caller.shopper,
            digest=digest,
            created=now,
            expires=expires,
            consent=Consent(self._settings.consent_version, hashlib.sha256(text).hexdigest(), rfc3339(now)),
            width=width,
            height=height,
            confidence=round(float(read.person.confidence), 3),
            notices=collect([("photo", read.notices, read.person.notices)], read.person.notices),
        )
        try:
            for kind, value in (("reading", packed), ("photo", kept)):  # the record last: what has one can be dressed
                await self._vault.put_owned(kept.owner, 0, key_of(kind, kept.id), value, self._settings.photo_ttl_s)
        except StoreUnavailable:
            raise StoreAway("The photo cannot be kept just now; a try-on that brings its photo still works.", retry_after_s=2) from None
        return kept

    async def find(self, caller: Caller, photo_id: str) -> KeptPhoto:
        """Raises PhotoNotFound, PhotoExpired, and StoreUnavailable."""
        if not self._is_ours(photo_id) and self._vault.among_strangers:
            raise StoreUnavailable("The id may be of a replica with another secret.")
        if not self._is_ours(photo_id):
            raise PhotoNotFound("There is no such photo.", field="photo_id")
        found = await self._vault.get_record(key_of("photo", photo_id), KeptPhoto)
        if found is None:
            if await self._vault.store.get(key_of("gone", photo_id)) is not None:
                raise PhotoNotFound("The photo was deleted.", field="photo_id")
            raise PhotoExpired("The photo is not kept any more; upload it again.", field="photo_id")
        kept = found[0]
        if not caller.may_see(kept.tenant, kept.shopper):
            raise PhotoNotFound("There is no such photo.", field="photo_id")
        return kept

    async def find_or_expired(self, caller: Caller, photo_id: str) -> KeptPhoto:
        """As `find`; a photo that cannot be reached counts as lost: the shopper has it still, and can bring it again."""
        try:
            return await self.find(caller, photo_id)
        except StoreUnavailable:
            raise PhotoExpired("The photo cannot be reached; bring it with the try-on, or upload it again.", field="photo_id") from None

    async def person(self, kept: KeptPhoto, stages: Stages) -> ReadPhoto[P]:
        """What was read of it. Raises PhotoExpired."""

        async def load() -> bytes | None:
            hit = await self._vault.get(key_of("reading", kept.id))
            return None if hit is None else hit.value

        try:
            read = await self._reader.kept_person(kept.digest, load, stages)
        except StoreUnavailable:
            read = None
        if read is None:
            raise PhotoExpired("The photo is not kept any more; upload it again.", field="photo_id")
        return read

    async def erase(self, caller: Caller, photo_id: str) -> Receipt:
        """Removes the photo, what was read of it and every result made of it, here and everywhere. Raises PhotoNotFound, PhotoExpired,
        and StoreAway: then nothing is certain, and there is no receipt.
        """
        try:
            kept = await self.find(caller, photo_id)
            removed = await self._vault.store.erase(kept.owner, results_owner(kept.digest))
            now = self._clock()
            await self._vault.store.put(key_of("gone", photo_id), b"1", max(1.0, kept.expires - now))
            self._reader.forget_person(kept.digest)
            await self._vault.store.tell(ERASED, kept.digest)
        except StoreUnavailable:
            raise StoreAway("The photo cannot be deleted just now; try again.", retry_after_s=2) from None
        if removed == 0:
            raise PhotoNotFound("The photo was deleted.", field="photo_id")  # by somebody else, just now
        document = msgspec.json.encode(Erasure(photo_id, rfc3339(now), removed, kept.consent))
        secrets = self._vault.secrets
        return Receipt(document, secrets.sign(document), secrets.key_id)

    def _new_id(self, expires: float) -> str:
        payload = randomness.token_bytes(RANDOM_BYTES) + int(expires).to_bytes(EXPIRY_BYTES, "big")
        return f"ph_{base64.b32encode(payload).decode().lower()}{self._seal(payload)}"

    def _seal(self, payload: bytes) -> str:
        return self._vault.secrets.digest("photo-id", payload)[:SEAL_DIGITS]

    def _is_ours(self, photo_id: str) -> bool:
        head, body, seal = photo_id[:3], photo_id[3:-SEAL_DIGITS], photo_id[-SEAL_DIGITS:]
        try:
            payload = base64.b32decode(body.upper())
        except (binascii.Error, ValueError):
            return False
        genuine = len(payload) == RANDOM_BYTES + EXPIRY_BYTES and body == body.lower()
        return head == "ph_" and genuine and seal.isascii() and hmac.compare_digest(seal, self._seal(payload))
