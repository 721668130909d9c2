"""Try-ons that are answered later: accepted, done in their turn, told of by status, by link and by webhook.

A job's record lives in the store and belongs to its photo: an erasure takes it too. Its work lives in the process that took it;
when that dies, its sign of life ends, and the job counts as failed.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import logging
import secrets as randomness
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from models.errors import MuslinError
from service.callers import Caller
from service.dressing import Answer
from service.errors import FetchFailed, FetchRefused, InputRejected, JobNotFound, Overloaded, ServiceError, StoreAway
from service.fetching import Fetcher
from service.photos import results_owner
from service.store import StoreUnavailable, key_of
from service.vault import Vault

logger = logging.getLogger(__name__)

Status = Literal["queued", "processing", "completed", "failed"]
KEPT_S: Final = 3600.0
ALIVE_S: Final = 5.0
"""So often a job says that it lives ..."""
LOST_S: Final = 20.0
"""... and after so long without a word it is lost."""
PAUSES_S: Final = (1.0, 5.0, 30.0, 120.0, 600.0)
"""Between the attempts to deliver a webhook."""


class Failure(msgspec.Struct, frozen=True):
    slug: str
    """Of `problems`."""
    detail: str
    field: str | None = None


class Job(msgspec.Struct, frozen=True):
    id: str
    tenant: str
    shopper: str | None
    status: Status
    created: float
    alive: float
    """Unix seconds of its last sign of life."""
    owner: str
    """To whom the record belongs in the store."""
    epoch: int
    result_id: str | None = None
    failure: Failure | None = None
    note: str = ""
    """What the interface that took it wants to remember."""


@dataclass(frozen=True, slots=True)
class Webhook:
    url: str | None
    payload: Callable[[Job], bytes]
    """What it says of an ended job."""


class Jobs:
    """`pauses_s`: between a webhook's attempts."""

    def __init__(
        self,
        vault: Vault,
        fetcher: Fetcher,
        limit: int,
        patience_s: float,
        pauses_s: tuple[float, ...] = PAUSES_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._vault = vault
        self._fetcher = fetcher
        self._limit = limit
        self._patience_s = patience_s
        self._pauses_s = pauses_s
        self._clock = clock
        self._working: set[asyncio.Task[None]] = set()
        self._telling: set[asyncio.Task[None]] = set()

    async def submit(
        self,
        caller: Caller,
        photo_digest: str,
        work: Callable[[], Awaitable[Answer]],
        webhook: Webhook | None = None,
        note: str = "",
        ended: Callable[[], None] | None = None,
    ) -> Job:
        """Takes a job. `work` is tried again while the service is overloaded, until its patience ends; `ended` is called after it, or
        at once when the job is not taken.

        Raises Overloaded, StoreAway, FetchRefused (for the webhook).
        """
        with ExitStack() as last:
            if ended is not None:
                last.callback(ended)
            job = await self._take(caller, photo_digest, webhook, note)
            task = asyncio.ensure_future(self._work(job, work, webhook, last.pop_all()))
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        return job

    async def _take(self, caller: Caller, photo_digest: str, webhook: Webhook | None, note: str) -> Job:
        if webhook is not None and webhook.url is not None:
            self._fetcher.check(webhook.url)
        if len(self._working) >= self._limit:
            raise Overloaded("Too many jobs wait already; try again in a while.", retry_after_s=10)
        owner, now = results_owner(photo_digest), self._clock()
        try:
            epoch = await self._vault.store.epoch(owner)
            job = Job(f"job_{randomness.token_hex(12)}", caller.tenant, caller.shopper, "queued", now, now, owner, epoch, note=note)
            await self._put(job)
        except StoreUnavailable:
            raise StoreAway("Jobs cannot be taken just now; a try-on that waits for its answer works.", retry_after_s=2) from None
        return job

    async def find(self, caller: Caller, job_id: str) -> Job:
        """Raises JobNotFound, StoreUnavailable."""
        found = await self._vault.get_record(key_of("job", job_id), Job)
        if found is None or not caller.may_see(found[0].tenant, found[0].shopper):
            raise JobNotFound("There is no such job, or it is not kept any more.")
        job = found[0]
        if job.status in ("queued", "processing") and self._clock() - job.alive > LOST_S:
            return msgspec.structs.replace(job, status="failed", failure=Failure("internal-error", "The job was lost; ask again."))
        return job

    async def close(self, seconds: float) -> None:
        """Waits for what was taken, so long at most."""
        if self._working:
            await asyncio.wait(self._working, timeout=seconds)
        for task in (*self._working, *self._telling):
            task.cancel()
        await asyncio.gather(*self._working, *self._telling, return_exceptions=True)

    async def _work(self, job: Job, work: Callable[[], Awaitable[Answer]], webhook: Webhook | None, last: ExitStack) -> None:
        with last:
            job = await self._say(job, "processing")
            pulse = asyncio.ensure_future(self._pulse(job))
            try:
                job = await self._ended(job, work)
            finally:
                pulse.cancel()
        with suppress(StoreUnavailable):
            await self._put(job)
        if webhook is not None and webhook.url is not None:
            telling = asyncio.ensure_future(self._tell(job, webhook.url, webhook.payload(job)))
            self._telling.add(telling)
            telling.add_done_callback(self._telling.discard)

    async def _ended(self, job: Job, work: Callable[[], Awaitable[Answer]]) -> Job:
        deadline = asyncio.get_running_loop().time() + self._patience_s
        while True:
            try:
                answer = await work()
                return msgspec.structs.replace(job, status="completed", result_id=answer.dressed.id, alive=self._clock())
            except Overloaded as error:
                pause = float(error.retry_after_s or 1)
                if asyncio.get_running_loop().time() + pause > deadline:
                    return self._failed(job, Failure(error.slug, error.detail))
                await asyncio.sleep(pause)
            except InputRejected as error:
                return self._failed(job, Failure(error.error.slug, error.error.detail, error.field))
            except (MuslinError, ServiceError) as error:
                return self._failed(job, Failure(error.slug, error.detail, getattr(error, "field", None)))
            except Exception:
                logger.exception("A job failed")
                return self._failed(job, Failure("internal-error", "Something went wrong inside the service."))

    def _failed(self, job: Job, failure: Failure) -> Job:
        return msgspec.structs.replace(job, status="failed", failure=failure, alive=self._clock())

    async def _say(self, job: Job, status: Status) -> Job:
        job = msgspec.structs.replace(job, status=status, alive=self._clock())
        with suppress(StoreUnavailable):
            await self._put(job)
        return job

    async def _pulse(self, job: Job) -> None:
        while True:
            await asyncio.sleep(ALIVE_S)
            await self._say(job, job.status)

    async def _put(self, job: Job) -> None:
        await self._vault.put_owned(job.owner, job.epoch, key_of("job", job.id), job, KEPT_S)

    def webhook_secret(self, tenant: str) -> str:
        """With it a tenant verifies its webhooks (standardwebhooks.com)."""
        return "whsec_" + base64.b64encode(bytes.fromhex(self._vault.secrets.digest("webhook", tenant))).decode()

    async def _tell(self, job: Job, url: str, payload: bytes) -> None:
        """Delivers a webhook, again and again until it is taken (2xx)."""
        secret = base64.b64decode(self.webhook_secret(job.tenant).removeprefix("whsec_"))
        for pause in (*self._pauses_s, None):
            sent = str(int(self._clock()))
            signature = hmac.new(secret, f"{job.id}.{sent}.".encode() + payload, hashlib.sha256).digest()
            headers = {
                "Content-Type": "application/json",
                "webhook-id": job.id,
                "webhook-timestamp": sent,
                "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
            }
            try:
                status = await self._fetcher.post(url, payload, headers)
                if 200 <= status < 300:
                    return
                reason = str(status)
            except (FetchFailed, FetchRefused) as error:
                reason = error.detail
            if pause is None:
                logger.warning("A webhook was not taken: %s", reason)
                return
            await asyncio.sleep(pause)
