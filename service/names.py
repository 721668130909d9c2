"""Names that people give: of garments and of keys."""

from __future__ import annotations

import unicodedata
from typing import Final

NAME_MOST: Final = 200
BIDI: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""They turn the writing direction of whatever text stands beside a name."""


def plain_name(text: str) -> str | None:
    """`text` without spaces at its ends; None when it is no name: empty, too long, or with what cannot be printed."""
    text = text.strip()
    control = any(unicodedata.category(letter) in ("Cc", "Cs") or letter in BIDI for letter in text)
    return text if 0 < len(text) <= NAME_MOST and not control else None
