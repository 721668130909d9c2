"""Runs the application under uvicorn, on a socket that is opened first so that a taken port is a plain sentence."""

from __future__ import annotations

import asyncio
import http
import signal
import socket
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, ClassVar

import msgspec
import uvicorn
from litestar import Litestar
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from models.interface import EngineProtocol
from service.access import is_open
from service.app import create_app
from service.database import DatabaseUnavailable, connect, migrate
from service.logs import set_up
from service.problems import MEDIA_TYPE, PROBLEM_TYPES, problem_of
from service.readiness import Readiness
from service.settings import Settings, SettingsError

BACKLOG = 256
HEAD_MOST_BYTES = 64_000
"""Of a request's address and headers."""
SHUTDOWN_S = 30
"""Requests under way get so long to finish."""


class HeadTooLarge(Exception):
    """Stops the parser, which then refuses the request."""


def configure(app: Litestar, settings: Settings) -> uvicorn.Config:
    """No access log (addresses are personal data), no Server header, no logging set-up of uvicorn's own."""
    return uvicorn.Config(
        app,
        http=_patient(settings.upload_idle_timeout_s, settings.upload_timeout_s + settings.upload_idle_timeout_s),
        loop="asyncio",  # uvloop keeps what it received last, part of a photo, until something as large comes
        ws="none",  # there are none; else it takes whatever library for them is installed, past our limits for slow clients
        lifespan="on",
        access_log=False,
        server_header=False,
        log_config=None,
        timeout_graceful_shutdown=SHUTDOWN_S,
        backlog=BACKLOG,
    )


class Patient(HttpToolsProtocol):
    """uvicorn's HTTP, which itself waits for ever: it closes a connection whose request has no complete head after `head_s`, or is not
    complete after `message_s`. A handler that reads the body gives up before that, with an answer (`service.forms`). What is no
    request gets a problem like every other mistake.
    """

    head_s: ClassVar[float]
    message_s: ClassVar[float]
    _hang_up: asyncio.TimerHandle | None = None
    _head_bytes = 0

    def _give(self, seconds: float | None) -> None:
        if self._hang_up is not None:
            self._hang_up.cancel()
        self._hang_up = None if seconds is None else self.loop.call_later(seconds, self.transport.close)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        # asyncio does so only for a listener that names its protocol: head and body would be 40 ms apart
        if (peer := transport.get_extra_info("socket")) is not None and peer.family != socket.AF_UNIX:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._give(self.head_s)

    def on_message_begin(self) -> None:
        self._give(self.head_s)
        self._head_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._count(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(name, value)
        super().on_header(name, value)

    def _count(self, *parts: bytes) -> None:
        self._head_bytes += sum(map(len, parts))
        if self._head_bytes > HEAD_MOST_BYTES:
            raise HeadTooLarge

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 (as in uvicorn)
        if self._head_bytes > HEAD_MOST_BYTES:
            self._refuse("headers-too-large", f"The request's head is larger than {HEAD_MOST_BYTES // 1000} kB.")
        else:
            self._refuse("invalid-request", "This is not HTTP/1.1 as it should be.")

    def _refuse(self, slug: str, detail: str) -> None:
        kind = PROBLEM_TYPES[slug]
        body = msgspec.json.encode(problem_of(kind, detail))
        head = (
            f"HTTP/1.1 {kind.status} {http.HTTPStatus(kind.status).phrase}\r\ncontent-type: {MEDIA_TYPE}\r\n"
            f"content-length: {len(body)}\r\ncache-control: no-store\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()

    def on_headers_complete(self) -> None:
        self._give(self.message_s)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._give(None)
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._give(None)
        super().connection_lost(exc)


def _patient(head_s: float, message_s: float) -> type[Patient]:
    return type("Patient", (Patient,), {"head_s": head_s, "message_s": message_s})


class Server(uvicorn.Server):
    """Told to stop by SIGTERM, it says that it is not ready, takes for `drain_s` what balancers still send, and then ends what is under
    way. Ctrl-C stops it without waiting for balancers; a second signal at once.
    """

    def __init__(self, config: uvicorn.Config, readiness: Readiness, drain_s: float) -> None:
        super().__init__(config)
        self._readiness = readiness
        self._drain_s = drain_s

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig != signal.SIGTERM or self._readiness.draining or not self._drain_s:
            super().handle_exit(sig, frame)
            return
        self._readiness.draining = True
        threading.Timer(self._drain_s, super().handle_exit, (sig, frame)).start()


def serve(settings: Settings, make_engine: Callable[[Settings], EngineProtocol[Any, Any]], announce: Callable[[str, bool], None]) -> None:
    """Serves until it is told to stop; `announce` is given the address once it is taken, and whether anybody may ask.

    Raises SettingsError when the address cannot be had, AssetError when the models cannot.
    """
    with _listen(settings.host, settings.port) as listener:
        _serve_at(listener, settings, make_engine, announce)


def _serve_at(
    listener: socket.socket,
    settings: Settings,
    make_engine: Callable[[Settings], EngineProtocol[Any, Any]],
    announce: Callable[[str, bool], None],
) -> None:
    set_up(settings)
    asyncio.run(_look_at_database(settings))
    app = create_app(settings, make_engine(settings))
    shown, at = listener.getsockname()[:2]
    address = f"http://[{shown}]:{at}" if ":" in shown else f"http://{shown}:{at}"
    announce(address, is_open(settings))
    Server(configure(app, settings), app.state.readiness, settings.drain_s).run(sockets=[listener])


async def _look_at_database(settings: Settings) -> None:
    """Raises SettingsError when it cannot be used: better before the service says that it is there."""
    database = connect(settings)
    try:
        await migrate(database)
    except DatabaseUnavailable as error:
        raise SettingsError(f"{error} MUSLIN_DATABASE_URL names it; without it there is a file in MUSLIN_DATA_DIR.") from None
    finally:
        await database.dispose()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise SettingsError(f"Cannot listen on {host}: {error.strerror or error}.") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise SettingsError(f"Cannot listen on {host} port {port}: {error.strerror or error}.") from error
    return listener
