"""POST /v1/try-ons: a photo and one or several garments in, the dressed person out."""

from __future__ import annotations

import asyncio
import base64
from contextlib import ExitStack
from functools import partial
from typing import Any

from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from models.images import Encoding
from service.access import Access
from service.api.jobs import payload, resource
from service.api.manners import answered_later, not_modified, patience
from service.api.orders import FILES, TEXTS, order_of, wish_of_form, wish_of_json
from service.api.records import PictureRecord, TryOnRecord
from service.api.try_on_document import FOUND_RESPONSES, RESPONSES, FoundOperation, TryOnOperation
from service.callers import Caller
from service.catalogue import Catalogue
from service.dressing import MEDIA_TYPES, Answer, Dressed, Dresser
from service.errors import InvalidRequest, NotAcceptable, ResultNotFound
from service.fetching import Fetcher
from service.forms import FormLimits, read_body, read_form, while_connected
from service.idempotency import Idempotency
from service.jobs import Job, Jobs, Webhook
from service.metrics import Metrics
from service.negotiation import best
from service.photos import Photos
from service.settings import Settings
from service.worker import UploadMemory

JSON = "application/json"
ENCODINGS: dict[str, Encoding] = {media_type: encoding for encoding, media_type in MEDIA_TYPES.items()}


def try_ons(
    dresser: Dresser[Any, Any],
    photos: Photos[Any, Any],
    catalogue: Catalogue[Any, Any],
    access: Access,
    idempotency: Idempotency,
    jobs: Jobs,
    fetcher: Fetcher,
    uploads: UploadMemory,
    metrics: Metrics,
    settings: Settings,
) -> Router:
    limits = FormLimits.of(settings, max_parts=1 + 3 * settings.max_garments + len(TEXTS))

    @post("/", status_code=200, operation_class=TryOnOperation, responses=RESPONSES, summary="Try garments on", request_max_body_size=None)
    async def create_try_on(request: Request[Any, Any, Any], caller: NamedDependency[Caller]) -> Response[bytes]:
        """Dresses the person on the photo in one garment, or in an outfit. Nothing outside the edit mask changes.

        A top takes the place of the worn top, a lower garment that of the worn one; a dress, or a top and a lower garment together,
        take the place of both.

        `Accept` chooses the answer: `image/jpeg` (the default), `image/png`, `image/webp` or `image/avif` for the picture alone, with
        what is to be said about it in headers; `application/json` for a record with the picture as a data URI.

        `Prefer: respond-async` answers 202 at once, with a job: its status is at the header Location, and told to `webhook_url`.
        """
        accept, patience_s = request.headers.get("accept"), patience(request)
        _negotiate(accept, None)  # before the upload: no need to wait for it to refuse
        with ExitStack() as held:
            take = held.enter_context(uploads.lease())
            if request.content_type[0] == JSON:
                wish = await wish_of_json(await read_body(request, limits, take), limits, settings.max_garments, fetcher)
            else:
                wish = wish_of_form(await read_form(request, FILES, TEXTS, limits, take), settings.max_garments)
            encoding, as_record = _negotiate(accept, wish.format)

            async def dress() -> Answer:
                return await dresser.dress(await order_of(wish, encoding, caller, patience_s, photos, catalogue))

            later = answered_later(request)
            if wish.webhook_url is not None and not later:
                raise InvalidRequest("A webhook is told of what is answered later: send Prefer: respond-async.", field="webhook_url")
            what = (wish.photo, *wish.garments, *map(str, wish.categories), wish.tuck.value, encoding, str(later))
            async with idempotency.once(request.headers.get("idempotency-key"), caller, "try-ons", *what) as once:
                # equal requests have equal answers: a repetition is a look into what is kept, or draws the same once more
                if once.earlier is None:
                    await access.spend(caller)
                if later and once.earlier is not None:
                    return _accepted(await jobs.find(caller, once.earlier))
                if later:
                    order = await order_of(wish, encoding, caller, settings.job_timeout_s, photos, catalogue)
                    digest = await asyncio.to_thread(dresser.photo_digest, order)
                    webhook = Webhook(wish.webhook_url, payload)
                    job = await jobs.submit(caller, digest, partial(dresser.dress, order), webhook, ended=held.pop_all().close)
                    once.made = job.id
                    return _accepted(job)
                answer = await while_connected(request, dress())
                once.made = answer.dressed.id
        metrics.dressed(answer.timings_ms, answer.cache_status, answer.dressed.confidence)
        headers = _told(answer)
        return _record(answer.dressed, headers, answer.timings_ms) if as_record else _picture(answer.dressed, headers)

    @get("/{try_on_id:str}", operation_class=FoundOperation, responses=FOUND_RESPONSES, summary="A finished try-on")
    async def find_try_on(request: Request[Any, Any, Any], caller: NamedDependency[Caller], try_on_id: FromPath[str]) -> Response[bytes]:
        """What `POST` gave, as long as it is kept: in the format in which it was made, or as a record."""
        found = await dresser.find(caller, try_on_id)
        if found is None:
            raise ResultNotFound("There is no such try-on, or it is not kept any more.")
        dressed, ttl_s = found
        choice = best(request.headers.get("accept"), [dressed.media_type, JSON])
        if choice is None:
            raise NotAcceptable(f"The answer can be {dressed.media_type} or {JSON}; the header Accept allows neither.")
        headers = {"Cache-Control": "private", "Vary": "Accept", "Cache-Status": f"muslin; hit; ttl={ttl_s:.0f}"}
        if choice == JSON:
            return _record(dressed, headers, {})
        headers["ETag"] = dressed.etag
        return not_modified(request, dressed.etag, headers) or _picture(dressed, headers)

    return Router("/v1/try-ons", route_handlers=[create_try_on, find_try_on], tags=["Try-ons"])


def _negotiate(accept: str | None, wanted: str | None) -> tuple[Encoding, bool]:
    """The picture's encoding and whether the client wants the record: by `Accept` and the field `format`."""
    pictures = [media_type for encoding, media_type in MEDIA_TYPES.items() if wanted in (None, encoding)]
    choice = best(accept, [*pictures, JSON])
    if choice is None:
        raise NotAcceptable(f"The answer can be {', '.join(pictures)} or {JSON}; the header Accept allows none of them.")
    return ENCODINGS[pictures[0] if choice == JSON else choice], choice == JSON


def _accepted(job: Job) -> Response[Any]:
    headers = {"Location": f"/v1/jobs/{job.id}", "Preference-Applied": "respond-async", "Retry-After": "1", "Cache-Control": "no-store"}
    return Response(resource(job), status_code=202, media_type=JSON, headers=headers)


def _told(answer: Answer) -> dict[str, str]:
    return {
        "Cache-Control": "private",
        "Vary": "Accept",
        "Cache-Status": answer.cache_status,
        "Server-Timing": ", ".join(f"{stage};dur={ms:g}" for stage, ms in answer.timings_ms.items()),
        "ETag": answer.dressed.etag,
        "Content-Location": f"/v1/try-ons/{answer.dressed.id}",
    }


def _record(dressed: Dressed, headers: dict[str, str], timings_ms: dict[str, float]) -> Response[Any]:
    record = TryOnRecord(
        id=dressed.id,
        picture=PictureRecord(
            url=f"data:{dressed.media_type};base64,{base64.b64encode(dressed.picture).decode()}",
            media_type=dressed.media_type,
            width=dressed.width,
            height=dressed.height,
        ),
        confidence=dressed.confidence,
        garments=dressed.garments,
        notices=dressed.notices,
        timings_ms=timings_ms,
    )
    return Response(record, media_type=JSON, headers={name: value for name, value in headers.items() if name != "ETag"})


def _picture(dressed: Dressed, headers: dict[str, str]) -> Response[bytes]:
    headers = headers | {
        "Content-Disposition": f'inline; filename="try-on.{ENCODINGS[dressed.media_type]}"',
        "Muslin-Id": dressed.id,
        "Muslin-Confidence": f"{dressed.confidence:.3f}",
        "Muslin-Category": ", ".join(garment.category.value for garment in dressed.garments),
    }
    if dressed.notices:
        headers["Muslin-Notices"] = ", ".join(
            f"{notice.code};about={notice.about.replace('[', '-').rstrip(']')}" for notice in dressed.notices
        )
    return Response(dressed.picture, media_type=dressed.media_type, headers=headers)
