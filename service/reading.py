"""From bytes to people and garments that can be dressed: decoded on a few threads, read on a few, kept for the next try-on."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from models.errors import MuslinError
from models.images import GARMENT_LONG_SIDE_PX, Limits, decode
from models.interface import EngineProtocol, G, P
from models.packing import PackingError
from models.types import Category, Notice
from service.errors import InputRejected
from service.readings import Readings
from service.settings import MEGA, Settings
from service.worker import Worker

T = TypeVar("T")


@dataclass(slots=True)
class Stages:
    """Milliseconds by stage, measured where the work runs; stages of the same name add up."""

    begin: float = field(default_factory=time.perf_counter)
    timings_ms: dict[str, float] = field(default_factory=dict)
    tell: Callable[[str, float], None] = lambda _, __: None
    """Is told of each stage as it ends; see `Tracing.teller`."""

    def timed(self, stage: str, work: Callable[[], T]) -> Callable[[], T]:
        def run() -> T:
            begin = time.perf_counter()
            try:
                return work()
            finally:
                self.add(stage, time.perf_counter() - begin)

        return run

    def add(self, stage: str, seconds: float) -> None:
        self.timings_ms[stage] = self.timings_ms.get(stage, 0.0) + 1000 * seconds
        self.tell(stage, seconds)

    @property
    def worked_s(self) -> float:
        return sum(self.timings_ms.values()) / 1000

    def finish(self, inner: dict[str, float] | None = None) -> dict[str, float]:
        """`inner`: the engine's own stages, parts of `try_on`."""
        total = 1000 * (time.perf_counter() - self.begin)
        wait = max(0.0, total - sum(self.timings_ms.values()))
        return {name: round(ms, 2) for name, ms in {**self.timings_ms, **(inner or {}), "wait": wait, "total": total}.items()}


@dataclass(frozen=True, slots=True)
class ReadPhoto(Generic[P]):
    person: P
    notices: tuple[Notice, ...]
    """What was said when the file was decoded; `person.notices` are those of the reading."""


@dataclass(frozen=True, slots=True)
class ReadPicture(Generic[G]):
    garment: G
    notices: tuple[Notice, ...]
    size: tuple[int, int] = (0, 0)
    """(height, width) px of the picture in its file; of one that was read long ago unknown."""


class Reader(Generic[P, G]):
    """Owns the threads of codecs and readers; the engine is somebody else's."""

    def __init__(self, engine: EngineProtocol[P, G], settings: Settings) -> None:
        self._engine = engine
        self._limits = Limits(max_bytes=int(settings.max_image_mb * MEGA), max_pixels=int(settings.max_image_megapixels * MEGA))
        self.codecs = Worker("codec", settings.codec_threads)
        self._readers = Worker("reader", settings.reader_threads)
        self._people: Readings[ReadPhoto[P]] = Readings(int(settings.person_memory_mb * MEGA), settings.person_ttl_s)
        self._garments: Readings[ReadPicture[G]] = Readings(int(settings.garment_memory_mb * MEGA), settings.garment_ttl_s)

    def knows_person(self, digest: str) -> bool:
        return self._people.holds(digest)

    async def person(self, digest: str, photo: bytes, stages: Stages) -> ReadPhoto[P]:
        """Of an uploaded photo. Raises InputRejected."""

        async def read() -> ReadPhoto[P]:
            decoded = await self.codecs.run(stages.timed("decode", lambda: decode(photo, self._limits, codec=self._engine.jpeg)))
            person = await self._readers.run(stages.timed("read_person", lambda: self._engine.read_person(decoded.picture)))
            return ReadPhoto(person, decoded.notices)

        try:
            return await self._people.get(digest, read)
        except MuslinError as error:
            raise InputRejected("photo", error) from error

    async def kept_person(self, digest: str, load: Callable[[], Awaitable[bytes | None]], stages: Stages) -> ReadPhoto[P] | None:
        """Of a photo that was read before, here or elsewhere; None when what was kept of it is gone or of another version."""

        async def read() -> ReadPhoto[P]:
            packed = await load()
            if packed is None:
                raise PackingError("Nothing is kept.")
            person = await self._readers.run(stages.timed("unpack_person", lambda: self._engine.unpack_person(packed)))
            return ReadPhoto(person, ())

        try:
            return await self._people.get(digest, read)
        except PackingError:
            return None

    async def packed(self, person: P) -> bytes:
        return await self.codecs.run(lambda: self._engine.pack_person(person))

    async def garment(self, digest: str, picture: bytes, category: Category | None, name: str, stages: Stages) -> ReadPicture[G]:
        """Of an uploaded picture; `name`: of the field it came in. Raises InputRejected."""

        async def read() -> ReadPicture[G]:
            decoded = await self.codecs.run(
                stages.timed("decode", lambda: decode(picture, self._limits, GARMENT_LONG_SIDE_PX, self._engine.jpeg))
            )
            work = stages.timed("read_garment", lambda: self._engine.read_garment(decoded.picture, category, decoded.alpha))
            return ReadPicture(await self._readers.run(work), decoded.notices, decoded.size)

        try:
            return await self._garments.get(f"{digest}:{category}", read)
        except MuslinError as error:
            raise InputRejected(name, error) from error

    async def kept_garment(
        self,
        digest: str,
        category: Category | None,
        load: Callable[[], Awaitable[bytes | None]],
        picture: Callable[[], Awaitable[bytes]],
        name: str,
        stages: Stages,
    ) -> ReadPicture[G]:
        """Of the catalogue: as it was packed once (`load`), else from its picture. Raises InputRejected."""

        async def read() -> ReadPicture[G]:
            packed = await load()
            if packed is None:
                raise PackingError("Nothing is kept.")
            return ReadPicture(await self._readers.run(stages.timed("unpack_garment", lambda: self._engine.unpack_garment(packed))), ())

        try:
            return await self._garments.get(f"{digest}:{category}", read)
        except PackingError:  # of another version of the engine
            return await self.garment(digest, await picture(), category, name, stages)

    async def packed_garment(self, garment: G) -> bytes:
        return await self.codecs.run(lambda: self._engine.pack_garment(garment))

    def forget_person(self, digest: str) -> None:
        """Nobody gets it from this process's memory any more."""
        self._people.forget(digest)

    def forget_people(self) -> None:
        self._people.forget_all()

    def purge(self) -> int:
        """Drops what has expired; returns how many."""
        return self._people.purge() + self._garments.purge()

    def close(self) -> None:
        """Waits for what runs; drops what waits."""
        self._readers.close()
        self.codecs.close()
