"""Wires the parts together; nothing else."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar, Request, Response
from litestar.config.cors import CORSConfig
from litestar.datastructures import MutableScopeHeaders, State
from litestar.di import Provide
from litestar.exceptions import NotFoundException
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import License, Tag
from litestar.types import Message, Scope

from models.errors import MuslinError
from models.interface import EngineProtocol, G, P
from service.access import Access, ApiKeys
from service.api.access import POLICY, caller_of, tokens
from service.api.fashn import fashn
from service.api.garments import garments
from service.api.health import health
from service.api.jobs import jobs
from service.api.pages import DOCUMENTATION_POLICY, DocumentationPage, pages
from service.api.photos import photos
from service.api.samples import Studio, samples
from service.api.try_ons import try_ons
from service.catalogue import Catalogue
from service.database import connect, migrate
from service.dressing import Dresser
from service.fetching import Fetcher, Outside
from service.idempotency import Idempotency
from service.jobs import Jobs
from service.logs import request_id, told
from service.memory_store import MemoryStore
from service.metrics import Metrics
from service.photos import Photos
from service.pictures import open_pictures
from service.problems import exception_handlers
from service.readiness import Readiness
from service.reading import Reader
from service.redis_store import RedisStore
from service.secrets import SecretError, Secrets, read_secret
from service.settings import MEGA, Settings, SettingsError
from service.store import Store, StoreUnavailable
from service.tracing import open_tracing
from service.vault import Vault
from service.version import muslin_version
from service.worker import UploadMemory

logger = logging.getLogger(__name__)

PURGE_EVERY_S = 15.0
"""How long a photo may outlive its expiry in memory when nobody asks for anything, and free memory the work it was for."""
WATCH_EVERY_S = 1.0
TRACE_HEADERS = frozenset({b"traceparent", b"tracestate"})
JOBS_END_S = 30.0
"""Told to stop, the service works at the jobs that it took for so long."""
EXPOSED = [
    "Cache-Status",
    "Content-Location",
    "ETag",
    "Location",
    "Muslin-Category",
    "Muslin-Confidence",
    "Muslin-Id",
    "Muslin-Notices",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "Server-Timing",
    "X-Request-Id",
]
"""Headers that a page of another origin may read."""


class Application(Litestar):
    """Litestar, and around it what belongs to every request: HEAD wherever there is GET, an id, a line in the log."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        begin, status, head = time.perf_counter(), 0, scope["method"] == "HEAD"
        given = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"x-request-id"), None)
        identity = request_id(given)

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], (b"x-request-id", identity.encode())]}
            elif head and message["type"] == "http.response.body":
                # load balancers ask so: the same headers and no body
                if message.get("more_body"):
                    return
                message = {**message, "body": b""}
            await send(message)

        inner: Any = {**scope, "method": "GET"} if head else scope
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"] if name in TRACE_HEADERS}
        with self.state.tracing.request(scope["method"], headers) as span:
            try:
                await super().__call__(inner, receive, answer)
            finally:
                route = str(inner.get("path_template") or "unknown")
                span.name(route, status, identity)
                told(route, scope["method"], status, time.perf_counter() - begin, identity)


def create_app(settings: Settings, engine: EngineProtocol[P, G], outside: Outside | None = None) -> Litestar:
    """The service around one engine, which it warms up, uses and closes. `outside`: what is taken for the internet, for tests."""
    store: Store = RedisStore(settings.redis_url) if settings.redis_url else MemoryStore(int(settings.result_cache_mb * MEGA))
    vault = Vault(store, _secrets(settings))
    reader = Reader(engine, settings)
    photos_ = Photos(reader, vault, settings)
    database = connect(settings)
    catalogue = Catalogue(reader, database, open_pictures(settings), vault.store, engine.version)
    access = Access(ApiKeys(database), store, vault.secrets, settings)
    tracing = open_tracing(settings)
    idempotency = Idempotency(vault)
    fetcher = Fetcher(settings.fetch_hosts, outside)
    jobs_ = Jobs(vault, fetcher, settings.job_limit, settings.job_timeout_s)
    metrics = Metrics(in_flight=lambda: dresser.admission.inside, queued=lambda: dresser.batcher.depth)
    dresser = Dresser(engine, reader, photos_, catalogue, vault, settings, metrics.batched, tracing)
    uploads = UploadMemory(int(settings.upload_memory_mb * MEGA))
    readiness = Readiness()
    studio = Studio()

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        await migrate(database)
        photos_.start()
        catalogue.start()
        chores = [asyncio.create_task(chore) for chore in (_warm_up(dresser, readiness), _forget(dresser, store), _watch(vault, readiness))]
        try:
            yield
        finally:
            for chore in chores:
                chore.cancel()
            await asyncio.gather(*chores, return_exceptions=True)
            await jobs_.close(JOBS_END_S)
            await dresser.close()
            await store.close()
            await asyncio.to_thread(tracing.close)
            await database.dispose()
            studio.close()

    async def count(request: Request[Any, Any, Any]) -> None:
        metrics.answered(request.scope["path_template"], "ok")

    return Application(
        route_handlers=[
            try_ons(dresser, photos_, catalogue, access, idempotency, jobs_, fetcher, uploads, metrics, settings),
            jobs(jobs_),
            fashn(dresser, photos_, jobs_, access, fetcher, vault, uploads, settings),
            photos(photos_, access, idempotency, vault, uploads, settings),
            garments(catalogue, idempotency, uploads, settings),
            tokens(access, settings),
            health(readiness, metrics, engine.version, engine.device),
            samples(studio),
            pages(settings),
        ],
        lifespan=[lifespan],
        state=State({"readiness": readiness, "tracing": tracing}),
        dependencies={"caller": Provide(caller_of(access))},
        cors_config=_cors(settings),
        exception_handlers=exception_handlers(metrics.answered),
        after_request=_no_foreign_page,
        after_response=count,
        before_send=[_harden],
        openapi_config=_document(),
        logging_config=None,
    )


def _secrets(settings: Settings) -> Secrets:
    try:
        return Secrets(read_secret(settings.secret, settings.data_path))
    except SecretError as error:
        raise SettingsError(str(error)) from error
    except OSError as error:
        folder = settings.data_path
        raise SettingsError(
            f"The data folder {folder} cannot be used ({error.strerror}): set MUSLIN_DATA_DIR to a folder that can be written."
        ) from error


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


async def _forget(dresser: Dresser[Any, Any], store: Store) -> None:
    while True:
        await asyncio.sleep(PURGE_EVERY_S)
        await dresser.tidy()
        if isinstance(store, MemoryStore):
            store.purge()


async def _watch(vault: Vault, readiness: Readiness) -> None:
    """Keeps an eye on the store, so that readiness tells its state and it is used again as soon as it is back."""
    while True:
        try:
            await vault.look_around()
            readiness.degraded = "Other replicas of this store have another MUSLIN_SECRET." if vault.among_strangers else None
        except StoreUnavailable as error:
            readiness.degraded = str(error)
        await asyncio.sleep(WATCH_EVERY_S)


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
    for name, value in scope.get("state", {}).get(POLICY, {}).items():
        headers[name] = value
    methods = headers.get("Allow", "").split(", ")
    if "GET" in methods and "HEAD" not in methods:
        headers["Allow"] = ", ".join([*methods, "HEAD"])  # see Application
    if scope["path"].startswith("/schema") and "Content-Security-Policy" not in headers:
        headers["Content-Security-Policy"] = DOCUMENTATION_POLICY


def _cors(settings: Settings) -> CORSConfig | None:
    """For browsers on the shop's own pages; others are not let read an answer."""
    origins = [origin.strip() for origin in settings.cors_origins.split(",") if origin.strip()]
    if not origins:
        return None
    return CORSConfig(
        allow_origins=origins,
        allow_methods=["GET", "POST", "PATCH", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "Accept", "Idempotency-Key", "Prefer", "Request-Timeout", "If-None-Match"],
        expose_headers=EXPOSED,
        max_age=600,
    )


def _document() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Muslin",
        version=muslin_version(),
        description=(
            "Virtual try-on: the garment picture is warped onto the person's photo, never repainted. "
            "Errors are RFC 9457 problems with stable types; each type's address explains it. "
            "Photos are kept encrypted for an hour at most, never written to disk, and deleted with all that was made of them on request."
        ),
        license=License(name="MIT", identifier="MIT"),
        tags=[
            Tag("Try-ons", "Dress a person."),
            Tag("Photos", "Keep a photo for many try-ons, and delete it."),
            Tag("Garments", "The shop's catalogue."),
            Tag("Jobs", "Try-ons that are answered later."),
            Tag("Access", "Tokens for shoppers' browsers."),
            Tag("Operation", "Health of the service."),
        ],
        path="/schema",
        render_plugins=[DocumentationPage(path="/")],
        use_handler_docstrings=True,
    )
