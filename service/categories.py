"""The words that callers use for the kinds of garments."""

from __future__ import annotations

from collections.abc import Sequence

from models.types import Category


def parse_categories(words: Sequence[str], count: int) -> list[Category | None]:
    """One for each of `count` garments, or one for all; None, to be found from the outline, for auto and where none is given.

    Raises ValueError with a sentence.
    """
    words = [word.strip().lower() or "auto" for word in words] or ["auto"]
    while len(words) > max(count, 1) and words[-1] == "auto":
        words.pop()  # a separator at the end
    for word in words:
        if word != "auto" and word not in set(Category):
            raise ValueError(f"The category must be one of auto, {', '.join(Category)}, not {word!r}.")
    if len(words) not in (1, count):
        garments = "1 garment" if count == 1 else f"{count} garments"
        raise ValueError(f"For {garments} came {len(words)} categories: give one for each garment, or one for all.")
    return [None if word == "auto" else Category(word) for word in (words * count if len(words) == 1 else words)]
