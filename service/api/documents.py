"""Small mends to the OpenAPI document that Litestar writes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from litestar.openapi.spec import Example, OpenAPIResponse, Operation


def tidy_examples(operation: Operation) -> None:
    """Litestar writes the example's id into the document, where the specification has no such field."""
    for response in (operation.responses or {}).values():
        for media in (response.content or {}).values() if isinstance(response, OpenAPIResponse) else ():
            named = {name: replace(e, id=None) if isinstance(e, Example) else e for name, e in (media.examples or {}).items()}
            media.examples = named or None


@dataclass
class PlainOperation(Operation):
    """As Litestar derives it, but tidy."""

    def __post_init__(self) -> None:
        tidy_examples(self)
