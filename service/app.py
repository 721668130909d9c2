"""Wires the parts together; nothing else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar, Request, Response
from litestar.datastructures import MutableScopeHeaders
from litestar.exceptions import NotFoundException
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import License, Tag
from litestar.types import Message, Scope

from models.errors import MuslinError
from models.interface import EngineProtocol, G, P
from service.api.health import health
from service.api.pages import DOCUMENTATION_POLICY, DocumentationPage, pages
from service.api.samples import Studio, samples
from service.api.try_ons import try_ons
from service.cache import Cache, MemoryCache, RedisCache
from service.dressing import Dresser
from service.metrics import Metrics
from service.problems import exception_handlers
from service.readiness import Readiness
from service.settings import MEGA, Settings
from service.version import muslin_version
from service.worker import UploadMemory

logger = logging.getLogger(__name__)

PURGE_EVERY_S = 15.0
"""How long a photo may outlive its expiry in memory when nobody asks for anything, and free memory the work it was for."""


class Application(Litestar):
    """Answers HEAD wherever it answers GET, with the same headers and no body: load balancers ask so."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await super().__call__(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.body":
                if message.get("more_body"):
                    return
                message = {**message, "body": b""}
            await send(message)

        get: Any = {**scope, "method": "GET"}
        await super().__call__(get, receive, send_head)


def create_app(settings: Settings, engine: EngineProtocol[P, G]) -> Litestar:
    """The service around one engine, which it warms up, uses on one thread, and closes."""
    cache: Cache = RedisCache(settings.redis_url) if settings.redis_url else MemoryCache(int(settings.result_cache_mb * MEGA))
    dresser = Dresser(engine, cache, settings)
    metrics = Metrics(in_flight=lambda: dresser.admission.inside)
    readiness = Readiness()
    studio = Studio()

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        chores = [asyncio.create_task(_warm_up(dresser, readiness)), asyncio.create_task(_forget(dresser, cache))]
        try:
            yield
        finally:
            for chore in chores:
                chore.cancel()
            await asyncio.gather(*chores, return_exceptions=True)
            await dresser.close()
            await cache.close()
            studio.close()

    async def count(request: Request[Any, Any, Any]) -> None:
        metrics.answered(request.scope["path_template"], "ok")

    return Application(
        route_handlers=[
            try_ons(dresser, UploadMemory(int(settings.upload_memory_mb * MEGA)), metrics, settings),
            health(readiness, metrics, engine.version, engine.device),
            samples(studio),
            pages(settings),
        ],
        lifespan=[lifespan],
        exception_handlers=exception_handlers(metrics.answered),
        after_request=_no_foreign_page,
        after_response=count,
        before_send=[_harden],
        openapi_config=_document(),
        logging_config=None,
    )


async def _warm_up(dresser: Dresser[Any, Any], readiness: Readiness) -> None:
    try:
        await dresser.warm_up()
    except MuslinError as error:
        readiness.failure = error.detail
        logger.error("Not ready: %s", error.detail)  # noqa: TRY400 (the sentence says all; a traceback would hide it)
    except Exception:
        readiness.failure = "The engine could not be warmed up; the log says why."
        logger.exception("Not ready")
    else:
        readiness.ready = True
        logger.info("Ready")


async def _forget(dresser: Dresser[Any, Any], cache: Cache) -> None:
    while True:
        await asyncio.sleep(PURGE_EVERY_S)
        await dresser.tidy()
        if isinstance(cache, MemoryCache):
            cache.purge()


async def _no_foreign_page(response: Response[Any]) -> Response[Any]:
    """Litestar has a page of its own for what is not there under /schema."""
    if response.status_code == 404:
        raise NotFoundException
    return response


async def _harden(message: Message, scope: Scope) -> None:
    """Headers that belong to every answer."""
    if message["type"] != "http.response.start":
        return
    headers = MutableScopeHeaders.from_message(message)
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "no-referrer"
    methods = headers.get("Allow", "").split(", ")
    if "GET" in methods and "HEAD" not in methods:
        headers["Allow"] = ", ".join([*methods, "HEAD"])  # see Application
    if scope["path"].startswith("/schema") and "Content-Security-Policy" not in headers:
        headers["Content-Security-Policy"] = DOCUMENTATION_POLICY


def _document() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Muslin",
        version=muslin_version(),
        description=(
            "Virtual try-on: the garment picture is warped onto the person's photo, never repainted. "
            "Errors are RFC 9457 problems with stable types; each type's address explains it. "
            "Photos stay in memory for minutes and are never written to disk."
        ),
        license=License(name="MIT", identifier="MIT"),
        tags=[Tag("Try-ons", "Dress a person."), Tag("Operation", "Health of the service.")],
        path="/schema",
        render_plugins=[DocumentationPage(path="/")],
        use_handler_docstrings=True,
    )
