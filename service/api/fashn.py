"""FASHN's API of try-ons under /compat/fashn, so that its official client works with another base address.

What can mean something here does; `mode`, `seed`, `garment_photo_type`, `moderation_level` and `segmentation_free` are checked and
then of no consequence: there is one quality, nothing is random, and the garment's picture tells what it is by itself. All samples
of a request are the same picture.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import secrets as randomness
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from functools import partial
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, QueryParameter
from msgspec import Meta

from models.errors import MuslinError
from models.types import Category, Tuck
from service.access import Access
from service.api.orders import picture_of
from service.callers import Caller
from service.dressing import Answer, Dresser, GarmentUpload, Order
from service.errors import FetchFailed, FetchRefused, InvalidRequest
from service.fetching import Fetcher
from service.forms import FormLimits, read_body, while_connected
from service.jobs import Failure, Job, Jobs, Webhook
from service.photos import Photos
from service.settings import Settings
from service.vault import Vault
from service.worker import UploadMemory

MODEL: Final = "tryon-v1.6"
CATEGORIES: Final[dict[str, Category | None]] = {
    "auto": None,
    "tops": Category.UPPER,
    "bottoms": Category.LOWER,
    "one-pieces": Category.DRESS,
}
OUTPUT_S: Final = 3600
"""Links to outputs are good for so long."""
NO_STORE: Final = {"Cache-Control": "no-store"}
IMAGE_ERRORS: Final = frozenset(
    {"unsupported-image", "broken-image", "image-too-large", "image-too-small", "fetch-failed", "fetch-refused"}
)
POSE_ERRORS: Final = frozenset(
    {
        "no-person",
        "several-people",
        "body-not-visible",
        "photo-too-small",
        "garment-not-isolated",
        "garment-not-readable",
        "category-not-supported",
        "outfit-not-wearable",
    }
)


class Inputs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    model_image: str
    garment_image: str
    category: Literal["auto", "tops", "bottoms", "one-pieces"] = "auto"
    garment_photo_type: Literal["auto", "flat-lay", "model"] = "auto"
    mode: Literal["performance", "balanced", "quality"] = "balanced"
    moderation_level: Literal["conservative", "permissive", "none"] = "permissive"
    num_samples: Annotated[int, Meta(ge=1, le=4)] = 1
    seed: Annotated[int, Meta(ge=0, le=2**32 - 1)] = 42
    output_format: Literal["png", "jpeg"] = "png"
    return_base64: bool = False
    segmentation_free: bool = True


class Run(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    model_name: str
    inputs: Inputs
    webhook_url: str | None = None


class Note(msgspec.Struct, frozen=True):
    """What is remembered of a request until its job has ended."""

    samples: int
    return_base64: bool
    base: str


class ErrorRecord(msgspec.Struct, frozen=True):
    name: str
    message: str


class RunRecord(msgspec.Struct, frozen=True):
    id: str
    error: str | None = None


class StatusRecord(msgspec.Struct, frozen=True):
    id: str
    status: Literal["starting", "in_queue", "processing", "completed", "failed"]
    output: list[str] | None = None
    error: ErrorRecord | None = None


def fashn(
    dresser: Dresser[Any, Any],
    photos: Photos[Any, Any],
    jobs: Jobs,
    access: Access,
    fetcher: Fetcher,
    vault: Vault,
    uploads: UploadMemory,
    settings: Settings,
) -> Router:
    limits = FormLimits.of(settings, max_parts=0)

    links = Links(vault)

    async def picture(source: str, name: str) -> bytes:
        if source.startswith(("https:", "http:")):
            return await fetcher.get(source, limits.max_file_bytes)
        return picture_of(source, name, limits)

    @post("/v1/run", status_code=200, include_in_schema=False, request_max_body_size=None)
    async def run(
        request: Request[Any, Any, Any],
        caller: NamedDependency[Caller],
        webhook_url: Annotated[str | None, QueryParameter(max_length=2000)] = None,
    ) -> Response[RunRecord]:
        """The webhook's address is in the query, where FASHN's client puts it, or in the body."""
        with ExitStack() as held:
            take = held.enter_context(uploads.lease())
            order = _order(await read_body(request, limits, take))
            await access.spend(caller)
            inputs = order.inputs

            async def load() -> tuple[bytes, bytes]:
                return await picture(inputs.model_image, "model_image"), await picture(inputs.garment_image, "garment_image")

            try:
                photo, garment = await while_connected(request, load())
            except (MuslinError, InvalidRequest, FetchFailed, FetchRefused) as error:
                digest, work = randomness.token_hex(20), _failing(error)  # FASHN tells it by the status
            else:
                digest = await asyncio.to_thread(photos.digest, caller, photo)
                clothes = (GarmentUpload(garment, CATEGORIES[inputs.category]),)
                wanted = Order(photo, clothes, Tuck.AUTO, inputs.output_format, caller, settings.job_timeout_s)
                work = partial(dresser.dress, wanted)
            note = Note(inputs.num_samples, inputs.return_base64, str(request.base_url).rstrip("/"))
            told = msgspec.json.encode(note).decode()
            job = await jobs.submit(
                caller, digest, work, Webhook(webhook_url or order.webhook_url, partial(links.payload, note)), told, held.pop_all().close
            )
        return Response(RunRecord(job.id), headers=NO_STORE)

    @get("/v1/status/{job_id:str}", include_in_schema=False)
    async def status(caller: NamedDependency[Caller], job_id: FromPath[str]) -> Response[StatusRecord]:
        job = await jobs.find(caller, job_id)
        note = msgspec.json.decode(job.note, type=Note)
        record = links.status(note, job)
        if job.status == "completed" and note.return_base64 and job.result_id is not None:
            found = await dresser.find(caller, job.result_id)
            if found is None:
                record = StatusRecord(job.id, "failed", error=ErrorRecord("PipelineError", "The result is not kept any more."))
            else:
                uri = f"data:{found[0].media_type};base64,{base64.b64encode(found[0].picture).decode()}"
                record = StatusRecord(job.id, "completed", output=[uri] * note.samples)
        return Response(record, headers={**NO_STORE, "x-fashn-credits-used": "0"})

    @get("/v1/outputs/{result_id:str}", include_in_schema=False, dependencies={})
    async def output(
        result_id: FromPath[str], ends: Annotated[int, QueryParameter()], seal: Annotated[str, QueryParameter(max_length=400)]
    ) -> Response[bytes]:
        """A link that is its own credential, as long as it lasts."""
        holder = links.holder(result_id, ends, seal)
        found = None if holder is None else await dresser.find(holder, result_id)
        if found is None:
            raise NotFoundException
        dressed = found[0]
        return Response(dressed.picture, media_type=dressed.media_type, headers={"Cache-Control": "private", "ETag": dressed.etag})

    return Router("/compat/fashn", route_handlers=[run, status, output])


class Links:
    """What is said of jobs, with addresses of finished pictures that need no credentials."""

    def __init__(self, vault: Vault) -> None:
        self._secrets = vault.secrets

    def payload(self, note: Note, job: Job) -> bytes:
        return msgspec.json.encode(self.status(note, job))

    def status(self, note: Note, job: Job) -> StatusRecord:
        if job.failure is not None:
            return StatusRecord(job.id, "failed", error=_error(job.failure))
        if job.status == "completed":
            return StatusRecord(job.id, "completed", output=[f"{note.base}{self._path(job)}"] * note.samples)
        return StatusRecord(job.id, "in_queue" if job.status == "queued" else "processing")

    def _path(self, job: Job) -> str:
        ends = int(time.time()) + OUTPUT_S
        seal = self._seal(job.result_id or "", ends, f"{job.tenant} {job.shopper or ''}")
        return f"/compat/fashn/v1/outputs/{job.result_id}?ends={ends}&seal={seal}"

    def _seal(self, result_id: str, ends: int, holder: str) -> str:
        return f"{base64.urlsafe_b64encode(holder.encode()).decode()}.{self._secrets.digest('output', result_id, str(ends), holder)}"

    def holder(self, result_id: str, ends: int, seal: str) -> Caller | None:
        """In whose name the link was made; None when it was not, or has ended."""
        try:
            holder = base64.urlsafe_b64decode(seal.partition(".")[0]).decode()
        except ValueError:
            return None
        if not seal.isascii() or ends < time.time() or not hmac.compare_digest(seal, self._seal(result_id, ends, holder)):
            return None
        tenant, _, shopper = holder.partition(" ")
        return Caller(tenant, shopper or None)


def _order(body: bytes) -> Run:
    try:
        order = msgspec.json.decode(body, type=Run)
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"The request cannot be used: {str(error).rstrip('.')}.") from None
    if order.model_name != MODEL:
        raise InvalidRequest(f"The model must be {MODEL}.", field="model_name")
    return order


def _failing(error: Exception) -> Callable[[], Awaitable[Answer]]:
    async def work() -> Answer:
        raise error

    return work


def _error(failure: Failure) -> ErrorRecord:
    name = (
        "ImageLoadError"
        if failure.slug in IMAGE_ERRORS or failure.field in ("model_image", "garment_image")
        else "PoseError"
        if failure.slug in POSE_ERRORS
        else "InputValidationError"
        if failure.slug == "invalid-request"
        else "PipelineError"
    )
    return ErrorRecord(name, failure.detail)
