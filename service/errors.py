"""What can go wrong on the way to and from the models: the service's own half of the problem types.

    ServiceError
    ├── InvalidRequest        invalid-request
    ├── NotAcceptable         not-acceptable
    ├── WrongMediaType        unsupported-media-type
    ├── RequestTooLarge       request-too-large
    ├── UploadTimeout         upload-timeout
    ├── ConsentMissing        consent-missing
    ├── PhotoNotFound         photo-not-found
    ├── PhotoExpired          photo-expired
    ├── ResultNotFound        result-not-found
    ├── GarmentNotFound       garment-not-found
    ├── CredentialsMissing    credentials-missing
    ├── NotAllowed            not-allowed
    ├── JobNotFound           job-not-found
    ├── FetchRefused          fetch-refused
    ├── FetchFailed           fetch-failed
    ├── IdempotencyMismatch   idempotency-mismatch
    ├── StillUnderWay         still-under-way
    ├── PreconditionFailed    precondition-failed
    ├── TooManyRequests       too-many-requests
    ├── QuotaSpent            quota-spent
    ├── StoreAway             store-unavailable
    ├── OutfitNotWearable     outfit-not-wearable
    ├── Overloaded            overloaded
    └── DeadlineExceeded      deadline-exceeded

The other half is `models.errors`. `service.problems` gives both their status and their page.
"""

from __future__ import annotations

from typing import ClassVar

from models.errors import MuslinError


class ServiceError(Exception):
    """Base of all errors that the service raises on purpose."""

    slug: ClassVar[str] = "internal-error"

    def __init__(self, detail: str, *, field: str | None = None, retry_after_s: int | None = None) -> None:
        """`field`: the part of the request that is wrong; `retry_after_s`: when the same request may succeed."""
        super().__init__(detail)
        self.detail = detail
        self.field = field
        self.retry_after_s = retry_after_s


class InvalidRequest(ServiceError):
    slug = "invalid-request"


class NotAcceptable(ServiceError):
    slug = "not-acceptable"


class WrongMediaType(ServiceError):
    slug = "unsupported-media-type"


class RequestTooLarge(ServiceError):
    slug = "request-too-large"


class UploadTimeout(ServiceError):
    slug = "upload-timeout"


class ConsentMissing(ServiceError):
    slug = "consent-missing"


class PhotoNotFound(ServiceError):
    """There never was such a photo, it is another's, or it was deleted."""

    slug = "photo-not-found"


class PhotoExpired(ServiceError):
    """It was kept, and is not any more."""

    slug = "photo-expired"


class ResultNotFound(ServiceError):
    slug = "result-not-found"


class GarmentNotFound(ServiceError):
    slug = "garment-not-found"


class CredentialsMissing(ServiceError):
    """None came, or they are not, or not any more, good for anything."""

    slug = "credentials-missing"


class NotAllowed(ServiceError):
    """The credentials are good, but not for this."""

    slug = "not-allowed"


class JobNotFound(ServiceError):
    slug = "job-not-found"


class FetchRefused(ServiceError):
    """An address that is not to be asked."""

    slug = "fetch-refused"


class FetchFailed(ServiceError):
    """An address that may be asked, and did not give what was asked for."""

    slug = "fetch-failed"


class IdempotencyMismatch(ServiceError):
    slug = "idempotency-mismatch"


class StillUnderWay(ServiceError):
    slug = "still-under-way"


class TooManyRequests(ServiceError):
    slug = "too-many-requests"


class QuotaSpent(ServiceError):
    slug = "quota-spent"


class PreconditionFailed(ServiceError):
    slug = "precondition-failed"


class StoreAway(ServiceError):
    """Nothing can be kept or deleted just now."""

    slug = "store-unavailable"


class Overloaded(ServiceError):
    slug = "overloaded"


class DeadlineExceeded(ServiceError):
    slug = "deadline-exceeded"


class OutfitNotWearable(ServiceError):
    """Each garment can be worn, but not these together."""

    slug = "outfit-not-wearable"


class InputRejected(Exception):
    """An error of the models about one part of the request: the photo or one of the garments."""

    def __init__(self, field: str, error: MuslinError) -> None:
        super().__init__(error.detail)
        self.field = field
        self.error = error
