"""What JSON answers look like."""

from __future__ import annotations

import msgspec

from service.records import GarmentRecord, NoticeRecord


class PictureRecord(msgspec.Struct, frozen=True):
    """The finished picture; `url` can be set as the source of an image element as it is."""

    url: str
    """A data URI with the whole picture."""
    media_type: str
    width: int
    height: int


class TryOnRecord(msgspec.Struct, frozen=True):
    """A finished try-on."""

    id: str
    """The same for the same inputs, options and engine version."""
    picture: PictureRecord
    confidence: float
    """0..1; under 0.4 the picture is visibly poor."""
    garments: tuple[GarmentRecord, ...]
    """Inner to outer, as they were read."""
    notices: tuple[NoticeRecord, ...]
    timings_ms: dict[str, float]
    """By stage; `total` is everything from the end of the upload, `wait` its share spent queueing."""
