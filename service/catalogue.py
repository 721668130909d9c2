"""The garments of a shop: read when they come in, kept for good, listed page by page."""

from __future__ import annotations

import asyncio
import base64
import binascii
import math
import re
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final, Generic

import msgspec
from msgspec import Meta
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from models.interface import G, P
from models.types import Category, Notice
from service.callers import Caller
from service.database import execute, fetch
from service.errors import GarmentNotFound, InvalidRequest
from service.lru import ExpiringLru
from service.pictures import Pictures
from service.reading import Reader, ReadPicture, Stages
from service.records import NoticeRecord, collect
from service.store import Store, StoreUnavailable
from service.tables import GARMENTS, Row

SHARP_PX: Final = 500
"""A garment on fewer px than this looks soft on a photo of usual size."""
POOR: Final = 0.6
PAGE_MOST: Final = 100
GARMENT_ID: Final = re.compile(r"gm_[0-9a-f]{28}")
CHANGED: Final = "garments"
"""The channel on which replicas tell each other."""
KNOWN_S: Final = 5.0
KNOWN_BYTES: Final = 4_000_000
"""A garment's record is looked up again after so long, should the news of its change not come."""
UNCHANGED: Final = "unchanged"


class Measure(StrEnum):
    """What a size chart may tell, of the garment itself, laid flat or round the body as its maker says; cm."""

    CHEST = "chest"
    WAIST = "waist"
    HIPS = "hips"
    SHOULDER = "shoulder"
    SLEEVE = "sleeve"
    LENGTH = "length"
    INSEAM = "inseam"


Centimetres = Annotated[float, Meta(gt=0, le=400)]
SizeName = Annotated[str, Meta(min_length=1, max_length=20)]
SizeChart = Annotated[dict[SizeName, dict[Measure, Centimetres]], Meta(max_length=40)]
"""By size, such as {"S": {"chest": 92, "length": 68}}."""


class Garment(msgspec.Struct, frozen=True):
    """A garment of the catalogue."""

    id: str
    tenant: str
    name: str
    category: Category
    category_given: bool
    """False where it was found from the outline."""
    size_chart: dict[str, dict[Measure, float]]
    picture: str
    """SHA-256 of the file."""
    media_type: str
    width: int
    height: int
    confidence: float
    lint: tuple[NoticeRecord, ...]
    created: float
    updated: float

    @property
    def asked(self) -> Category | None:
        """The category as it was asked for when the picture was read."""
        return self.category if self.category_given else None


@dataclass(frozen=True, slots=True)
class Page:
    garments: tuple[Garment, ...]
    cursor: str | None
    """Of the next page; None on the last one."""


class Catalogue(Generic[P, G]):
    """All raise DatabaseUnavailable and PicturesUnavailable when what is durable cannot be reached."""

    def __init__(
        self,
        reader: Reader[P, G],
        database: AsyncEngine,
        pictures: Pictures,
        store: Store,
        engine_version: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`store`: tells other replicas of changes."""
        self._reader = reader
        self._database = database
        self._pictures = pictures
        self._store = store
        self._engine_version = engine_version
        self._clock = clock
        self._known: ExpiringLru[Garment] = ExpiringLru(KNOWN_BYTES)
        self._changes = 0

    def start(self) -> None:
        """Listens to other replicas; on a running event loop."""
        self._store.listen(CHANGED, self._heard)

    async def _heard(self, garment_id: str) -> None:
        """Somebody changed or removed a garment; an empty message says that we may have missed one."""
        self._changes += 1
        if garment_id:
            self._known.remove(garment_id)
        else:
            self._known.clear()

    async def _tell(self, garment_id: str) -> None:
        await self._heard(garment_id)
        with suppress(StoreUnavailable):  # then the others learn it a few seconds later
            await self._store.tell(CHANGED, garment_id)

    async def add(
        self, caller: Caller, picture: bytes, media_type: str, name: str, category: Category | None, size_chart: Mapping[str, Any]
    ) -> Garment:
        """Raises InputRejected for a picture that cannot be worn."""
        digest = await self._pictures.put(picture)
        try:
            read = await self._read_new(digest, picture, category)
        except BaseException:
            await self._drop_picture(digest)
            raise
        now = self._clock()
        garment = Garment(
            id=_new_id(now),
            tenant=caller.tenant,
            name=name,
            category=read.garment.category,
            category_given=category is not None,
            size_chart=dict(size_chart),
            picture=digest,
            media_type=media_type,
            width=read.size[1],
            height=read.size[0],
            confidence=round(float(read.garment.confidence), 3),
            lint=_lint(read),
            created=now,
            updated=now,
        )
        await execute(self._database, insert(GARMENTS).values(**_row(garment)))
        return garment

    async def find(self, caller: Caller, garment_id: str) -> Garment:
        """Raises GarmentNotFound."""
        if not GARMENT_ID.fullmatch(garment_id):
            raise GarmentNotFound("There is no such garment.", field="garment_id")
        query = select(GARMENTS).where(GARMENTS.c.id == garment_id, GARMENTS.c.tenant == caller.tenant)
        rows = await fetch(self._database, query)
        if not rows:
            raise GarmentNotFound("There is no such garment.", field="garment_id")
        return _garment(rows[0])

    async def known(self, caller: Caller, garment_id: str) -> Garment:
        """As `find`, from this process's memory when it was asked for moments ago."""
        hit = self._known.get(garment_id)
        if hit is not None and hit[0].tenant == caller.tenant:
            return hit[0]
        changes = self._changes
        garment = await self.find(caller, garment_id)
        if changes == self._changes:  # else it may be what it was before
            self._known.put(garment_id, garment, len(msgspec.msgpack.encode(garment)), KNOWN_S)
        return garment

    async def page(
        self, caller: Caller, limit: int, cursor: str | None = None, category: Category | None = None, named: str | None = None
    ) -> Page:
        """The newest first; `named`: part of the name, in any case. Raises InvalidRequest for a cursor that is none."""
        query = select(GARMENTS).where(GARMENTS.c.tenant == caller.tenant)
        if category is not None:
            query = query.where(GARMENTS.c.category == category.value)
        if named and not named.isprintable():
            raise InvalidRequest("The name has characters that no name has.", field="name")
        if named:
            query = query.where(func.lower(GARMENTS.c.name).contains(named.lower(), autoescape=True))
        if cursor is not None:
            created, last = _place(cursor)
            older = (GARMENTS.c.created < created) | ((GARMENTS.c.created == created) & (GARMENTS.c.id < last))
            query = query.where(older)
        rows = await fetch(self._database, query.order_by(GARMENTS.c.created.desc(), GARMENTS.c.id.desc()).limit(limit + 1))
        garments = tuple(_garment(row) for row in rows[:limit])
        return Page(garments, _cursor(garments[-1]) if len(rows) > limit else None)

    async def change(
        self, caller: Caller, garment_id: str, name: str | None, category: Category | str | None, size_chart: Mapping[str, Any] | None
    ) -> Garment:
        """None, and `UNCHANGED` for the category, leave a field as it is; category None: found anew. Another category reads the
        picture again. Raises GarmentNotFound, InputRejected.
        """
        garment = await self.find(caller, garment_id)
        asked = garment.asked if category == UNCHANGED else category
        changes: dict[str, Any] = {"updated": self._clock()}
        if name is not None:
            changes["name"] = name
        if size_chart is not None:
            changes["size_chart"] = dict(size_chart)
        if asked != garment.asked:
            picture = await self.picture(garment)
            read = await self._read_new(garment.picture, picture, asked if isinstance(asked, Category) else None)
            changes |= {
                "category": read.garment.category,
                "category_given": asked is not None,
                "confidence": round(float(read.garment.confidence), 3),
                "lint": _lint(read),
            }
        changed = msgspec.structs.replace(garment, **changes)
        row = _row(changed)
        await execute(self._database, update(GARMENTS).where(GARMENTS.c.id == garment_id).values(**{key: row[key] for key in changes}))
        await self._tell(garment_id)
        return changed

    async def remove(self, caller: Caller, garment_id: str) -> None:
        """With its picture, unless another garment has the same one. Raises GarmentNotFound."""
        garment = await self.find(caller, garment_id)
        await execute(self._database, delete(GARMENTS).where(GARMENTS.c.id == garment_id))
        await self._tell(garment_id)
        await self._drop_picture(garment.picture)

    async def picture(self, garment: Garment) -> bytes:
        picture = await self._pictures.get(garment.picture)
        if picture is None:
            raise GarmentNotFound("The garment's picture is gone: upload it again.", field="garment_id")
        return picture

    async def read(self, garment: Garment, name: str, stages: Stages) -> ReadPicture[G]:
        """For a try-on: from this process's memory, else as it was read once, else from its picture. `name`: for problems."""

        async def load() -> bytes | None:
            return await self._pictures.get_reading(garment.picture, self._reading_name(garment.asked))

        async def picture() -> bytes:
            return await self.picture(garment)

        return await self._reader.kept_garment(garment.picture, garment.asked, load, picture, name, stages)

    async def _read_new(self, digest: str, picture: bytes, category: Category | None) -> ReadPicture[G]:
        read = await self._reader.garment(digest, picture, category, "picture", Stages())
        await self._pictures.put_reading(digest, self._reading_name(category), await self._reader.packed_garment(read.garment))
        return read

    def _reading_name(self, category: Category | None) -> str:
        return f"{self._engine_version}-{category or 'auto'}"

    async def _drop_picture(self, digest: str) -> None:
        if not await fetch(self._database, select(GARMENTS.c.id).where(GARMENTS.c.picture == digest).limit(1)):
            await asyncio.shield(self._pictures.remove(digest))


def _lint(read: ReadPicture[Any]) -> tuple[NoticeRecord, ...]:
    """What will look bad on people, and what to do about it."""
    own = []
    height, width = read.size
    if min(height, width) < SHARP_PX:
        own.append(Notice("picture-small", f"The picture has {width} × {height} px; on large photos the garment will look soft."))
    if read.garment.confidence < POOR:
        own.append(Notice("garment-doubtful", "The garment was read with little confidence; look at a try-on before it goes online."))
    notices = (*read.garment.notices, *own)
    return collect([("picture", read.notices, notices)], notices)


def _new_id(now: float) -> str:
    return f"gm_{int(1000 * now):012x}{secrets.token_hex(8)}"


def _cursor(garment: Garment) -> str:
    return base64.urlsafe_b64encode(msgspec.msgpack.encode((garment.created, garment.id))).decode().rstrip("=")


def _place(cursor: str) -> tuple[float, str]:
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        created, last = msgspec.msgpack.decode(raw, type=tuple[float, str])
    except (msgspec.DecodeError, binascii.Error, ValueError):
        created, last = math.nan, ""
    if not math.isfinite(created) or not GARMENT_ID.fullmatch(last):
        raise InvalidRequest("The cursor is none of ours.", field="cursor")
    return created, last


def _row(garment: Garment) -> Row:
    row = msgspec.structs.asdict(garment)
    return row | {
        "category": garment.category.value,
        "lint": msgspec.to_builtins(garment.lint),
        "size_chart": msgspec.to_builtins(garment.size_chart),
    }


def _garment(row: Row) -> Garment:
    return msgspec.convert(row, Garment)
