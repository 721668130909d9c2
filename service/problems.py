"""The only table from an error's slug to an RFC 9457 problem, and the handlers that answer with one.

A problem's `type` is `/problems/<slug>`, a page that this service serves itself. Slugs are stable: clients switch on them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from litestar.types import ExceptionHandlersMap

from models.errors import MuslinError
from service.database import DatabaseUnavailable
from service.errors import CredentialsMissing, InputRejected, ServiceError, UploadTimeout
from service.forms import ClientGone
from service.pictures import PicturesUnavailable
from service.store import StoreUnavailable

logger = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
TYPE_ROOT: Final = "/problems/"


@dataclass(frozen=True, slots=True)
class ProblemType:
    slug: str
    status: int
    title: str
    """The same for every occurrence."""
    remedy: str
    """What the one who sent the request can do; shown on the problem's page."""

    @property
    def uri(self) -> str:
        return TYPE_ROOT + self.slug


class FieldError(msgspec.Struct, frozen=True):
    """One part of the request that is wrong."""

    field: str
    detail: str


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str
    """This occurrence, in one plain sentence."""
    remedy: str
    """What the one who sent the request can do."""
    errors: tuple[FieldError, ...] = ()


PROBLEM_TYPES: Final = {
    kind.slug: kind
    for kind in (
        # the picture
        ProblemType("unsupported-image", 415, "Not a supported picture", "Send a JPEG, PNG, WebP, HEIC, AVIF or GIF file."),
        ProblemType("broken-image", 422, "Damaged picture", "The file is cut off or damaged: export or upload it again."),
        ProblemType("image-too-large", 413, "Picture too large", "Make it smaller; 1,500 pixels on the long side are plenty."),
        ProblemType("image-too-small", 422, "Picture too small", "Send a larger picture: about 1,000 pixels high shows a garment well."),
        # the photo
        ProblemType(
            "no-person",
            422,
            "No person found",
            "Send a photo of one person, facing the camera: head to hips for a top, head to feet for the rest.",
        ),
        ProblemType("several-people", 422, "Several people", "Crop the photo so that one person remains, or nobody else is as large."),
        ProblemType("body-not-visible", 422, "Body not visible", "Shoulders and hips must be in the photo, the arms apart from the trunk."),
        ProblemType("photo-too-small", 422, "Person too small", "Come closer or send a larger photo: the person must be 160 pixels tall."),
        ProblemType(
            "consent-missing",
            422,
            "Consent missing",
            "Show the shopper the text at /v1/consent, and send its version as `consent` when they agree.",
        ),
        ProblemType("photo-not-found", 404, "No such photo", "Upload the photo, and use the id that comes back."),
        ProblemType("photo-expired", 410, "Photo not kept any more", "Upload the photo again, or send it with the try-on."),
        ProblemType("result-not-found", 404, "No such try-on", "Results are kept for an hour at most: ask for the try-on again."),
        ProblemType("job-not-found", 404, "No such job", "Jobs are kept for an hour: ask for the try-on again."),
        # the garment
        ProblemType(
            "garment-not-isolated", 422, "Garment not isolated", "Send the garment alone, laid flat or on a ghost, on a plain ground."
        ),
        ProblemType("garment-not-readable", 422, "Garment not readable", "Send the whole garment from the front, upright and spread out."),
        ProblemType("category-not-supported", 422, "Category not supported", "This kind of garment cannot be draped."),
        ProblemType(
            "outfit-not-wearable",
            422,
            "Not an outfit",
            "Choose one lower garment and one dress at most, and four garments at most; if one was mistaken, say which category it is.",
        ),
        ProblemType("garment-not-found", 404, "No such garment", "/v1/garments lists what there is."),
        # who asks
        ProblemType("credentials-missing", 401, "Credentials missing", "Send an API key or a shopper's token: Authorization: Bearer …"),
        ProblemType("not-allowed", 403, "Not allowed", "A shopper's token is for photos and try-ons; the rest needs an API key."),
        ProblemType("too-many-requests", 429, "Too many requests", "Try again after the seconds in the header Retry-After."),
        ProblemType("quota-spent", 429, "Quota spent", "The shopper's token has no try-ons left: get another one."),
        # the request
        ProblemType("invalid-request", 400, "Invalid request", "Compare the fields with the documentation at /schema."),
        ProblemType("not-found", 404, "Not found", "Nothing is served here; /schema lists what is."),
        ProblemType("method-not-allowed", 405, "Method not allowed", "The header Allow names the methods of this address."),
        ProblemType("not-acceptable", 406, "Not acceptable", "Accept image/jpeg, image/png, image/webp, image/avif or application/json."),
        ProblemType(
            "fetch-refused", 422, "Address not allowed", "Send the picture itself, or an https address of an allowed, public host."
        ),
        ProblemType("fetch-failed", 422, "Address did not answer", "Send the picture itself, or look whether the address works."),
        ProblemType("precondition-failed", 412, "Changed meanwhile", "Get it again, and repeat the change with the new ETag."),
        ProblemType("headers-too-large", 431, "Headers too large", "Send fewer or shorter headers."),
        ProblemType("still-under-way", 409, "Still under way", "Wait for the first answer, or send the same request again later."),
        ProblemType("idempotency-mismatch", 422, "Idempotency-Key used before", "Use a new key for a new request."),
        ProblemType("upload-timeout", 408, "Upload too slow", "The picture did not arrive in time: send a smaller one, or try again."),
        ProblemType("request-too-large", 413, "Request too large", "Send fewer or smaller pictures at once."),
        ProblemType(
            "unsupported-media-type", 415, "Unsupported media type", "Send forms as multipart/form-data, JSON as application/json."
        ),
        # the service
        ProblemType("internal-error", 500, "Internal error", "This is our fault; trying again may help."),
        ProblemType("asset-unavailable", 503, "Model file unavailable", "The service is not set up completely: run `muslin assets`."),
        ProblemType("store-unavailable", 503, "Store unavailable", "Nothing was changed: try again after the seconds in Retry-After."),
        ProblemType("overloaded", 503, "Overloaded", "Try again after the seconds in the header Retry-After."),
        ProblemType(
            "deadline-exceeded",
            504,
            "Deadline exceeded",
            "It took too long, although nobody was before it: send a smaller photo, or allow more time.",
        ),
    )
}

STATUS_SLUGS: Final = {
    400: "invalid-request",
    404: "not-found",
    405: "method-not-allowed",
    406: "not-acceptable",
    413: "request-too-large",
    415: "unsupported-media-type",
}
"""What the framework itself refuses."""


def documented(*slugs: str) -> dict[int, ResponseSpec]:
    """The OpenAPI responses of an operation that may answer these problems, with an example for each."""
    by_status: dict[int, list[ProblemType]] = {}
    for slug in (*slugs, "internal-error"):
        kind = PROBLEM_TYPES[slug]
        by_status.setdefault(kind.status, []).append(kind)
    return {
        status: ResponseSpec(
            Problem,
            generate_examples=False,
            description="; ".join(kind.title for kind in kinds),
            media_type=MEDIA_TYPE,
            examples=[
                Example(id=kind.slug, summary=kind.title, value=msgspec.to_builtins(problem_of(kind, kind.title + "."))) for kind in kinds
            ],
        )
        for status, kinds in by_status.items()
    }


def problem_of(kind: ProblemType, detail: str, errors: Iterable[FieldError] = ()) -> Problem:
    return Problem(kind.uri, kind.title, kind.status, detail, kind.remedy, tuple(errors))


def _fields(error: HTTPException) -> tuple[FieldError, ...]:
    """What Litestar says of the parameters and fields that do not fit."""
    said = error.extra if isinstance(error.extra, list) else []
    return tuple(FieldError(str(e["key"]), str(e["message"])) for e in said if isinstance(e, dict) and e.get("key") and e.get("message"))


def exception_handlers(count: Callable[[str, str], None]) -> ExceptionHandlersMap:
    """Handlers for everything that may be raised; `count` is told the route and the slug of each problem."""

    def respond(
        request: Request[Any, Any, Any], problem: Problem, slug: str, headers: Mapping[str, str] | None = None
    ) -> Response[Problem]:
        count(str(request.scope.get("path_template") or "unknown"), slug)
        headers = {"Cache-Control": "no-store", **(headers or {})}
        return Response(problem, status_code=problem.status, media_type=MEDIA_TYPE, headers=headers)

    def from_models(request: Request[Any, Any, Any], error: MuslinError) -> Response[Problem]:
        return respond(request, problem_of(PROBLEM_TYPES[error.slug], error.detail), error.slug)

    def from_input(request: Request[Any, Any, Any], rejected: InputRejected) -> Response[Problem]:
        error = rejected.error
        errors = (FieldError(rejected.field, error.detail),)
        return respond(request, problem_of(PROBLEM_TYPES[error.slug], error.detail, errors), error.slug)

    def from_service(request: Request[Any, Any, Any], error: ServiceError) -> Response[Problem]:
        errors = () if error.field is None else (FieldError(error.field, error.detail),)
        headers = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
        if isinstance(error, CredentialsMissing):
            headers["WWW-Authenticate"] = 'Bearer realm="muslin"'
        if isinstance(error, UploadTimeout):
            headers["Connection"] = "close"  # RFC 9110, 15.5.9: the rest of the body is not waited for
        return respond(request, problem_of(PROBLEM_TYPES[error.slug], error.detail, errors), error.slug, headers)

    def from_store(request: Request[Any, Any, Any], _: Exception) -> Response[Problem]:
        kind = PROBLEM_TYPES["store-unavailable"]
        return respond(request, problem_of(kind, "What is kept cannot be reached just now."), kind.slug, {"Retry-After": "2"})

    def from_framework(request: Request[Any, Any, Any], error: HTTPException) -> Response[Problem]:
        """Unknown address, wrong method, malformed request."""
        if error.status_code >= 500:
            return from_bug(request, error)
        kind = PROBLEM_TYPES[STATUS_SLUGS.get(error.status_code, "invalid-request")]
        detail = {
            404: "Nothing is served at this address.",
            405: f"{request.method} is not possible at this address.",
            413: "The request is too large for this address.",
        }
        problem = problem_of(kind, detail.get(error.status_code, "The request cannot be understood."), _fields(error))
        return respond(request, problem, kind.slug, error.headers)

    def from_nesting(request: Request[Any, Any, Any], _: RecursionError) -> Response[Problem]:
        """Of the JSON decoder: nothing else here follows its input into the depth."""
        return respond(request, problem_of(PROBLEM_TYPES["invalid-request"], "The JSON is nested too deeply."), "invalid-request")

    def from_gone(request: Request[Any, Any, Any], error: ClientGone) -> Response[Problem]:
        """Nobody reads it; it is counted apart from what clients do wrong."""
        return respond(request, problem_of(PROBLEM_TYPES["invalid-request"], error.detail), "client-gone")

    def from_bug(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
        """The log gets the traceback (lines of code, no values), the client nothing of it."""
        route = request.scope.get("path_template") or "unknown"  # not the address: ids are of people
        logger.error("%s %s failed", request.method, route, exc_info=error)
        kind = PROBLEM_TYPES["internal-error"]
        return respond(request, problem_of(kind, "Something went wrong inside the service."), kind.slug)

    return {
        MuslinError: from_models,
        InputRejected: from_input,
        ServiceError: from_service,
        StoreUnavailable: from_store,
        DatabaseUnavailable: from_store,
        PicturesUnavailable: from_store,
        ClientGone: from_gone,
        HTTPException: from_framework,
        RecursionError: from_nesting,
        Exception: from_bug,
    }
