"""Everything for a browser: the demo page, its samples, the documentation, and a page for each problem type.

Nothing of it contacts another host; the Content-Security-Policy says so to the browser.
"""

from __future__ import annotations

import html
import math
from pathlib import Path
from string import Template
from typing import Any, Final

from litestar import MediaType, Request, Response, Router, get
from litestar.datastructures import CacheControlHeader
from litestar.exceptions import NotFoundException
from litestar.file_system import BaseLocalFileSystem
from litestar.openapi.plugins import OpenAPIRenderPlugin
from litestar.params import FromPath
from litestar.static_files import create_static_files_router
from litestar.types import PathType
from litestar.types.file_types import FileInfo

from service.negotiation import best
from service.problems import PROBLEM_TYPES, ProblemType
from service.settings import Settings

WEB: Final = Path(__file__).parent.parent / "web"
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; "
    "form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)
"""No inline script or style, no other host, no plug-in, not in a foreign frame."""
DOCUMENTATION_POLICY: Final = POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
"""Swagger UI writes style elements of its own."""
ASSET_MAX_AGE_S = 3600


def _page(content: str | bytes, policy: str = POLICY, status: int = 200) -> Response[Any]:
    headers = {"Content-Security-Policy": policy, "Cache-Control": "no-cache"}
    return Response(content, media_type=MediaType.HTML, headers=headers, status_code=status)


def pages(settings: Settings) -> Router:
    index = Template((WEB / "index.html").read_text()).substitute(privacy=html.escape(_privacy(settings)))
    icon = (WEB / "favicon.svg").read_bytes()
    explanation = Template((WEB / "problem.html").read_text())

    @get("/", include_in_schema=False)
    async def demo() -> Response[Any]:
        return _page(index)

    @get("/favicon.ico", include_in_schema=False)
    async def favicon() -> Response[bytes]:
        return Response(icon, media_type="image/svg+xml", headers={"Cache-Control": "max-age=86400"})

    @get("/problems/{slug:str}", include_in_schema=False)
    async def problem(request: Request[Any, Any, Any], slug: FromPath[str]) -> Response[Any]:
        kind = PROBLEM_TYPES.get(slug)
        if kind is None:
            raise NotFoundException
        if best(request.headers.get("accept"), ["text/html", "application/json"]) == "application/json":
            return Response({"type": kind.uri, "title": kind.title, "status": kind.status, "remedy": kind.remedy})
        return _page(_explain(explanation, kind))

    files = create_static_files_router(
        "/static",
        directories=[WEB],
        file_system=WebFiles(),
        name="static",
        cache_control=CacheControlHeader(max_age=ASSET_MAX_AGE_S, public=True),
        include_in_schema=False,
    )
    return Router("/", route_handlers=[demo, favicon, problem, files])


class WebFiles(BaseLocalFileSystem):
    """What cannot be the name of a file is not there: with a NUL in it, too long, or below something that is no folder."""

    async def info(self, path: PathType, **kwargs: Any) -> FileInfo:
        try:
            return await super().info(path, **kwargs)
        except (OSError, ValueError):
            raise FileNotFoundError from None


def _privacy(settings: Settings) -> str:
    """As long as anything that shows the person may live: the read photo and the finished pictures."""
    minutes = math.ceil(max(settings.person_ttl_s, settings.result_ttl_s) / 60)
    span = f"{minutes} minutes" if minutes < 60 else "an hour" if minutes == 60 else f"{math.ceil(minutes / 60)} hours"
    return f"Your photo goes to this server only, stays in memory for {span} at most, and is never written to disk."


def _explain(template: Template, kind: ProblemType) -> str:
    return template.substitute(
        title=html.escape(kind.title), status=kind.status, remedy=html.escape(kind.remedy), slug=html.escape(kind.slug)
    )


class DocumentationPage(OpenAPIRenderPlugin):
    """Swagger UI from our own files; Litestar's plugin would fetch a favicon and write a script into the page."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:  # noqa: ARG002 (the page fetches the document)
        return (WEB / "documentation.html").read_bytes()
