"""What is logged: one line a request, by route and outcome, never by whom. As text for people, or as JSON for machines."""

from __future__ import annotations

import logging
import re
import secrets
import sys
from typing import Any, Final

from pythonjsonlogger.json import JsonFormatter

from service.settings import Settings

REQUESTS: Final = logging.getLogger("muslin.requests")
GIVEN: Final = re.compile(r"[\w.-]{1,64}")
QUIET: Final = frozenset({"/health/live", "/health/ready", "/metrics"})
"""Asked every second by machines: logged at the level debug."""
STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class PlainFormatter(logging.Formatter):
    """The message, then what came with it."""

    def format(self, record: logging.LogRecord) -> str:
        extra = {name: value for name, value in vars(record).items() if name not in STANDARD}
        told = "".join(f" {name}={value}" for name, value in extra.items())
        head, newline, rest = super().format(record).partition("\n")
        return f"{head}{told}{newline}{rest}"


def set_up(settings: Settings) -> None:
    """For the whole process."""
    handler = logging.StreamHandler(sys.stderr)
    if settings.log_format == "json":
        fields = {"asctime": "time", "levelname": "level", "name": "logger"}
        handler.setFormatter(JsonFormatter("%(asctime)s %(levelname)s %(name)s %(message)s", rename_fields=fields))
    else:
        handler.setFormatter(PlainFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)
    for quiet in ("uvicorn.error", "asyncio", "httpx", "httpcore", "alembic", "sqlalchemy.engine"):
        logging.getLogger(quiet).setLevel(max(logging.WARNING, logging.getLogger().level))


def request_id(given: str | None) -> str:
    """The caller's own, where it can be one, else a new one."""
    return given if given is not None and GIVEN.fullmatch(given) else secrets.token_hex(8)


def told(route: str, method: str, status: int, seconds: float, request: str) -> None:
    """A request was answered. `route`: the template, so that no id is logged."""
    extra: dict[str, Any] = {"method": method, "route": route, "status": status, "ms": round(1000 * seconds, 1), "request_id": request}
    REQUESTS.log(logging.DEBUG if route in QUIET else logging.INFO, "answered", extra=extra)
