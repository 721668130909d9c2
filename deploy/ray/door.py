"""The way in to replicas on Ray: the service's own HTTP server, which hands whole requests on.

    python -m deploy.ray.door [--host 0.0.0.0] [--port 8000]      (on a node of the cluster; as many of them as you like)

It is not Ray's own proxy, for three reasons. What enters Ray is sealed here first (`carried`). Slow and oversized uploads meet the same
limits as everywhere. And a request whose replica was lost is put to another one, where that is harmless; a full queue is told as 503
`overloaded`, as any other refusal of the service.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

import litestar
import msgspec
import ray
from ray import serve
from ray.exceptions import NodeDiedError, ObjectLostError, RayActorError, WorkerCrashedError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, ReplicaUnavailableError

from deploy.ray.carried import ANSWER, REQUEST, Answer, Request, seal, unseal
from deploy.ray.replica import NAME, shared_settings
from service.api.health import Health
from service.api.manners import answered_later, patience
from service.batching import BUSY
from service.errors import Overloaded, ServiceError
from service.forms import ClientGone, FormLimits, read_body, while_connected
from service.logs import request_id, set_up
from service.problems import MEDIA_TYPE, PROBLEM_TYPES, problem_of
from service.readiness import Readiness
from service.secrets import Secrets, read_secret
from service.server import BACKLOG, Server, configure
from service.settings import MEGA, Settings
from service.worker import UploadMemory

logger = logging.getLogger(__name__)

ATTEMPTS: Final = 4
"""With as many replicas a request is tried when they are lost under it."""
AGAIN_S: Final = 0.1
"""Between two of them."""
GRACE_S: Final = 2.0
"""The replica knows how long the client waits, and says so itself; the door gives up so much later."""
HEALTH_S: Final = 5.0
RETRY_AFTER_S: Final = 1
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
TRY_ONS: Final = "/v1/try-ons"
Ask = Callable[[bytes], Awaitable[bytes]]


class Door:
    """An ASGI application."""

    def __init__(self, ask: Ask, settings: Settings, readiness: Readiness) -> None:
        """`ask`: puts a sealed request to some replica."""
        self._ask = ask
        self._secrets = Secrets(read_secret(settings.secret, settings.data_path))
        self._settings = settings
        self._readiness = readiness
        self._limits = FormLimits.of(settings, max_parts=0)
        self._uploads = UploadMemory(int(settings.upload_memory_mb * MEGA))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while (await receive())["type"] != "lifespan.shutdown":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        if scope["type"] != "http":
            return
        answer = await self._answer(scope, receive, send)
        body = b"" if scope["method"] == "HEAD" else answer.body
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Any, receive: Any, send: Any) -> Answer:
        given = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"x-request-id"), None)
        identity = request_id(given)
        others = [(bytes(name), bytes(value)) for name, value in scope["headers"] if name != b"x-request-id"]
        headers = [*others, (b"x-request-id", identity.encode())]
        try:
            return await self._handed_on(litestar.Request(scope, receive, send), headers)
        except ServiceError as error:
            return refusal(error.slug, error.detail, identity, error.retry_after_s)
        except ClientGone as gone:
            return refusal("invalid-request", gone.detail, identity)
        except Exception:
            logger.exception("%s failed", scope["method"])
            return refusal("internal-error", "Something went wrong inside the service.", identity)

    async def _handed_on(self, request: litestar.Request[Any, Any, Any], headers: list[tuple[bytes, bytes]]) -> Answer:
        scope: Any = request.scope
        if scope["path"] == "/health/live":
            return _told(Health("alive"), 200)
        if scope["path"] == "/health/ready" and self._readiness.draining:
            return _told(Health("draining"), 503)
        patience_s = HEALTH_S if scope["path"] == "/health/ready" else (patience(request) or self._settings.request_timeout_s) + GRACE_S
        with self._uploads.lease() as take:
            carried = Request(
                method=request.method,
                path=scope["path"],
                raw_path=scope["raw_path"],
                query=scope["query_string"],
                headers=headers,
                client=scope["client"],
                host=scope["server"],
                scheme=scope["scheme"],
                body=await read_body(request, self._limits, take),
            )
            repeatable = request.method in SAFE or (carried.path.rstrip("/") == TRY_ONS and not answered_later(request))
            try:
                async with asyncio.timeout(patience_s):
                    return await while_connected(request, self._put(carried, repeatable))
            except TimeoutError:
                raise Overloaded(BUSY, retry_after_s=RETRY_AFTER_S) from None

    async def _put(self, carried: Request, repeatable: bool) -> Answer:
        """To a replica, and to another one when that is lost. Raises Overloaded."""
        for _ in range(ATTEMPTS):
            sealed = await asyncio.to_thread(seal, self._secrets, REQUEST, carried)
            try:
                answer = await self._ask(sealed)
            except (BackPressureError, DeploymentUnavailableError, ReplicaUnavailableError):  # nobody has begun with it
                raise Overloaded(BUSY, retry_after_s=RETRY_AFTER_S) from None
            except (RayActorError, WorkerCrashedError, NodeDiedError, ObjectLostError):
                logger.warning("A replica was lost%s", "" if repeatable else " with a request that may not be repeated")
                if not repeatable:
                    break
            else:
                return await asyncio.to_thread(unseal, self._secrets, ANSWER, answer, Answer)
            # who was lost cannot end what it began under this key; the try-on is the same without
            kept = [(name, value) for name, value in carried.headers if name != b"idempotency-key"]
            carried = msgspec.structs.replace(carried, headers=kept)
            await asyncio.sleep(AGAIN_S)
        raise Overloaded("The part of the service that worked at this was lost; try again.", retry_after_s=RETRY_AFTER_S)


def refusal(slug: str, detail: str, identity: str, retry_after_s: int | None = None) -> Answer:
    """An RFC 9457 problem, as the service answers it."""
    kind = PROBLEM_TYPES[slug]
    headers = {"content-type": MEDIA_TYPE, "cache-control": "no-store", "x-content-type-options": "nosniff", "x-request-id": identity}
    if retry_after_s is not None:
        headers["retry-after"] = str(retry_after_s)
    if slug == "upload-timeout":
        headers["connection"] = "close"  # the rest of the body is not waited for
    return _answer(kind.status, headers, msgspec.json.encode(problem_of(kind, detail)))


def _told(health: Health, status: int) -> Answer:
    return _answer(status, {"content-type": "application/json", "cache-control": "no-store"}, msgspec.json.encode(health))


def _answer(status: int, headers: dict[str, str], body: bytes) -> Answer:
    fields = headers | {"content-length": str(len(body))}
    return Answer(status, [(name.encode(), value.encode()) for name, value in fields.items()], body)


def serve_door(listener: socket.socket, settings: Settings) -> None:
    """Until it is told to stop. Ray is connected, and the replicas are deployed."""
    handle = serve.get_app_handle(NAME)

    async def ask(sealed: bytes) -> bytes:
        return cast(bytes, await handle.remote(sealed))

    readiness = Readiness()
    door: Any = Door(ask, settings, readiness)
    Server(configure(door, settings), readiness, settings.drain_s).run(sockets=[listener])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    settings = shared_settings()
    set_up(settings)
    ray.init(address="auto", log_to_driver=False)
    with socket.create_server((options.host, options.port), backlog=BACKLOG) as listener:
        serve_door(listener, settings)


if __name__ == "__main__":
    main()
