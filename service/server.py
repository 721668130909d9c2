"""Runs the application under uvicorn, on a socket that is opened first so that a taken port is a plain sentence."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn
from litestar import Litestar
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from models.interface import EngineProtocol
from service.access import is_open
from service.app import create_app
from service.logs import set_up
from service.readiness import Readiness
from service.settings import Settings, SettingsError

BACKLOG = 256
SHUTDOWN_S = 30
"""Requests under way get so long to finish."""


def configure(app: Litestar, settings: Settings) -> uvicorn.Config:
    """No access log (addresses are personal data), no Server header, no logging set-up of uvicorn's own."""
    return uvicorn.Config(
        app,
        http=_patient(settings.upload_idle_timeout_s, settings.upload_timeout_s + settings.upload_idle_timeout_s),
        loop="asyncio",  # uvloop keeps what it received last, part of a photo, until something as large comes
        lifespan="on",
        access_log=False,
        server_header=False,
        log_config=None,
        timeout_graceful_shutdown=SHUTDOWN_S,
        backlog=BACKLOG,
    )


def _patient(head_s: float, message_s: float) -> type[HttpToolsProtocol]:
    """uvicorn's HTTP, which itself waits for ever: it closes a connection whose request has no complete head after `head_s`, or is not
    complete after `message_s`. A handler that reads the body gives up before that, with an answer (`service.forms`).
    """

    class Patient(HttpToolsProtocol):
        _hang_up: asyncio.TimerHandle | None = None

        def _give(self, seconds: float | None) -> None:
            if self._hang_up is not None:
                self._hang_up.cancel()
            self._hang_up = None if seconds is None else self.loop.call_later(seconds, self.transport.close)

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
            super().connection_made(transport)
            # asyncio does so only for a listener that names its protocol: head and body would be 40 ms apart
            if (peer := transport.get_extra_info("socket")) is not None and peer.family != socket.AF_UNIX:
                peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._give(head_s)

        def on_message_begin(self) -> None:
            self._give(head_s)
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            self._give(message_s)
            super().on_headers_complete()

        def on_message_complete(self) -> None:
            self._give(None)
            super().on_message_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            self._give(None)
            super().connection_lost(exc)

    return Patient


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
    listener = _listen(settings.host, settings.port)
    set_up(settings)
    shown, at = listener.getsockname()[:2]
    address = f"http://[{shown}]:{at}" if ":" in shown else f"http://{shown}:{at}"
    announce(address, is_open(settings))
    app = create_app(settings, make_engine(settings))
    Server(configure(app, settings), app.state.readiness, settings.drain_s).run(sockets=[listener])


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
