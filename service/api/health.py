"""For the platform: is the process alive, may it get traffic, what does Prometheus want to know."""

from __future__ import annotations

from typing import Literal

import msgspec
from litestar import Response, Router, get
from litestar.openapi.datastructures import ResponseSpec

from service.metrics import Metrics
from service.readiness import Readiness

NO_STORE = {"Cache-Control": "no-store"}


class Health(msgspec.Struct, frozen=True, omit_defaults=True):
    """`failed` and `degraded` come with a sentence that says why."""

    status: Literal["alive", "ready", "degraded", "warming-up", "draining", "failed"]
    detail: str | None = None
    engine: str | None = None
    """The engine's version, once it is ready."""
    device: str | None = None


def health(readiness: Readiness, metrics: Metrics, engine_version: str, device: str) -> Router:
    @get("/health/live", summary="Is the process alive?")
    async def live() -> Response[Health]:
        """Always 200 as long as the event loop turns."""
        return Response(Health("alive"), headers=NO_STORE)

    @get(
        "/health/ready",
        summary="May it get traffic?",
        responses={503: ResponseSpec(Health, generate_examples=False, description="Warming up, stopping, or failed.")},
    )
    async def ready() -> Response[Health]:
        """200 once the models are loaded and have run; 503 before, and once the service was told to stop. `degraded`, still 200: the
        store is away; try-ons that bring their photo work, kept photos do not."""
        if readiness.draining:
            return Response(Health("draining"), status_code=503, headers=NO_STORE)
        if readiness.ready and readiness.degraded is not None:
            return Response(Health("degraded", readiness.degraded, engine_version, device), headers=NO_STORE)
        if readiness.ready:
            return Response(Health("ready", engine=engine_version, device=device), headers=NO_STORE)
        if readiness.failure is not None:
            return Response(Health("failed", detail=readiness.failure), status_code=503, headers=NO_STORE)
        return Response(Health("warming-up"), status_code=503, headers={**NO_STORE, "Retry-After": "1"})

    @get("/metrics", include_in_schema=False)
    async def exposition() -> Response[bytes]:
        content, media_type = metrics.exposition()
        return Response(content, media_type=media_type, headers=NO_STORE)

    return Router("/", route_handlers=[live, ready, exposition], tags=["Operation"])
