"""Who asks. Found once a request, from its credentials; everything that is kept belongs to a tenant."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    tenant: str
    """Whose garments, photos and results these are: the one an API key was made for; "" where everything is open."""
    shopper: str | None = None
    """Id of a shopper's token: it sees only what came with it. None for a server with an API key."""
    quota: int | None = None
    """Photos and try-ons that the token is good for."""
    expires: float = math.inf
    """Unix seconds; of the token."""
    key: str = ""
    """Id of the API key that it asks with, or that its token was made with; "" where everything is open."""

    def may_see(self, tenant: str, shopper: str | None) -> bool:
        """Whether something of `tenant`, brought by `shopper`, is the caller's business."""
        return self.tenant == tenant and (self.shopper is None or self.shopper == shopper)


ANYBODY = Caller("")
