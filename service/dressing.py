"""One try-on from uploaded bytes to an encoded picture: cache, read what is new, draw, encode.

The event loop only directs. Codecs run on a few threads, the engine on one, and a request that gives up takes
its waiting work along.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

import msgspec

from models.errors import MuslinError
from models.images import GARMENT_LONG_SIDE_PX, Encoding, Limits, decode, encode
from models.interface import EngineProtocol, Fitting, G, P
from models.types import Category, Notice, Tuck
from service.cache import Cache, CacheUnavailable, digest, result_key
from service.errors import DeadlineExceeded, InputRejected
from service.memory import give_back, settle
from service.outfits import draw
from service.readings import Readings
from service.settings import MEGA, Settings
from service.worker import Admission, Worker

T = TypeVar("T")

MEDIA_TYPES: Final[dict[Encoding, str]] = {"jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp"}


@dataclass(frozen=True, slots=True)
class GarmentUpload:
    picture: bytes
    category: Category | None
    """None: found from the outline."""


@dataclass(frozen=True, slots=True)
class Order:
    """What the client wants."""

    photo: bytes
    garments: tuple[GarmentUpload, ...]
    """Inner to outer."""
    tuck: Tuck
    encoding: Encoding

    def field_of(self, garment: int) -> str:
        """The name of a garment's field in problems and notices."""
        return "garment" if len(self.garments) == 1 else f"garment[{garment}]"


class NoticeRecord(msgspec.Struct, frozen=True):
    """Something to know about the result."""

    code: str
    """Stable; clients may switch on it."""
    detail: str
    """One plain sentence."""
    about: str
    """`photo`, `garment` (`garment[1]` in an outfit) or `result`."""


class GarmentRecord(msgspec.Struct, frozen=True):
    """A garment as it was read."""

    category: Category
    """As it was given, or as it was found from the outline."""
    confidence: float
    """0..1."""


class Dressed(msgspec.Struct, frozen=True):
    """A finished try-on, as it is cached. A change to these fields needs a new `cache.KEY_VERSION`."""

    id: str
    media_type: str
    picture: bytes
    width: int
    height: int
    confidence: float
    """0..1; under 0.4 the picture is visibly poor."""
    garments: tuple[GarmentRecord, ...]
    notices: tuple[NoticeRecord, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    dressed: Dressed
    timings_ms: dict[str, float]
    """By stage of this very request; `wait` is what was spent queueing, `total` all from the end of the upload."""
    cache_status: str
    """RFC 9211."""


@dataclass(slots=True)
class Stages:
    """Milliseconds by stage, measured where the work runs; stages of the same name add up."""

    begin: float = field(default_factory=time.perf_counter)
    timings_ms: dict[str, float] = field(default_factory=dict)

    def timed(self, stage: str, work: Callable[[], T]) -> Callable[[], T]:
        def run() -> T:
            begin = time.perf_counter()
            try:
                return work()
            finally:
                self.timings_ms[stage] = self.timings_ms.get(stage, 0.0) + 1000 * (time.perf_counter() - begin)

        return run

    def finish(self, inner: dict[str, float] | None = None) -> dict[str, float]:
        """`inner`: the engine's own stages, parts of `try_on`."""
        total = 1000 * (time.perf_counter() - self.begin)
        wait = max(0.0, total - sum(self.timings_ms.values()))
        return {name: round(ms, 2) for name, ms in {**self.timings_ms, **(inner or {}), "wait": wait, "total": total}.items()}


class Dresser(Generic[P, G]):
    """Answers orders with one engine; owns the threads, but not the engine nor the cache."""

    def __init__(self, engine: EngineProtocol[P, G], cache: Cache, settings: Settings) -> None:
        self._engine = engine
        self._cache = cache
        self._settings = settings
        self._limits = Limits(max_bytes=int(settings.max_image_mb * MEGA), max_pixels=int(settings.max_image_megapixels * MEGA))
        self._codecs = Worker("codec", settings.codec_threads)
        self._device = Worker("engine", 1)
        self._people: Readings[tuple[P, tuple[Notice, ...]]] = Readings(int(settings.person_memory_mb * MEGA), settings.person_ttl_s)
        self._garments: Readings[tuple[G, tuple[Notice, ...]]] = Readings(int(settings.garment_memory_mb * MEGA), settings.garment_ttl_s)
        self.admission = Admission(settings.queue_limit)
        self._untidy = False

    async def warm_up(self) -> None:
        await self._device.run(self._engine.warm_up)
        settle()

    async def close(self) -> None:
        """Finishes what runs, drops what waits, and lets the engine close on its own thread."""
        await self._device.run(self._engine.close)
        for worker in (self._device, self._codecs):
            await asyncio.to_thread(worker.close)

    async def tidy(self) -> None:
        """Forgets what has expired, and gives back what the work since the last time has left."""
        forgotten = self._people.purge() + self._garments.purge()
        if forgotten or (self._untidy and not self.admission.inside):
            self._untidy = False
            await asyncio.to_thread(give_back)

    async def dress(self, order: Order) -> Answer:
        """Raises InputRejected, OutfitNotWearable, MuslinError, Overloaded, DeadlineExceeded."""
        stages = Stages()
        try:
            async with asyncio.timeout(self._settings.request_timeout_s):
                return await self._dress(order, stages)
        except TimeoutError:
            raise DeadlineExceeded(f"The try-on was not finished within {self._settings.request_timeout_s:g} seconds.") from None

    async def _dress(self, order: Order, stages: Stages) -> Answer:
        photo_digest, *garment_digests = await self._codecs.run(stages.timed("digest", lambda: _digests(order)))
        options = [order.tuck.value, order.encoding, *(str(garment.category) for garment in order.garments)]
        key = result_key([photo_digest, *garment_digests, *options], self._engine.version)
        cached, cache_status = await self._look_up(key)
        if cached is not None:
            return Answer(cached, stages.finish(), cache_status)
        with self.admission.enter():
            self._untidy = True
            (person, photo_notices), garments = await self._read_all(order, photo_digest, garment_digests, stages)
            fitting = Fitting(person, tuple(garment for garment, _ in garments), order.tuck)
            result = await self._device.run(stages.timed("try_on", lambda: draw(self._engine, fitting)))
            picture = await self._codecs.run(stages.timed("encode", lambda: encode(result.picture, order.encoding)))
        height, width = result.picture.shape[:2]
        dressed = Dressed(
            id=key.rpartition(":")[2],
            media_type=MEDIA_TYPES[order.encoding],
            picture=picture,
            width=width,
            height=height,
            confidence=round(float(result.confidence), 3),
            garments=tuple(GarmentRecord(garment.category, round(float(garment.confidence), 3)) for garment in fitting.garments),
            notices=_collect(
                (
                    ("photo", photo_notices, person.notices),
                    *((order.field_of(k), notices, garment.notices) for k, (garment, notices) in enumerate(garments)),
                ),
                result.notices,
            ),
        )
        stored = await self._store(key, dressed)
        return Answer(dressed, stages.finish(dict(result.timings_ms)), f"{cache_status}{stored}")

    async def _read_all(
        self, order: Order, photo_digest: str, garment_digests: Sequence[str], stages: Stages
    ) -> tuple[tuple[P, tuple[Notice, ...]], list[tuple[G, tuple[Notice, ...]]]]:
        """Photo and garments side by side: while the engine reads one, the codecs decode the next."""
        try:
            async with asyncio.TaskGroup() as group:
                person = group.create_task(self._read_person(order.photo, photo_digest, stages))
                garments = [
                    group.create_task(self._read_garment(upload, garment_digest, order.field_of(k), stages))
                    for k, (upload, garment_digest) in enumerate(zip(order.garments, garment_digests, strict=True))
                ]
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return person.result(), [garment.result() for garment in garments]

    async def _read_person(self, photo: bytes, photo_digest: str, stages: Stages) -> tuple[P, tuple[Notice, ...]]:
        async def read() -> tuple[P, tuple[Notice, ...]]:
            decoded = await self._codecs.run(stages.timed("decode", lambda: decode(photo, self._limits)))
            person = await self._device.run(stages.timed("read_person", lambda: self._engine.read_person(decoded.picture)))
            return person, decoded.notices

        try:
            return await self._people.get(digest(photo_digest, self._engine.version), read)
        except MuslinError as error:
            raise InputRejected("photo", error) from error

    async def _read_garment(self, upload: GarmentUpload, garment_digest: str, name: str, stages: Stages) -> tuple[G, tuple[Notice, ...]]:
        async def read() -> tuple[G, tuple[Notice, ...]]:
            decoded = await self._codecs.run(stages.timed("decode", lambda: decode(upload.picture, self._limits, GARMENT_LONG_SIDE_PX)))
            work = stages.timed("read_garment", lambda: self._engine.read_garment(decoded.picture, upload.category, decoded.alpha))
            return await self._device.run(work), decoded.notices

        try:
            return await self._garments.get(digest(garment_digest, str(upload.category), self._engine.version), read)
        except MuslinError as error:
            raise InputRejected(name, error) from error

    async def _look_up(self, key: str) -> tuple[Dressed | None, str]:
        try:
            hit = await self._cache.get(key)
            if hit is not None:
                return msgspec.msgpack.decode(hit.value, type=Dressed), f"muslin; hit; ttl={hit.ttl_s:.0f}"
        except CacheUnavailable:
            return None, "muslin; fwd=bypass; detail=unavailable"
        except msgspec.DecodeError:
            pass  # written by another version: as good as none
        return None, "muslin; fwd=uri-miss"

    async def _store(self, key: str, dressed: Dressed) -> str:
        try:
            await self._cache.put(key, msgspec.msgpack.encode(dressed), self._settings.result_ttl_s)
        except CacheUnavailable:
            return ""
        return "; stored"


def _digests(order: Order) -> list[str]:
    return [digest(order.photo), *(digest(garment.picture) for garment in order.garments)]


def _collect(inputs: Iterable[tuple[str, Iterable[Notice], Iterable[Notice]]], result: Sequence[Notice]) -> tuple[NoticeRecord, ...]:
    """Every notice with what it is about.

    inputs: of each part of the request its name, what was said when it was decoded, and when it was read. The result repeats what
    still holds of the latter: that the legs are cut off does not matter to a top.
    """
    told = dict.fromkeys(
        (notice, about) for about, decoded, read in inputs for notice in (*decoded, *(notice for notice in read if notice in result))
    )
    said = {notice for notice, _ in told}
    told |= dict.fromkeys((notice, "result") for notice in result if notice not in said)
    return tuple(NoticeRecord(notice.code, notice.detail, about) for notice, about in told)
