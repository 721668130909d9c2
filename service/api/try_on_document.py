"""How POST /v1/try-ons stands in the OpenAPI document: Litestar cannot derive a form that it does not parse itself."""

from __future__ import annotations

from dataclasses import dataclass

from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import (
    OpenAPIHeader,
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    Parameter,
    RequestBody,
    Schema,
)
from litestar.openapi.spec.enums import OpenAPIFormat

from models.types import Category, Tuck
from service.api.documents import tidy_examples
from service.api.jobs import JobResource
from service.api.manners import IDEMPOTENCY_PROBLEMS, PATIENCE_MOST_S
from service.api.records import TryOnRecord
from service.dressing import MEDIA_TYPES
from service.problems import documented

BINARY = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)

FORM = Schema(
    type=OpenAPIType.OBJECT,
    properties={
        "photo": Schema(
            type=OpenAPIType.STRING,
            format=OpenAPIFormat.BINARY,
            description="One person from head to hips at least, facing the camera: JPEG, PNG, WebP, HEIC, AVIF or GIF. Of lower "
            "garments and dresses as much is shown as the photo has room for. Either this or `photo_id`.",
        ),
        "photo_id": Schema(type=OpenAPIType.STRING, description="Of a photo that was uploaded to /v1/photos: nothing is read again."),
        "garment": Schema(
            type=OpenAPIType.ARRAY,
            items=BINARY,
            min_items=1,
            description="The garment alone on a plain or transparent ground. Repeat the field for an outfit, inner to outer "
            "(trousers, then the top over them): one lower garment and one dress at most.",
        ),
        "garment_id": Schema(
            type=OpenAPIType.ARRAY,
            items=Schema(type=OpenAPIType.STRING),
            description="Of the catalogue (/v1/garments), instead of `garment`; repeated for an outfit, inner to outer.",
        ),
        "category": Schema(
            type=OpenAPIType.ARRAY,
            items=Schema(type=OpenAPIType.STRING, enum=["auto", *(category.value for category in Category)], default="auto"),
            description="What the garment is: `upper`, `lower` (trousers, shorts, skirts) or `dress`; `auto` finds it from the "
            "outline. Once for all garments, or repeated, one for each in their order.",
        ),
        "tuck": Schema(
            type=OpenAPIType.STRING,
            enum=[tuck.value for tuck in Tuck],
            default="auto",
            description="Wear a top inside or outside what is worn below; `auto` keeps the wearer's way, and leaves a top out "
            "that is worn over another top or a dress.",
        ),
        "webhook_url": Schema(type=OpenAPIType.STRING, description="With `Prefer: respond-async`: told when the try-on has ended, signed."),
        "format": Schema(
            type=OpenAPIType.STRING,
            enum=list(MEDIA_TYPES),
            description="The picture's format, where `Accept` leaves it open (`*/*`, `image/*`, `application/json`); jpeg by default.",
        ),
    },
)


DATA_URI = Schema(type=OpenAPIType.STRING, description="data:image/…;base64,…")
JSON_ORDER = Schema(
    type=OpenAPIType.OBJECT,
    properties={
        "photo": DATA_URI,
        "photo_id": Schema(type=OpenAPIType.STRING),
        "garments": Schema(type=OpenAPIType.ARRAY, items=DATA_URI, description="Inner to outer."),
        "garment_ids": Schema(type=OpenAPIType.ARRAY, items=Schema(type=OpenAPIType.STRING), description="Instead of `garments`."),
        "categories": Schema(
            type=OpenAPIType.ARRAY,
            items=Schema(type=OpenAPIType.STRING, enum=["auto", *(category.value for category in Category)]),
            description="Of `garments`: one for each, or one for all.",
        ),
        "webhook_url": Schema(type=OpenAPIType.STRING),
        "tuck": FORM.properties["tuck"] if FORM.properties else Schema(),
        "format": FORM.properties["format"] if FORM.properties else Schema(),
    },
    additional_properties=False,
)


def _text(description: str) -> OpenAPIHeader:
    return OpenAPIHeader(schema=Schema(type=OpenAPIType.STRING), description=description)


REQUEST_TIMEOUT = Parameter(
    name="Request-Timeout",
    param_in="header",
    schema=Schema(type=OpenAPIType.NUMBER, exclusive_minimum=0, maximum=PATIENCE_MOST_S),
    description="Seconds for which the answer is of use. A request that would have to wait for longer is refused at once.",
)

PREFER = Parameter(
    name="Prefer", param_in="header", schema=Schema(type=OpenAPIType.STRING), description="`respond-async`: answered later, by a job."
)
IDEMPOTENCY_KEY = Parameter(
    name="Idempotency-Key",
    param_in="header",
    schema=Schema(type=OpenAPIType.STRING, min_length=1, max_length=200, pattern=r"^[\x21\x23-\x7e]+$"),
    description="A request that is sent again with the same key does not happen again.",
)
HEADERS = {
    "ETag": _text("Of pictures: of exactly these bytes; `GET` with `If-None-Match` answers 304."),
    "Content-Location": _text("Where the result can be had again while it is kept."),
    "Server-Timing": _text("Milliseconds by stage."),
    "Cache-Status": _text("Whether the result was drawn before (RFC 9211)."),
    "Cache-Control": _text("`private`: the picture shows a person; no shared cache may keep it."),
    "Muslin-Id": _text("Of pictures: the try-on's id."),
    "Muslin-Confidence": _text("Of pictures: 0 to 1; under 0.4 the picture is visibly poor."),
    "Muslin-Category": _text("Of pictures: the garments' categories, inner to outer."),
    "Muslin-Notices": _text("Of pictures: codes of what should be known about the result; their sentences are in the JSON record."),
}

PROBLEMS = documented(
    "invalid-request",
    "not-acceptable",
    "upload-timeout",
    "request-too-large",
    "image-too-large",
    "unsupported-media-type",
    "unsupported-image",
    "broken-image",
    "image-too-small",
    "photo-not-found",
    "photo-expired",
    "garment-not-found",
    "credentials-missing",
    "too-many-requests",
    "quota-spent",
    "fetch-refused",
    "fetch-failed",
    *IDEMPOTENCY_PROBLEMS,
    "store-unavailable",
    "no-person",
    "several-people",
    "body-not-visible",
    "photo-too-small",
    "garment-not-isolated",
    "garment-not-readable",
    "category-not-supported",
    "outfit-not-wearable",
    "overloaded",
    "asset-unavailable",
    "deadline-exceeded",
)


RESPONSES = {
    200: ResponseSpec(TryOnRecord, generate_examples=False, description="The person, dressed."),
    202: ResponseSpec(JobResource, generate_examples=False, description="Taken, to be answered later (`Prefer: respond-async`)."),
    **PROBLEMS,
}


FOUND_RESPONSES = {
    200: ResponseSpec(TryOnRecord, generate_examples=False, description="The person, dressed."),
    304: ResponseSpec(None, generate_examples=False, description="It is still what the client has."),
    **documented("result-not-found", "not-acceptable", "store-unavailable", "credentials-missing", "too-many-requests"),
}


@dataclass
class FoundOperation(Operation):
    """Adds the pictures beside the JSON record."""

    def __post_init__(self) -> None:
        tidy_examples(self)
        _add_pictures(self)


@dataclass
class TryOnOperation(Operation):
    """Adds the form as well."""

    def __post_init__(self) -> None:
        content = {"multipart/form-data": OpenAPIMediaType(schema=FORM), "application/json": OpenAPIMediaType(schema=JSON_ORDER)}
        self.request_body = RequestBody(content=content, required=True)
        self.parameters = [*(self.parameters or ()), REQUEST_TIMEOUT, PREFER, IDEMPOTENCY_KEY]
        tidy_examples(self)
        _add_pictures(self)


def _add_pictures(operation: Operation) -> None:
    success = (operation.responses or {})["200"]
    if isinstance(success, OpenAPIResponse):
        pictures = {media_type: OpenAPIMediaType(schema=BINARY) for media_type in MEDIA_TYPES.values()}
        success.content = {**pictures, **(success.content or {})}
        success.headers = {**HEADERS}
