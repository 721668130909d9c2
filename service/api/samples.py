"""The demo page's sample people and garments: drawn when first asked for, then kept in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec
from litestar import Response, Router, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

import models.samples as wardrobe
from models.images import encode
from models.types import Category, Picture
from service.readings import Readings
from service.worker import Worker

THUMBNAIL_SIZE: Final = (216, 288)
"""(width, height) px; drawn at this size, which takes a tenth of the time."""
GARMENT_SIZE: Final = (576, 768)
KEPT_BYTES: Final = 50_000_000
KEPT_S: Final = 7 * 86_400.0
MAX_AGE = {"Cache-Control": "public, max-age=86400"}


@dataclass(frozen=True, slots=True)
class Offer:
    """A garment of `models.samples` as the page offers it."""

    name: str
    title: str
    category: Category


OFFERS: Final = (
    Offer("print-tee", "Print tee", Category.UPPER),
    Offer("breton", "Breton", Category.UPPER),
    Offer("v-neck", "V-neck", Category.UPPER),
    Offer("gingham", "Gingham", Category.UPPER),
    Offer("polo", "Polo", Category.UPPER),
    Offer("turtleneck", "Turtleneck", Category.UPPER),
    Offer("tank", "Tank top", Category.UPPER),
    Offer("navy-dots", "Navy dots", Category.UPPER),
    Offer("dotted-dress", "Dress", Category.DRESS),
    Offer("chinos", "Chinos", Category.LOWER),
    Offer("shorts", "Shorts", Category.LOWER),
    Offer("skirt", "Skirt", Category.LOWER),
)


class SamplePicture(msgspec.Struct, frozen=True):
    name: str
    title: str
    url: str
    thumbnail_url: str
    credit: str | None = None
    category: Category | None = None


class Samples(msgspec.Struct, frozen=True):
    people: tuple[SamplePicture, ...]
    garments: tuple[SamplePicture, ...]


class Studio:
    """Draws on one thread of its own, so that a page full of samples does not hold up a try-on."""

    def __init__(self) -> None:
        self._worker = Worker("samples")
        self._kept: Readings[bytes] = Readings(KEPT_BYTES, KEPT_S)

    async def jpeg(self, key: str, draw: Callable[[], Picture]) -> Response[bytes]:
        async def make() -> bytes:
            return await self._worker.run(lambda: encode(draw(), "jpeg"))

        return Response(await self._kept.get(key, make), media_type="image/jpeg", headers=MAX_AGE)

    def close(self) -> None:
        self._worker.close()


def samples(studio: Studio) -> Router:
    @get("/", include_in_schema=False, sync_to_thread=True)
    def list_samples() -> Samples:
        people = tuple(
            SamplePicture(p.name, p.name.capitalize(), f"/samples/people/{p.name}", f"/samples/people/{p.name}", f"{p.credit}; {p.licence}")
            for p in wardrobe.sample_people()
        )
        garments = tuple(
            SamplePicture(o.name, o.title, f"/samples/garments/{o.name}", f"/samples/garments/{o.name}/thumbnail", None, o.category)
            for o in OFFERS
        )
        return Samples(people, garments)

    @get("/people/{name:str}", include_in_schema=False)
    async def person(name: FromPath[str]) -> Response[bytes]:
        return await studio.jpeg(f"person {name}", lambda: _person(name))

    @get("/garments/{name:str}", include_in_schema=False)
    async def garment(name: FromPath[str]) -> Response[bytes]:
        return await studio.jpeg(f"garment {name}", lambda: _packshot(name, GARMENT_SIZE))

    @get("/garments/{name:str}/thumbnail", include_in_schema=False)
    async def thumbnail(name: FromPath[str]) -> Response[bytes]:
        return await studio.jpeg(f"thumbnail {name}", lambda: _packshot(name, THUMBNAIL_SIZE))

    return Router("/samples", route_handlers=[list_samples, person, garment, thumbnail])


def _person(name: str) -> Picture:
    try:
        return wardrobe.sample_person(name).picture
    except KeyError:
        raise NotFoundException from None


def _packshot(name: str, size: tuple[int, int]) -> Picture:
    if name not in {offer.name for offer in OFFERS}:
        raise NotFoundException
    return wardrobe.packshot(name, size).picture
