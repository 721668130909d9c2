"""/v1/garments: the shop's catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, Router, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from msgspec import Meta

from models.errors import MuslinError
from models.image_headers import sniff
from models.types import Category
from service.api.access import ACCESS_PROBLEMS, JSON_PROBLEMS, SMALL_MB, need_server
from service.api.documents import PlainOperation, tidy_examples
from service.api.manners import IDEMPOTENCY_PROBLEMS, MATCH_PROBLEMS, need_match, not_modified
from service.api.try_on_document import BINARY
from service.callers import Caller
from service.catalogue import PAGE_MOST, UNCHANGED, Catalogue, Garment, Measure, SizeChart
from service.categories import parse_categories
from service.errors import InputRejected, InvalidRequest
from service.forms import FormLimits, need_json, one, read_form, while_connected
from service.idempotency import Idempotency
from service.names import NAME_MOST, plain_name
from service.photos import rfc3339
from service.problems import documented
from service.records import NoticeRecord
from service.settings import Settings
from service.worker import UploadMemory

FILES, TEXTS = frozenset({"picture"}), frozenset({"name", "category", "size_chart"})
PRIVATE: Final = {"Cache-Control": "private, no-cache"}
"""A client may keep it, but asks each time whether it is still so."""


class GarmentResource(msgspec.Struct, frozen=True):
    """A garment of the catalogue, for `garment_id` of try-ons."""

    id: str
    name: str
    category: Category
    size_chart: dict[str, dict[Measure, float]]
    """By size: centimetres."""
    picture_url: str
    width: int
    height: int
    confidence: float
    """0..1: how surely the picture was read."""
    lint: tuple[NoticeRecord, ...]
    """What will look bad, and how to mend it."""
    created_at: str
    updated_at: str
    """RFC 3339."""


class GarmentPage(msgspec.Struct, frozen=True):
    garments: tuple[GarmentResource, ...]
    """The newest first."""
    next_cursor: str | None
    """For `cursor` of the next page; null on the last one."""


class GarmentChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is left out stays as it is."""

    name: Annotated[str, Meta(min_length=1, max_length=NAME_MOST)] | msgspec.UnsetType = msgspec.UNSET
    category: Category | msgspec.UnsetType | None = msgspec.UNSET
    """null: found anew from the outline."""
    size_chart: SizeChart | msgspec.UnsetType = msgspec.UNSET


FORM = Schema(
    type=OpenAPIType.OBJECT,
    required=["picture", "name"],
    properties={
        "picture": BINARY,
        "name": Schema(type=OpenAPIType.STRING, min_length=1, max_length=NAME_MOST),
        "category": Schema(type=OpenAPIType.STRING, enum=["auto", *(c.value for c in Category)], default="auto"),
        "size_chart": Schema(type=OpenAPIType.STRING, description='JSON, centimetres by size: {"S": {"chest": 92, "length": 68}, "M": …}.'),
    },
)
READING_PROBLEMS: Final = (
    "garment-not-isolated",
    "garment-not-readable",
    "category-not-supported",
    "unsupported-image",
    "broken-image",
    "image-too-large",
    "image-too-small",
)


@dataclass
class UploadOperation(Operation):
    def __post_init__(self) -> None:
        self.request_body = RequestBody(content={"multipart/form-data": OpenAPIMediaType(schema=FORM)}, required=True)
        tidy_examples(self)


def garments(catalogue: Catalogue[Any, Any], idempotency: Idempotency, uploads: UploadMemory, settings: Settings) -> Router:
    limits = FormLimits.of(settings, max_parts=6, max_mb=settings.max_image_mb + 0.1)
    small = FormLimits.of(settings, max_parts=0, max_mb=SMALL_MB)

    async def before(request: Request[Any, Any, Any]) -> None:
        await need_json(request, small)

    @post(
        "/",
        status_code=201,
        operation_class=UploadOperation,
        responses={
            201: ResponseSpec(GarmentResource, generate_examples=False, description="Read and kept."),
            **documented(
                "invalid-request",
                "upload-timeout",
                "request-too-large",
                "unsupported-media-type",
                "not-allowed",
                "overloaded",
                "store-unavailable",
                *IDEMPOTENCY_PROBLEMS,
                *READING_PROBLEMS,
                *ACCESS_PROBLEMS,
            ),
        },
        summary="Add a garment",
        request_max_body_size=None,
    )
    async def add(request: Request[Any, Any, Any], caller: NamedDependency[Caller]) -> Response[GarmentResource]:
        """Reads the garment's picture once, so that try-ons by `garment_id` need not; `lint` tells what will look bad on people."""
        need_server(caller)
        with uploads.lease() as take:
            form = await read_form(request, FILES, TEXTS, limits, take)
            files = form.files.get("picture", ())
            if len(files) != 1:
                raise InvalidRequest("Send exactly one picture." if files else "The picture is missing.", field="picture")
            name = _name(one(form, "name") or "")
            try:
                (category,) = parse_categories([one(form, "category") or "auto"], 1)
            except ValueError as error:
                raise InvalidRequest(str(error), field="category") from None
            media_type, chart = _media_type(files[0]), _size_chart(one(form, "size_chart"))
            what = (files[0], name, str(category), msgspec.json.encode(chart))
            async with idempotency.once(request.headers.get("idempotency-key"), caller, "garments", *what) as once:
                if once.earlier is not None:
                    garment = await catalogue.find(caller, once.earlier)
                else:
                    garment = await while_connected(request, catalogue.add(caller, files[0], media_type, name, category, chart))
                    once.made = garment.id
        return Response(_resource(garment), headers={**PRIVATE, "Location": f"/v1/garments/{garment.id}", "ETag": _etag(garment)})

    @get(
        "/",
        operation_class=PlainOperation,
        responses=documented("invalid-request", "store-unavailable", *ACCESS_PROBLEMS),
        summary="List garments",
    )
    async def page(
        caller: NamedDependency[Caller],
        limit: Annotated[int, QueryParameter(ge=1, le=PAGE_MOST)] = 20,
        cursor: Annotated[str | None, QueryParameter(max_length=200)] = None,
        category: FromQuery[Category | None] = None,
        name: Annotated[str | None, QueryParameter(max_length=NAME_MOST, description="Part of the name, in any case.")] = None,
    ) -> Response[GarmentPage]:
        """Page by page, the newest first; a page stays the same while garments are added."""
        found = await catalogue.page(caller, limit, cursor, category, name)
        return Response(GarmentPage(tuple(_resource(g) for g in found.garments), found.cursor), headers=PRIVATE)

    @get(
        "/{garment_id:str}",
        operation_class=PlainOperation,
        responses=documented("garment-not-found", "store-unavailable", *ACCESS_PROBLEMS),
        summary="A garment",
    )
    async def find(request: Request[Any, Any, Any], caller: NamedDependency[Caller], garment_id: FromPath[str]) -> Response[Any]:
        garment = await catalogue.find(caller, garment_id)
        headers = {**PRIVATE, "ETag": _etag(garment)}
        return not_modified(request, _etag(garment), headers) or Response(_resource(garment), headers=headers)

    @get(
        "/{garment_id:str}/picture",
        responses=documented("garment-not-found", "store-unavailable", *ACCESS_PROBLEMS),
        operation_class=PlainOperation,
        summary="A garment's picture",
        media_type="image/*",
    )
    async def picture(request: Request[Any, Any, Any], caller: NamedDependency[Caller], garment_id: FromPath[str]) -> Response[bytes]:
        """As it was uploaded."""
        garment = await catalogue.find(caller, garment_id)
        headers = {**PRIVATE, "ETag": f'"{garment.picture[:32]}"'}
        known = not_modified(request, headers["ETag"], headers)
        return known or Response(await catalogue.picture(garment), media_type=garment.media_type, headers=headers)

    @patch(
        "/{garment_id:str}",
        operation_class=PlainOperation,
        responses=documented(
            "invalid-request",
            "garment-not-found",
            "not-allowed",
            "store-unavailable",
            *MATCH_PROBLEMS,
            *JSON_PROBLEMS,
            *READING_PROBLEMS,
            *ACCESS_PROBLEMS,
        ),
        summary="Change a garment",
        before_request=before,
    )
    async def change(
        request: Request[Any, Any, Any], caller: NamedDependency[Caller], garment_id: FromPath[str], data: JSONBody[GarmentChange]
    ) -> Response[GarmentResource]:
        """Its name, category or size chart; another category reads the picture again. Another picture is another garment.

        With `If-Match` nothing is changed that somebody else has changed meanwhile.
        """
        need_server(caller)
        if "if-match" in request.headers:
            need_match(request, _etag(await catalogue.find(caller, garment_id)))
        garment = await catalogue.change(
            caller,
            garment_id,
            None if data.name is msgspec.UNSET else _name(data.name),
            UNCHANGED if data.category is msgspec.UNSET else data.category,
            None if data.size_chart is msgspec.UNSET else data.size_chart,
        )
        return Response(_resource(garment), headers={**PRIVATE, "ETag": _etag(garment)})

    @delete(
        "/{garment_id:str}",
        operation_class=PlainOperation,
        responses=documented("garment-not-found", "not-allowed", "store-unavailable", *MATCH_PROBLEMS, *ACCESS_PROBLEMS),
        summary="Remove a garment",
    )
    async def remove(request: Request[Any, Any, Any], caller: NamedDependency[Caller], garment_id: FromPath[str]) -> None:
        """With its picture. Finished try-ons stay until they expire."""
        need_server(caller)
        if "if-match" in request.headers:
            need_match(request, _etag(await catalogue.find(caller, garment_id)))
        await catalogue.remove(caller, garment_id)

    return Router("/v1/garments", route_handlers=[add, page, find, picture, change, remove], tags=["Garments"])


def _name(text: str) -> str:
    name = plain_name(text)
    if name is None:
        raise InvalidRequest(f"The garment needs a name of {NAME_MOST} printable characters at most.", field="name")
    return name


def _size_chart(text: str | None) -> dict[str, dict[Measure, float]]:
    if text is None:
        return {}
    try:
        return msgspec.json.decode(text, type=SizeChart)
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"The size chart cannot be used: {str(error).partition(' - at ')[0]}.", field="size_chart") from None


def _media_type(picture: bytes) -> str:
    try:
        return f"image/{sniff(picture).value}"
    except MuslinError as error:
        raise InputRejected("picture", error) from error


def _etag(garment: Garment) -> str:
    return f'"{garment.id}-{int(1_000_000 * garment.updated):x}"'


def _resource(garment: Garment) -> GarmentResource:
    return GarmentResource(
        id=garment.id,
        name=garment.name,
        category=garment.category,
        size_chart=garment.size_chart,
        picture_url=f"/v1/garments/{garment.id}/picture",
        width=garment.width,
        height=garment.height,
        confidence=garment.confidence,
        lint=garment.lint,
        created_at=rfc3339(garment.created),
        updated_at=rfc3339(garment.updated),
    )
