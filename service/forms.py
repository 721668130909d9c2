"""Reads a multipart form into memory and nowhere else.

Litestar's own parser spools every file over 1 MB to disk; a photo of a person must not get there. Size caps
are checked chunk by chunk, so that a body without a declared length is stopped as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from litestar import Request
from litestar.exceptions import ClientException
from litestar.types import HTTPReceiveMessage, WebSocketReceiveMessage
from multipart import MultipartError, MultipartSegment, ParserLimitReached, PushMultipartParser  # type: ignore[import-untyped]

from models.errors import ImageTooLarge
from service.errors import InvalidRequest, RequestTooLarge, UploadTimeout, WrongMediaType
from service.settings import MEGA, Settings

T = TypeVar("T")

MAX_TEXT_BYTES = 8000
"""Of a field that is no file: a word or two, or a size chart."""


class ClientGone(ClientException):
    """The client closed the connection before it was answered; nobody reads what is said now."""


@dataclass(frozen=True, slots=True)
class FormLimits:
    max_bytes: int
    """Of the whole body."""
    max_file_bytes: int
    max_parts: int
    timeout_s: float
    """Of the whole body."""
    idle_timeout_s: float
    """Between two pieces of it."""

    @classmethod
    def of(cls, settings: Settings, max_parts: int, max_mb: float | None = None) -> Self:
        """max_mb: of the whole body; None: the setting for requests."""
        max_mb = settings.max_request_mb if max_mb is None else max_mb
        sizes = (int(max_mb * MEGA), int(settings.max_image_mb * MEGA))
        return cls(*sizes, max_parts, settings.upload_timeout_s, settings.upload_idle_timeout_s)


@dataclass(frozen=True, slots=True)
class Form:
    """What was sent, in its order."""

    files: Mapping[str, Sequence[bytes]]
    texts: Mapping[str, Sequence[str]]


async def read_form(
    request: Request[Any, Any, Any],
    files: frozenset[str],
    texts: frozenset[str],
    limits: FormLimits,
    take: Callable[[int], None],
) -> Form:
    """Reads the named file and text fields; `take` is told of every chunk before it is kept and may refuse it.

    Raises WrongMediaType, InvalidRequest (malformed, unknown field, too many parts), RequestTooLarge,
    ImageTooLarge (one file), UploadTimeout, and what `take` raises.
    """
    media_type, options = request.content_type
    boundary = options.get("boundary")
    if media_type != "multipart/form-data" or not boundary:
        raise WrongMediaType("Send the form as multipart/form-data, with its boundary in Content-Type.")
    if (request.content_length or 0) > limits.max_bytes:
        raise _too_large(limits)
    try:
        async with asyncio.timeout(limits.timeout_s):
            return await _parse(_chunks(request, limits, take), boundary, files, texts, limits)
    except TimeoutError:
        raise UploadTimeout(f"The upload did not end within {limits.timeout_s:g} seconds.") from None
    except ParserLimitReached:
        raise InvalidRequest("The form has too many parts, or a part has too many headers.") from None
    except MultipartError:
        raise InvalidRequest("The multipart form is malformed or cut off.") from None


async def read_body(request: Request[Any, Any, Any], limits: FormLimits, take: Callable[[int], None]) -> bytes:
    """A body that is no form. Raises RequestTooLarge, UploadTimeout, and what `take` raises."""
    if (request.content_length or 0) > limits.max_bytes:
        raise _too_large(limits)
    body = bytearray()
    try:
        async with asyncio.timeout(limits.timeout_s):
            async for chunk in _chunks(request, limits, take):
                body += chunk
    except TimeoutError:
        raise UploadTimeout(f"The upload did not end within {limits.timeout_s:g} seconds.") from None
    return bytes(body)


async def need_json(request: Request[Any, Any, Any], limits: FormLimits) -> None:
    """To be called before the framework decodes a small body: reads it, as patiently as any other.

    Raises WrongMediaType, RequestTooLarge, UploadTimeout.
    """
    if (request.content_length or 0) > limits.max_bytes:
        raise _too_large(limits)
    try:
        async with asyncio.timeout(limits.idle_timeout_s):
            body = await request.body()
    except TimeoutError:
        raise UploadTimeout(f"The request did not come within {limits.idle_timeout_s:g} seconds.") from None
    if body and request.content_type[0] != "application/json":
        raise WrongMediaType("Send JSON, as application/json.")


def _too_large(limits: FormLimits) -> RequestTooLarge:
    return RequestTooLarge(f"The request is larger than {limits.max_bytes / 1e6:.0f} MB.")


async def _chunks(request: Request[Any, Any, Any], limits: FormLimits, take: Callable[[int], None]) -> AsyncIterator[bytes]:
    total = 0
    while True:
        event = await _next(request, limits.idle_timeout_s)
        if event["type"] != "http.request":
            raise ClientGone("The connection was closed during the upload.")
        body = event["body"]
        total += len(body)
        if total > limits.max_bytes:
            raise _too_large(limits)
        take(len(body))
        yield body
        if not event["more_body"]:
            return


async def _next(request: Request[Any, Any, Any], timeout_s: float) -> HTTPReceiveMessage | WebSocketReceiveMessage:
    try:
        async with asyncio.timeout(timeout_s):
            return await request.receive()
    except TimeoutError:
        raise UploadTimeout(f"Nothing more of the upload came for {timeout_s:g} seconds.") from None


async def while_connected(request: Request[Any, Any, Any], work: Coroutine[Any, Any, T]) -> T:
    """What `work` gives; it is cancelled when the client goes, for nobody would read its answer. To be called after `read_form`.

    Raises ClientGone, and what `work` raises.
    """
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientGone("The connection was closed before the answer.")
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _gone(request: Request[Any, Any, Any]) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _parse(chunks: AsyncIterator[bytes], boundary: str, files: frozenset[str], texts: frozenset[str], limits: FormLimits) -> Form:
    found_files: dict[str, list[bytes]] = {}
    found_texts: dict[str, list[str]] = {}
    part = bytearray()
    segment: MultipartSegment | None = None
    with PushMultipartParser(boundary, max_segment_count=limits.max_parts) as parser:
        async for chunk in chunks:
            for piece in parser.parse(chunk):
                if isinstance(piece, MultipartSegment):
                    segment = piece
                    part = bytearray()
                    if segment.name not in files | texts:
                        known = ", ".join(sorted(files | texts))
                        raise InvalidRequest(f"There is no field {segment.name[:40]!r}; there are {known}.", field=segment.name[:40])
                elif piece and segment is not None:
                    part += piece
                    _check_part(segment.name, len(part), segment.name in files, limits)
                elif segment is not None:
                    if segment.name in files:
                        found_files.setdefault(segment.name, []).append(bytes(part))
                    else:
                        found_texts.setdefault(segment.name, []).append(_text(segment.name, part))
                    segment = None
            if parser.closed:
                break
    return Form(found_files, found_texts)


def _check_part(name: str, size: int, is_file: bool, limits: FormLimits) -> None:
    if is_file and size > limits.max_file_bytes:
        raise ImageTooLarge(f"The picture in {name!r} is larger than {limits.max_file_bytes / 1e6:.0f} MB.")
    if not is_file and size > MAX_TEXT_BYTES:
        raise InvalidRequest(f"The field {name!r} is too long.", field=name)


def _text(name: str, part: bytearray) -> str:
    try:
        return part.decode().strip()
    except UnicodeDecodeError:
        raise InvalidRequest(f"The field {name!r} is not UTF-8 text.", field=name) from None


def one(form: Form, name: str) -> str | None:
    """The text of a field that may come once; None where it is missing or empty. Raises InvalidRequest."""
    texts = form.texts.get(name, ())
    if len(texts) > 1:
        raise InvalidRequest(f"The field {name!r} must come once.", field=name)
    return texts[0] or None if texts else None
