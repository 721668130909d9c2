"""Whether the engine has been warmed up: the difference between a process that lives and one that can serve."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Readiness:
    ready: bool = False
    failure: str | None = None
    """One sentence, when warming up failed."""
    degraded: str | None = None
    """One sentence, while the store is away: try-ons that bring their photo still work."""
    draining: bool = False
    """Told to stop: what comes is still served, but should go elsewhere."""
