"""The service as replicas of Ray Serve: each is all of it but the socket, around an engine of its own.

    serve run deploy/ray/serve.yaml      (see README.md)

What is shared among replicas of the service is shared here in the same way, through Redis and the database: keys and quotas, kept photos,
results, erasures. Ray places the replicas, starts them anew, and has more of them when their queues grow.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any, Final

import msgspec
from litestar import Litestar
from ray import serve

from deploy.ray.carried import ANSWER, REQUEST, Answer, Request, seal, unseal
from models.interface import EngineProtocol
from service.app import create_app
from service.cli import make_engine
from service.secrets import Secrets, read_secret
from service.settings import Settings, SettingsError, read_settings

NAME: Final = "muslin"
LOOK_S: Final = 0.05
"""How often a new replica looks whether its engine is warm."""
UPSCALE_S, DOWNSCALE_S = 5.0, 120.0
"""So long queues must be long, or short, before there are more or fewer replicas: one has its models loaded after some seconds."""
END_S: Final = 60.0
"""A replica that is taken away may work so long at what it took; jobs among it."""


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much of everything; the `args` of serve.yaml."""

    gpus: float = 0
    """Of each replica. 0.25: four of them share a GPU. Needs MUSLIN_DEVICE=cuda."""
    cpus: float = 2
    """Of each replica, as Ray counts them."""
    least: int = 1
    most: int = 8
    """Replicas."""
    target: float = 4
    """Requests of a replica, worked at or waiting, that the number of replicas is chosen for. Those are drawn in batches on a GPU."""
    at_once: int = 16
    """Requests that a replica takes at the same time."""
    queued_most: int = 64
    """Requests that wait at each door for a replica; the next one is refused: 503."""


def shared_settings() -> Settings:
    """From the environment. Raises SettingsError for what would part replicas from one another, or open them to everybody."""
    settings = read_settings()
    if settings.redis_url is None or settings.secret is None:
        raise SettingsError("Replicas share MUSLIN_REDIS_URL and MUSLIN_SECRET (`muslin keys secret` makes one): set both.")
    if settings.access == "auto":  # this process listens nowhere, and cannot know who reaches the door
        settings = msgspec.structs.replace(settings, access="keys")
    return settings


class Replica:
    """One service. Ray makes it (and awaits that), asks it, and asks how it is."""

    async def __init__(self, engine: Callable[[Settings], EngineProtocol[Any, Any]] = make_engine) -> None:  # type: ignore[misc]
        settings = shared_settings()
        self._secrets = Secrets(read_secret(settings.secret, settings.data_path))
        self._app = create_app(settings, engine(settings))
        self._open = AsyncExitStack()
        await self._open.enter_async_context(self._app.lifespan())
        readiness = self._app.state.readiness
        while not readiness.ready and readiness.failure is None:  # noqa: ASYNC110 (nothing tells: readiness is for who asks)
            await asyncio.sleep(LOOK_S)
        self.check_health()

    def check_health(self) -> None:
        """Ray starts another in place of one that raises here."""
        failure = self._app.state.readiness.failure
        if failure is not None:
            raise RuntimeError(failure)

    async def __call__(self, sealed: bytes) -> bytes:
        """A sealed request to its sealed answer. Raises Unreadable for a door with another secret."""
        request = await asyncio.to_thread(unseal, self._secrets, REQUEST, sealed, Request)
        answer = await answered(self._app, request)
        return await asyncio.to_thread(seal, self._secrets, ANSWER, answer)

    async def __del__(self) -> None:
        """Asked for by Ray before it ends the process."""
        await self._open.aclose()


async def answered(app: Litestar, request: Request) -> Answer:
    """The application's answer, whole. When the caller is cancelled, so is the application's work."""
    scope: Any = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": request.scheme,
        "path": request.path,
        "raw_path": request.raw_path,
        "query_string": request.query,
        "root_path": "",
        "headers": request.headers,
        "client": request.client,
        "server": request.host,
        "state": {},
    }
    begins: list[Any] = []
    parts: list[bytes] = []
    asked = False

    async def receive() -> Any:
        nonlocal asked
        if asked:
            await asyncio.Event().wait()  # whoever leaves is noticed at the door, which cancels all of this
        asked = True
        return {"type": "http.request", "body": request.body, "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            begins.append(message)
        else:
            parts.append(message.get("body", b""))

    await app(scope, receive, send)
    (begin,) = begins
    return Answer(begin["status"], [(bytes(name), bytes(value)) for name, value in begin["headers"]], b"".join(parts))


def deployed(plan: Plan, engine: Callable[[Settings], EngineProtocol[Any, Any]] = make_engine) -> serve.Application:
    """The replicas by that plan. `engine`: what makes each its own."""
    deployment = serve.deployment(Replica).options(
        name=NAME,
        ray_actor_options={"num_cpus": plan.cpus, "num_gpus": plan.gpus},
        autoscaling_config={
            "min_replicas": plan.least,
            "max_replicas": plan.most,
            "target_ongoing_requests": plan.target,
            "upscale_delay_s": UPSCALE_S,
            "downscale_delay_s": DOWNSCALE_S,
        },
        max_ongoing_requests=plan.at_once,
        max_queued_requests=plan.queued_most,
        graceful_shutdown_timeout_s=END_S,
    )
    return deployment.bind(engine)


def build(args: dict[str, Any]) -> serve.Application:
    """For serve.yaml. Raises msgspec.ValidationError for what is no plan."""
    return deployed(msgspec.convert(args, Plan, strict=False))
