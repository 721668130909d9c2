"""What is said of photos, garments and results: in answers, and as it is kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from models.types import Category, Notice


class NoticeRecord(msgspec.Struct, frozen=True):
    """Something to know about the result."""

    code: str
    """Stable; clients may switch on it."""
    detail: str
    """One plain sentence."""
    about: str
    """`photo`, `garment` (`garment[1]` in an outfit) or `result`."""


class GarmentRecord(msgspec.Struct, frozen=True):
    """A garment as it was read."""

    category: Category
    """As it was given, or as it was found from the outline."""
    confidence: float
    """0..1."""


def collect(inputs: Iterable[tuple[str, Iterable[Notice], Iterable[Notice]]], result: Sequence[Notice]) -> tuple[NoticeRecord, ...]:
    """Every notice with what it is about.

    inputs: of each part of the request its name, what was said when it was decoded, and when it was read. The result repeats what
    still holds of the latter: that the legs are cut off does not matter to a top.
    """
    told = dict.fromkeys(
        (notice, about) for about, decoded, read in inputs for notice in (*decoded, *(notice for notice in read if notice in result))
    )
    said = {notice for notice, _ in told}
    told |= dict.fromkeys((notice, "result") for notice in result if notice not in said)
    return tuple(NoticeRecord(notice.code, notice.detail, about) for notice, about in told)
