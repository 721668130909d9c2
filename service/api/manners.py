"""What HTTP has words for and every resource here says the same way."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from litestar import Request, Response

from service.errors import InvalidRequest

PATIENCE_MOST_S: Final = 300
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


def not_modified(request: Request[Any, Any, Any], etag: str, headers: Mapping[str, str]) -> Response[bytes] | None:
    """304 when the client has it already (RFC 9110, 13.1.2: weak comparison)."""
    wanted = request.headers.get("if-none-match", "")
    known = {tag.strip().removeprefix("W/") for tag in wanted.split(",")}
    if "*" not in known and etag not in known:
        return None
    return Response(b"", status_code=304, headers=dict(headers), media_type="")
