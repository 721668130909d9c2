"""What travels between the door and the replicas: a whole request and its whole answer, sealed.

Ray copies what is large through shared memory, and writes it to disk when that gets full. A shopper's photo must not get there, so it is
encrypted before Ray sees it, with the secret that the service has anyway.
"""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec

from service.secrets import Secrets

REQUEST: Final = "ray-request"
ANSWER: Final = "ray-answer"
"""Where each is opened: one cannot pose as the other."""
S = TypeVar("S", bound=msgspec.Struct)


class Request(msgspec.Struct, frozen=True):
    """Of HTTP, as ASGI has it; nothing is still to come."""

    method: str
    path: str
    raw_path: bytes
    query: bytes
    headers: list[tuple[bytes, bytes]]
    client: tuple[str, int] | None
    host: tuple[str, int | None] | None
    scheme: str
    body: bytes


class Answer(msgspec.Struct, frozen=True):
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


def seal(secrets: Secrets, place: str, value: msgspec.Struct) -> bytes:
    return secrets.seal(place, msgspec.msgpack.encode(value))


def unseal(secrets: Secrets, place: str, sealed: bytes, kind: type[S]) -> S:
    """Raises Unreadable for what was sealed with another secret."""
    return msgspec.msgpack.decode(secrets.open(place, sealed), type=kind)
