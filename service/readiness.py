"""Whether the engine has been warmed up: the difference between a process that lives and one that can serve."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Readiness:
    ready: bool = False
    failure: str | None = None
    """One sentence, when warming up failed."""
