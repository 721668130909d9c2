"""One try-on from an order to an encoded picture: look up, read what is new, draw, encode, keep.

The event loop only directs. Codecs and readers run on a few threads, the device on one, and a request that gives up takes its
waiting work along. Equal orders at the same time are one try-on, here and among all replicas.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Generic

import msgspec

from models.errors import CategoryNotSupported
from models.images import Encoding, encode
from models.interface import EngineProtocol, Fitting, G, P
from models.types import Category, Tuck
from service.batching import BUSY, Admission, Batcher, Mean
from service.callers import ANYBODY, Caller
from service.catalogue import Catalogue, Garment
from service.errors import DeadlineExceeded, OutfitNotWearable, Overloaded
from service.flights import Flights
from service.memory import give_back, settle
from service.outfits import taken_for
from service.photos import KeptPhoto, Photos, results_owner
from service.reading import Reader, ReadPhoto, ReadPicture, Stages
from service.records import GarmentRecord, NoticeRecord, collect
from service.settings import Settings
from service.store import StoreUnavailable, key_of
from service.tracing import OFF, Tracing
from service.vault import Vault
from service.worker import Worker

MEDIA_TYPES: Final[dict[Encoding, str]] = {"jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp", "avif": "image/avif"}
GPU_BATCH: Final = 16


@dataclass(frozen=True, slots=True)
class GarmentUpload:
    picture: bytes
    category: Category | None
    """None: found from the outline."""


@dataclass(frozen=True, slots=True)
class Order:
    """What the client wants."""

    photo: bytes | KeptPhoto
    garments: tuple[GarmentUpload | Garment, ...]
    """Inner to outer."""
    tuck: Tuck
    encoding: Encoding
    caller: Caller = ANYBODY
    patience_s: float | None = None
    """The answer is of use for so long; None: the setting."""

    def field_of(self, garment: int) -> str:
        """The name of a garment's field in problems and notices."""
        return "garment" if len(self.garments) == 1 else f"garment[{garment}]"


class Dressed(msgspec.Struct, frozen=True):
    """A finished try-on, as it is kept. A change to these fields needs a new `store.KEY_VERSION`."""

    id: str
    tenant: str
    shopper: str | None
    media_type: str
    picture: bytes
    etag: str
    """Strong: of exactly these bytes."""
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


class Dresser(Generic[P, G]):
    """Answers orders with one engine; owns the device's thread, but neither the engine nor the store."""

    def __init__(
        self,
        engine: EngineProtocol[P, G],
        reader: Reader[P, G],
        photos: Photos[P, G],
        catalogue: Catalogue[P, G],
        vault: Vault,
        settings: Settings,
        batched: Callable[[int], None] = lambda _: None,
        tracing: Tracing = OFF,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`batched`: is told the size of every batch."""
        self._engine = engine
        self._reader = reader
        self._photos = photos
        self._tracing = tracing
        self._clock = clock
        self._catalogue = catalogue
        self._vault = vault
        self._settings = settings
        self._device = Worker("engine", 1)
        size = settings.batch_size or (1 if engine.device == "cpu" else GPU_BATCH)
        self.batcher = Batcher(engine, self._device, size, settings.batch_wait_ms / 1000, batched)
        self.admission = Admission(settings.queue_limit, hands=max(1, min(settings.reader_threads, 2)))
        self._flights: Flights[_Flown] = Flights(vault.store)
        self._encoding_s: defaultdict[Encoding, Mean] = defaultdict(lambda: Mean(0.0))
        self._untidy = False

    async def warm_up(self) -> None:
        await self._device.run(self._engine.warm_up)
        settle()

    async def close(self) -> None:
        """Finishes what runs, drops what waits, and lets the engine close on its own thread."""
        await self.batcher.close()
        await self._device.run(self._engine.close)
        await asyncio.to_thread(self._device.close)
        await asyncio.to_thread(self._reader.close)

    async def tidy(self) -> None:
        """Forgets what has expired, and gives back what the work since the last time has left."""
        forgotten = self._reader.purge()
        if forgotten or (self._untidy and not self.admission.inside):
            self._untidy = False
            await asyncio.to_thread(give_back)

    async def dress(self, order: Order) -> Answer:
        """Raises InputRejected, OutfitNotWearable, MuslinError, PhotoExpired, PhotoNotFound, Overloaded, DeadlineExceeded."""
        stages = Stages()
        patience_s = order.patience_s or self._settings.request_timeout_s
        company = _Company()
        try:
            async with asyncio.timeout(patience_s):
                return await self._dress(order, stages, asyncio.get_running_loop().time() + patience_s, company)
        except TimeoutError:
            if company.met:  # it would have been in time but for the others, or could be: worth another attempt
                raise Overloaded(BUSY, retry_after_s=self.admission.empty_s()) from None
            raise DeadlineExceeded(f"The try-on was not finished within {patience_s:g} seconds.") from None

    async def find(self, caller: Caller, result_id: str) -> tuple[Dressed, float] | None:
        """A result that is still kept, and the seconds it has left. Raises StoreUnavailable."""
        found = await self._vault.get_record(key_of("result", result_id), Dressed)
        return found if found is not None and caller.may_see(found[0].tenant, found[0].shopper) else None

    async def _dress(self, order: Order, stages: Stages, deadline: float, company: _Company) -> Answer:
        plan = stages.timed("digest", lambda: self._plan(order))
        known = isinstance(order.photo, KeptPhoto) and all(isinstance(garment, Garment) for garment in order.garments)
        work = plan() if known else await self._reader.codecs.run(plan)  # pictures are megabytes to digest, ids are not
        epoch = UNKNOWN_EPOCH

        async def look_up() -> _Flown | None:
            nonlocal epoch
            epoch, hit = await self._vault.look(results_owner(work.photo_digest), key_of("result", work.result_id), Dressed)
            return None if hit is None else _Flown(hit[0], {}, f"muslin; hit; ttl={hit[1]:.0f}")

        async def compute() -> _Flown:
            patience_s = deadline - asyncio.get_running_loop().time()
            kind = "warm" if self._reader.knows_person(work.photo_digest) else "cold"
            company.met = self.admission.inside > 0  # nothing is awaited before it enters
            with self.admission.enter(kind, patience_s) as visit:
                self._untidy = True
                own = Stages(tell=self._tracing.teller())
                dressed, inner = await self._draw(order, work, own, deadline)
                visit.device_s = own.timings_ms["try_on"] / 1000
                visit.hands_s = own.worked_s - visit.device_s
            status = "fwd=bypass; detail=unavailable" if epoch == UNKNOWN_EPOCH else "fwd=uri-miss"
            kept = await self._keep(order, work, epoch, dressed)
            return _Flown(dressed, own.timings_ms, f"muslin; {status}{'; stored' if kept else ''}", inner)

        flown, shared = await self._flights.run(work.result_id, look_up, compute)
        if isinstance(order.photo, KeptPhoto):
            await self._check_not_erased(order.caller, order.photo)
        if shared:
            return Answer(flown.dressed, stages.finish(), f"{flown.status}; collapsed")
        for stage, ms in flown.timings_ms.items():
            stages.add(stage, ms / 1000)
        return Answer(flown.dressed, stages.finish(flown.inner_ms), flown.status)

    def photo_digest(self, order: Order) -> str:
        """Not on the event loop: a photo is megabytes."""
        return order.photo.digest if isinstance(order.photo, KeptPhoto) else self._photos.digest(order.caller, order.photo)

    def _plan(self, order: Order) -> _Work:
        """Digests of what came in."""
        photo = self.photo_digest(order)
        garments = tuple(g.picture if isinstance(g, Garment) else hashlib.sha256(g.picture).hexdigest() for g in order.garments)
        categories = [str(g.asked if isinstance(g, Garment) else g.category) for g in order.garments]
        options = [order.tuck.value, order.encoding, *categories]
        shopper = order.caller.shopper or ""
        result_id = self._vault.secrets.digest("result", order.caller.tenant, shopper, self._engine.version, photo, *garments, *options)
        return _Work(photo, garments, result_id)

    async def _draw(self, order: Order, work: _Work, stages: Stages, deadline: float) -> tuple[Dressed, dict[str, float]]:
        read, pictures = await self._read_all(order, work, stages)
        fitting = Fitting(read.person, tuple(picture.garment for picture in pictures), order.tuck)
        try:
            result, device_s = await self.batcher.draw(fitting, deadline - self._encoding_s[order.encoding].likely)
        except CategoryNotSupported as error:
            raise OutfitNotWearable(f"{error.detail} {taken_for(fitting.garments)}", field="garment") from error
        stages.add("try_on", device_s)
        begin = time.perf_counter()
        picture = await self._reader.codecs.run(
            stages.timed("encode", lambda: encode(result.picture, order.encoding, codec=self._engine.jpeg))
        )
        self._encoding_s[order.encoding].learn(time.perf_counter() - begin)
        height, width = result.picture.shape[:2]
        notices = collect(
            (
                ("photo", read.notices, read.person.notices),
                *((order.field_of(k), p.notices, p.garment.notices) for k, p in enumerate(pictures)),
            ),
            result.notices,
        )
        dressed = Dressed(
            id=work.result_id,
            tenant=order.caller.tenant,
            shopper=order.caller.shopper,
            media_type=MEDIA_TYPES[order.encoding],
            picture=picture,
            etag=f'"{hashlib.sha256(picture).hexdigest()[:32]}"',
            width=width,
            height=height,
            confidence=round(float(result.confidence), 3),
            garments=tuple(GarmentRecord(garment.category, round(float(garment.confidence), 3)) for garment in fitting.garments),
            notices=notices,
        )
        return dressed, dict(result.timings_ms)

    async def _read_all(self, order: Order, work: _Work, stages: Stages) -> tuple[ReadPhoto[P], list[ReadPicture[G]]]:
        """Photo and garments side by side: while one is read, the codecs decode the next."""
        try:
            async with asyncio.TaskGroup() as group:
                if isinstance(order.photo, KeptPhoto):
                    person = group.create_task(self._photos.person(order.photo, stages))
                else:
                    person = group.create_task(self._reader.person(work.photo_digest, order.photo, stages))
                garments = [
                    group.create_task(
                        self._catalogue.read(garment, order.field_of(k), stages)
                        if isinstance(garment, Garment)
                        else self._reader.garment(d, garment.picture, garment.category, order.field_of(k), stages)
                    )
                    for k, (garment, d) in enumerate(zip(order.garments, work.garment_digests, strict=True))
                ]
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return person.result(), [garment.result() for garment in garments]

    async def _keep(self, order: Order, work: _Work, epoch: int, dressed: Dressed) -> bool:
        """Not for longer than the kept photo: as long as there is a result, its photo can be deleted, and the result with it."""
        if epoch == UNKNOWN_EPOCH:
            return False
        owner, key = results_owner(work.photo_digest), key_of("result", work.result_id)
        ttl_s = self._settings.result_ttl_s
        if isinstance(order.photo, KeptPhoto):
            ttl_s = min(ttl_s, order.photo.expires - self._clock())
        if ttl_s <= 0:
            return False
        try:
            return await self._vault.put_owned(owner, epoch, key, dressed, ttl_s)
        except StoreUnavailable:
            return False

    async def _check_not_erased(self, caller: Caller, photo: KeptPhoto) -> None:
        """What was under way when its photo was deleted is not shown any more."""
        with suppress(StoreUnavailable):
            await self._photos.find(caller, photo.id)


@dataclass(slots=True)
class _Company:
    """Whether others were inside when a request got in; so it is taken for one that never did, or waited for another's try-on."""

    met: bool = True


UNKNOWN_EPOCH: Final = -1
"""The store was away when the work began: nothing of it is kept, for nobody knows what was erased meanwhile."""


@dataclass(frozen=True, slots=True)
class _Work:
    photo_digest: str
    garment_digests: Sequence[str]
    result_id: str


@dataclass(frozen=True, slots=True)
class _Flown:
    """What one of those who wanted the same got for all."""

    dressed: Dressed
    timings_ms: dict[str, float]
    status: str
    """RFC 9211."""
    inner_ms: dict[str, float] = field(default_factory=dict)
    """The engine's own stages, parts of `try_on`."""
