"""/v1/jobs: try-ons that are answered later (`Prefer: respond-async`)."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from litestar import Response, Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from service.api.access import ACCESS_PROBLEMS, need_server
from service.api.documents import PlainOperation
from service.callers import Caller
from service.jobs import Job, Jobs
from service.photos import rfc3339
from service.problems import PROBLEM_TYPES, documented


class JobProblem(msgspec.Struct, frozen=True):
    """Why there is no picture; `type` as everywhere."""

    type: str
    title: str
    status: int
    detail: str
    field: str | None


class JobResource(msgspec.Struct, frozen=True):
    """A try-on that is answered later."""

    id: str
    status: Literal["queued", "processing", "completed", "failed"]
    created_at: str
    """RFC 3339."""
    result_url: str | None
    """Once it is completed."""
    problem: JobProblem | None
    """When it failed."""


class WebhookSecret(msgspec.Struct, frozen=True):
    secret: str
    """For the libraries of standardwebhooks.com: signs `webhook-id.webhook-timestamp.body` by HMAC-SHA256."""


def resource(job: Job) -> JobResource:
    failure, problem = job.failure, None
    if failure is not None:
        kind = PROBLEM_TYPES[failure.slug]
        problem = JobProblem(kind.uri, kind.title, kind.status, failure.detail, failure.field)
    url = None if job.result_id is None else f"/v1/try-ons/{job.result_id}"
    return JobResource(job.id, job.status, rfc3339(job.created), url, problem)


def payload(job: Job) -> bytes:
    """What a webhook says."""
    return msgspec.json.encode({"type": f"try-on.{job.status}", "timestamp": rfc3339(job.alive), "data": resource(job)})


def jobs(kept: Jobs) -> Router:
    @get(
        "/v1/jobs/{job_id:str}",
        operation_class=PlainOperation,
        responses=documented("job-not-found", "store-unavailable", *ACCESS_PROBLEMS),
        summary="How far a job is",
    )
    async def find(caller: NamedDependency[Caller], job_id: FromPath[str]) -> Response[JobResource]:
        job = await kept.find(caller, job_id)
        headers: dict[str, Any] = {"Cache-Control": "no-store"}
        if job.status in ("queued", "processing"):
            headers["Retry-After"] = "1"
        return Response(resource(job), headers=headers)

    @get(
        "/v1/webhook-secret",
        operation_class=PlainOperation,
        responses=documented("not-allowed", *ACCESS_PROBLEMS),
        summary="The secret that signs your webhooks",
    )
    async def secret(caller: NamedDependency[Caller]) -> Response[WebhookSecret]:
        need_server(caller)
        return Response(WebhookSecret(kept.webhook_secret(caller.tenant)), headers={"Cache-Control": "no-store"})

    return Router("/", route_handlers=[find, secret], tags=["Jobs"])
