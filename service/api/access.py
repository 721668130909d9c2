"""Who calls, for every handler that asks for a `caller`; and POST /v1/tokens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, Router, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody
from msgspec import Meta

from service.access import Access
from service.api.documents import PlainOperation
from service.callers import Caller
from service.errors import NotAllowed
from service.forms import FormLimits, need_json
from service.photos import rfc3339
from service.problems import documented
from service.settings import Settings

POLICY: Final = "muslin_rate_policy"
"""Where in a request's state the headers of its rate stand."""
SMALL_MB: Final = 0.1
"""Of a body that is JSON alone."""
JSON_PROBLEMS: Final = ("upload-timeout", "request-too-large", "unsupported-media-type")
ACCESS_PROBLEMS: Final = ("credentials-missing", "too-many-requests")


class TokenOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All may be left out."""

    ttl_s: Annotated[float, Meta(ge=1, le=86_400)] | None = None
    """Seconds for which it is good."""
    quota: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    """Photos and try-ons that it is good for."""


class TokenRecord(msgspec.Struct, frozen=True):
    """For one shopper's browser: `Authorization: Bearer <token>`."""

    token: str
    expires_at: str
    """RFC 3339."""
    quota: int


def caller_of(access: Access) -> Callable[[Request[Any, Any, Any]], Awaitable[Caller]]:
    """The dependency: credentials and rate are looked at before anything of the body is."""

    async def caller(request: Request[Any, Any, Any]) -> Caller:
        found = await access.identify(request.headers.get("authorization"))
        told: dict[str, str] = {}
        request.scope["state"][POLICY] = told  # before it is filled: a refusal tells the rate too
        await access.admit(found, request.client.host if request.client else "", told)
        return found

    return caller


def need_server(caller: Caller) -> None:
    """Raises NotAllowed for a shopper's token."""
    if caller.shopper is not None:
        raise NotAllowed("A shopper's token is not good for this.")


def tokens(access: Access, settings: Settings) -> Router:
    limits = FormLimits.of(settings, max_parts=0, max_mb=SMALL_MB)

    async def before(request: Request[Any, Any, Any]) -> None:
        await need_json(request, limits)

    @post(
        "/v1/tokens",
        status_code=201,
        operation_class=PlainOperation,
        responses={
            201: ResponseSpec(TokenRecord, generate_examples=False, description="A token for one shopper."),
            **documented("invalid-request", "not-allowed", *JSON_PROBLEMS, *ACCESS_PROBLEMS),
        },
        summary="A token for a shopper's browser",
        before_request=before,
        tags=["Access"],
    )
    async def issue(caller: NamedDependency[Caller], data: JSONBody[TokenOrder | None] = None) -> Response[TokenRecord]:
        """Ask for one on your server, with your API key, for each shopper; the browser then uploads photos and asks for try-ons itself."""
        need_server(caller)
        order = data or TokenOrder()
        issued = access.issue(caller, order.ttl_s, order.quota)
        return Response(TokenRecord(issued.token, rfc3339(issued.expires), issued.quota), headers={"Cache-Control": "no-store"})

    return Router("/", route_handlers=[issue])
