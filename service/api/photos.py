"""/v1/photos: a shopper's photo, kept for many try-ons with their consent, and deleted with everything when they say so."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from litestar import Request, Response, Router, delete, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema
from litestar.params import FromPath

from service.access import Access
from service.api.access import ACCESS_PROBLEMS
from service.api.documents import PlainOperation, tidy_examples
from service.api.manners import IDEMPOTENCY_PROBLEMS
from service.api.try_on_document import BINARY
from service.callers import Caller
from service.errors import ConsentMissing, InvalidRequest
from service.forms import FormLimits, one, read_form, while_connected
from service.idempotency import Idempotency
from service.photos import Consent, Erasure, KeptPhoto, Photos, rfc3339
from service.problems import documented
from service.reading import Stages
from service.records import NoticeRecord
from service.settings import Settings
from service.vault import Vault
from service.worker import UploadMemory

NO_STORE: Final = {"Cache-Control": "no-store"}
FILES, TEXTS = frozenset({"photo"}), frozenset({"consent"})


class PhotoRecord(msgspec.Struct, frozen=True):
    """A photo that is kept, and what was seen in it."""

    id: str
    """For `photo_id` of try-ons."""
    expires_at: str
    """RFC 3339; then it is gone, with all that was made of it."""
    consent: Consent
    width: int
    height: int
    confidence: float
    """0..1: how surely the person was read; under 0.4 another photo will do better."""
    notices: tuple[NoticeRecord, ...]
    """What to know, and how to take a better photo."""


class ConsentText(msgspec.Struct, frozen=True):
    """What a shopper agrees to when they upload a photo."""

    version: str
    text: str


class SignedReceipt(msgspec.Struct, frozen=True):
    """Proof of an erasure. `signature` is over the bytes of `document`: keep both as they are."""

    receipt: Erasure
    document: str
    """Base64 of the receipt's JSON, as it was signed."""
    signature: str
    """Base64, Ed25519."""
    key_id: str
    """Of the key at /v1/receipt-key."""


class ReceiptKey(msgspec.Struct, frozen=True):
    key_id: str
    algorithm: str
    public_key: str
    """Base64 of the 32 bytes."""


FORM = Schema(
    type=OpenAPIType.OBJECT,
    required=["photo", "consent"],
    properties={
        "photo": BINARY,
        "consent": Schema(type=OpenAPIType.STRING, description="The version of the text at /v1/consent that the shopper agreed to."),
    },
)
UPLOAD_PROBLEMS = documented(
    "invalid-request",
    "consent-missing",
    "upload-timeout",
    "request-too-large",
    "image-too-large",
    "unsupported-media-type",
    "unsupported-image",
    "broken-image",
    "image-too-small",
    "no-person",
    "several-people",
    "body-not-visible",
    "photo-too-small",
    "overloaded",
    "asset-unavailable",
    "store-unavailable",
    "quota-spent",
    *IDEMPOTENCY_PROBLEMS,
    *ACCESS_PROBLEMS,
)


@dataclass
class UploadOperation(Operation):
    """Litestar cannot derive a form that it does not parse itself."""

    def __post_init__(self) -> None:
        self.request_body = RequestBody(content={"multipart/form-data": OpenAPIMediaType(schema=FORM)}, required=True)
        tidy_examples(self)


def photos(
    kept: Photos[Any, Any], access: Access, idempotency: Idempotency, vault: Vault, uploads: UploadMemory, settings: Settings
) -> Router:
    limits = FormLimits.of(settings, max_parts=4, max_mb=settings.max_image_mb + 0.1)

    @get("/v1/consent", summary="What a shopper agrees to", tags=["Photos"])
    async def consent_text() -> Response[ConsentText]:
        return Response(ConsentText(settings.consent_version, settings.consent_text), headers={"Cache-Control": "no-cache"})

    @get("/v1/receipt-key", summary="The key that verifies receipts", tags=["Photos"])
    async def receipt_key() -> Response[ReceiptKey]:
        key = base64.b64encode(vault.secrets.public_key).decode()
        return Response(ReceiptKey(vault.secrets.key_id, "Ed25519", key), headers={"Cache-Control": "max-age=3600"})

    @post(
        "/v1/photos",
        status_code=201,
        operation_class=UploadOperation,
        responses={201: ResponseSpec(PhotoRecord, generate_examples=False, description="Read and kept."), **UPLOAD_PROBLEMS},
        summary="Keep a photo",
        request_max_body_size=None,
        tags=["Photos"],
    )
    async def keep(request: Request[Any, Any, Any], caller: NamedDependency[Caller]) -> Response[PhotoRecord]:
        """Reads the person on a photo once, for as many try-ons as they like within the hour.

        Kept encrypted, never on disk; `DELETE` removes it and everything that was made of it.
        """
        with uploads.lease() as take:
            form = await read_form(request, FILES, TEXTS, limits, take)
            files, consent = form.files.get("photo", ()), one(form, "consent")
            if consent is None:
                raise ConsentMissing("The shopper's consent is missing.", field="consent")
            if consent != settings.consent_version:
                raise ConsentMissing(f"What was agreed to is not the current text, version {settings.consent_version}.", field="consent")
            if len(files) != 1:
                raise InvalidRequest("Send exactly one photo." if files else "The photo is missing.", field="photo")
            async with idempotency.once(request.headers.get("idempotency-key"), caller, "photos", files[0], consent) as once:
                if once.earlier is not None:
                    photo = await kept.find(caller, once.earlier)
                else:
                    await access.spend(caller)
                    photo = await while_connected(request, kept.keep(caller, files[0], Stages()))
                    once.made = photo.id
        return Response(_record(photo), headers={**NO_STORE, "Location": f"/v1/photos/{photo.id}"})

    @get(
        "/v1/photos/{photo_id:str}",
        operation_class=PlainOperation,
        responses=documented("photo-not-found", "photo-expired", "store-unavailable", *ACCESS_PROBLEMS),
        summary="What was seen in a kept photo",
        tags=["Photos"],
    )
    async def find(caller: NamedDependency[Caller], photo_id: FromPath[str]) -> Response[PhotoRecord]:
        """Never the photo itself."""
        return Response(_record(await kept.find(caller, photo_id)), headers=NO_STORE)

    @delete(
        "/v1/photos/{photo_id:str}",
        status_code=200,
        operation_class=PlainOperation,
        responses=documented("photo-not-found", "photo-expired", "store-unavailable", *ACCESS_PROBLEMS),
        summary="Delete a photo and all that was made of it",
        tags=["Photos"],
    )
    async def erase(caller: NamedDependency[Caller], photo_id: FromPath[str]) -> Response[SignedReceipt]:
        """The photo, what was read of it, and every picture made of it, on all replicas. The receipt proves it; without one nothing is
        certain."""
        receipt = await kept.erase(caller, photo_id)
        signed = SignedReceipt(
            msgspec.json.decode(receipt.document, type=Erasure),
            base64.b64encode(receipt.document).decode(),
            base64.b64encode(receipt.signature).decode(),
            receipt.key_id,
        )
        return Response(signed, headers=NO_STORE)

    return Router("/", route_handlers=[consent_text, receipt_key, keep, find, erase])


def _record(photo: KeptPhoto) -> PhotoRecord:
    return PhotoRecord(photo.id, rfc3339(photo.expires), photo.consent, photo.width, photo.height, photo.confidence, photo.notices)
