"""What HTTP has words for and every resource here says the same way."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from litestar import Request, Response

from service.errors import InvalidRequest, PreconditionFailed

PATIENCE_MOST_S: Final = 300
MATCH_PROBLEMS: Final = ("precondition-failed",)
IDEMPOTENCY_PROBLEMS: Final = ("idempotency-mismatch", "still-under-way")
SECONDS: Final = re.compile(r"\d{1,6}(\.\d{1,6})?")


def patience(request: Request[Any, Any, Any]) -> float | None:
    """The header Request-Timeout, seconds; None without it. Raises InvalidRequest."""
    text = request.headers.get("request-timeout")
    if text is None:
        return None
    seconds = float(text) if SECONDS.fullmatch(text.strip()) else 0.0
    if not 0 < seconds <= PATIENCE_MOST_S:
        raise InvalidRequest(f"Request-Timeout must be a number of seconds, {PATIENCE_MOST_S} at most.", field="Request-Timeout")
    return seconds


def need_match(request: Request[Any, Any, Any], etag: str) -> None:
    """For what changes something: If-Match, when it is sent, must name the present state (RFC 9110, 13.1.1: strong comparison).
    Raises PreconditionFailed.
    """
    wanted = request.headers.get("if-match")
    if wanted is not None and not {"*", etag} & {tag.strip() for tag in wanted.split(",")}:
        raise PreconditionFailed("It was changed meanwhile: look at it again first.", field="If-Match")


def answered_later(request: Request[Any, Any, Any]) -> bool:
    """Whether the client prefers `respond-async` (RFC 7240: preferences are tokens in any case, with parameters)."""
    preferences = request.headers.get("prefer", "").split(",")
    return any(preference.partition(";")[0].strip().lower() == "respond-async" for preference in preferences)


def not_modified(request: Request[Any, Any, Any], etag: str, headers: Mapping[str, str]) -> Response[bytes] | None:
    """304 when the client has it already (RFC 9110, 13.1.2: weak comparison)."""
    wanted = request.headers.get("if-none-match", "")
    known = {tag.strip().removeprefix("W/") for tag in wanted.split(",")}
    if "*" not in known and etag not in known:
        return None
    return Response(b"", status_code=304, headers=dict(headers), media_type="")
