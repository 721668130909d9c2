"""Which of the offered media types a client's Accept header prefers (RFC 9110, section 12.5.1).

One rule for what is malformed: such a part of the header is ignored, whatever is wrong with it, and a header without any
well-formed part is as good as none. Only a well-formed wish that cannot be met makes an answer not acceptable.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MediaRange:
    type: str
    subtype: str
    q: float
    """0..1; 0 means: not this one."""

    def specificity(self, media_type: str) -> int:
        """2 for the same type, 1 for `image/*`, 0 for `*/*`, -1 when it does not match."""
        main, _, sub = media_type.partition("/")
        if (self.type, self.subtype) == (main, sub):
            return 2
        if self.subtype == "*":
            return {main: 1, "*": 0}.get(self.type, -1)
        return -1


def best(accept: str | None, offered: Sequence[str]) -> str | None:
    """The offered type with the highest q; of equal ones the first offered. None when none is acceptable.

    No header, or one without a well-formed part, accepts everything.
    """
    ranges = [media for part in (accept or "").split(",") if (media := _parse(part)) is not None] or [MediaRange("*", "*", 1.0)]
    quality, _, choice = max((_quality(ranges, media_type), -order, media_type) for order, media_type in enumerate(offered))
    return choice if quality > 0 else None


def _quality(ranges: Sequence[MediaRange], media_type: str) -> float:
    specificity, q = max(((media.specificity(media_type), media.q) for media in ranges), default=(-1, 0.0))
    return q if specificity >= 0 else 0.0


NAME = r"[!#$%&'*+.^_`|~0-9a-z-]+"
MEDIA_RANGE = re.compile(rf"({NAME})/({NAME})")
WEIGHT = re.compile(r"0(\.\d*)?|1(\.0*)?")


def _parse(part: str) -> MediaRange | None:
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    found = MEDIA_RANGE.fullmatch(name)
    if found is None or (found[1] == "*" and found[2] != "*"):
        return None
    q = 1.0
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            if WEIGHT.fullmatch(value.strip()) is None:
                return None
            q = float(value)
    return MediaRange(found[1], found[2], q)
