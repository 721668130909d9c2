"""What a client wishes, as a form or as JSON, before anything of it is looked up."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from models.errors import ImageTooLarge
from models.images import Encoding
from models.types import Category, Tuck
from service.callers import Caller
from service.catalogue import Catalogue, Garment
from service.categories import parse_categories
from service.dressing import MEDIA_TYPES, GarmentUpload, Order
from service.errors import InvalidRequest
from service.fetching import Fetcher
from service.forms import Form, FormLimits, one
from service.photos import KeptPhoto, Photos

FILES: Final = frozenset({"photo", "garment"})
TEXTS: Final = frozenset({"photo_id", "garment_id", "category", "tuck", "format", "webhook_url"})


class JsonOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    photo: str | None = None
    photo_id: str | None = None
    garments: tuple[str, ...] = ()
    garment_ids: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    tuck: str | None = None
    format: str | None = None
    webhook_url: str | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    photo: bytes | str
    """A picture, or the id of a kept one."""
    garments: tuple[bytes | str, ...]
    categories: tuple[Category | None, ...]
    """One for each garment that is a picture; the catalogue knows the others'."""
    tuck: Tuck
    format: str | None
    """A key of `MEDIA_TYPES`."""
    webhook_url: str | None = None
    """Of a request that is answered later."""


def wish_of_form(form: Form, max_garments: int) -> Wish:
    """Raises InvalidRequest."""
    words = [word for text in form.texts.get("category", ()) for word in text.replace(";", ",").split(",")]
    pictures, ids = form.files.get("garment", ()), form.texts.get("garment_id", ())
    wish = _wish(
        form.files.get("photo", ()), one(form, "photo_id"), pictures, ids, words, one(form, "tuck"), one(form, "format"), max_garments
    )
    return replace(wish, webhook_url=one(form, "webhook_url"))


async def wish_of_json(body: bytes, limits: FormLimits, max_garments: int, fetcher: Fetcher) -> Wish:
    """Pictures may be given by address, where the settings allow. Raises InvalidRequest, ImageTooLarge, FetchRefused, FetchFailed."""
    try:
        order = msgspec.json.decode(body, type=JsonOrder)
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"The JSON cannot be used: {_plain(error)}.") from None

    async def picture(source: str, field: str) -> bytes:
        if source.startswith(("https:", "http:")):
            return await fetcher.get(source, limits.max_file_bytes)
        return picture_of(source, field, limits)

    photos = () if order.photo is None else (await picture(order.photo, "photo"),)
    pictures = [await picture(source, "garments") for source in order.garments[: max_garments + 1]]
    photo_id, ids = order.photo_id or None, order.garment_ids
    wish = _wish(photos, photo_id, pictures, ids, order.categories, order.tuck, order.format, max_garments)
    return replace(wish, webhook_url=order.webhook_url)


def _plain(error: msgspec.DecodeError) -> str:
    text = str(error)
    return (text if isinstance(error, msgspec.ValidationError) else text.partition(":")[0]).rstrip(".")


def picture_of(uri: str, field: str, limits: FormLimits) -> bytes:
    """The bytes of a data URI; a bare base64 text counts as one. Raises InvalidRequest, ImageTooLarge."""
    head, comma, data = uri.partition(",")
    if comma and not (head.startswith("data:") and head.endswith(";base64")):
        raise InvalidRequest("A picture must be a data URI in base64: data:image/jpeg;base64,…", field=field)
    data = data if comma else uri
    if len(data) * 3 // 4 > limits.max_file_bytes + 3:
        raise ImageTooLarge(f"The picture in {field!r} is larger than {limits.max_file_bytes / 1e6:.0f} MB.")
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidRequest("A picture must be a data URI in base64: data:image/jpeg;base64,…", field=field) from None


def _wish(
    photos: Sequence[bytes],
    photo_id: str | None,
    pictures: Sequence[bytes],
    garment_ids: Sequence[str],
    words: Sequence[str],
    tuck: str | None,
    format_: str | None,
    max_garments: int,
) -> Wish:
    if len(photos) + (photo_id is not None) != 1:
        several = "Send exactly one photo, or the id of one."
        raise InvalidRequest(several if photos else "The photo is missing: send one, or the id of one.", field="photo")
    if pictures and garment_ids:
        raise InvalidRequest("Send pictures of garments or ids, not both: their order would be unknown.", field="garment_id")
    garments: tuple[bytes | str, ...] = (*pictures, *garment_ids)
    if not garments:
        raise InvalidRequest("The garment is missing: send its picture, or its id.", field="garment")
    if len(garments) > max_garments:
        raise InvalidRequest(f"At most {max_garments} garments can be worn at once.", field="garment")
    if garment_ids and any(word not in ("", "auto") for word in words):
        raise InvalidRequest("The catalogue knows what its garments are.", field="category")
    try:
        categories = parse_categories(words, len(garments)) if pictures else []
    except ValueError as error:
        raise InvalidRequest(str(error), field="category") from None
    if (tuck or Tuck.AUTO) not in set(Tuck):
        raise InvalidRequest(f"The tuck must be one of {', '.join(Tuck)}.", field="tuck")
    if format_ is not None and format_ not in MEDIA_TYPES:
        raise InvalidRequest(f"The format must be one of {', '.join(MEDIA_TYPES)}.", field="format")
    return Wish(photos[0] if photos else photo_id or "", garments, tuple(categories), Tuck(tuck or Tuck.AUTO), format_)


async def order_of(
    wish: Wish, encoding: Encoding, caller: Caller, patience_s: float | None, photos: Photos[Any, Any], catalogue: Catalogue[Any, Any]
) -> Order:
    """Looks up what is meant by ids. Raises PhotoNotFound, PhotoExpired, GarmentNotFound."""
    photo: bytes | KeptPhoto = wish.photo if isinstance(wish.photo, bytes) else await photos.find_or_expired(caller, wish.photo)
    garments: list[GarmentUpload | Garment] = []
    for k, garment in enumerate(wish.garments):
        garments.append(
            GarmentUpload(garment, wish.categories[k]) if isinstance(garment, bytes) else await catalogue.known(caller, garment)
        )
    return Order(photo, tuple(garments), wish.tuck, encoding, caller, patience_s)
