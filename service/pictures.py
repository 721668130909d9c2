"""Garment pictures by their digest: a folder, or an S3-compatible store by its URL. Also what was read of them, to be had again."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Final

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, MemoryStore, ObjectStore, S3Store

from service.settings import Settings, SettingsError

DIGEST: Final = re.compile(r"[0-9a-f]{64}")
TIMEOUTS: Final = {"timeout": "20s", "connect_timeout": "5s"}


class PicturesUnavailable(Exception):
    """The store cannot be reached, or refuses."""


class Pictures:
    """Content-addressed: what is there never changes, and the same picture is there once."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def put(self, picture: bytes) -> str:
        """Its name: SHA-256, hexadecimal."""
        digest = hashlib.sha256(picture).hexdigest()
        await self._put(_picture(digest), picture)
        return digest

    async def get(self, digest: str) -> bytes | None:
        return await self._get(_picture(digest))

    async def remove(self, digest: str) -> None:
        """With what was read of it."""
        try:
            names = [_picture(digest)]
            async for found in obstore.list(self._store, prefix=f"readings/{digest}"):
                names += [entry["path"] for entry in found]
            await obstore.delete_async(self._store, names)
        except FileNotFoundError:
            return
        except BaseError as error:
            raise PicturesUnavailable(type(error).__name__) from error

    async def put_reading(self, digest: str, name: str, packed: bytes) -> None:
        """`name`: what else it depends on, such as the engine's version."""
        await self._put(_reading(digest, name), packed)

    async def get_reading(self, digest: str, name: str) -> bytes | None:
        return await self._get(_reading(digest, name))

    async def _put(self, path: str, content: bytes) -> None:
        try:
            await obstore.put_async(self._store, path, content)
        except BaseError as error:
            raise PicturesUnavailable(type(error).__name__) from error

    async def _get(self, path: str) -> bytes | None:
        try:
            found = await obstore.get_async(self._store, path)
            return bytes(await found.bytes_async())
        except FileNotFoundError:
            return None
        except BaseError as error:
            raise PicturesUnavailable(type(error).__name__) from error


def open_pictures(settings: Settings) -> Pictures:
    """A folder under `data_dir`, or s3://bucket/prefix; memory:// keeps nothing. Raises SettingsError."""
    url = settings.pictures_url
    if url is None:
        folder = settings.data_path / "pictures"
        folder.mkdir(parents=True, exist_ok=True)
        return Pictures(LocalStore(folder))
    scheme, _, rest = url.partition("://")
    try:
        if scheme == "memory":
            return Pictures(MemoryStore())
        if scheme == "file":
            Path(rest).mkdir(parents=True, exist_ok=True)
            return Pictures(LocalStore(Path(rest)))
        if scheme == "s3":
            # endpoint, region and credentials by AWS's usual variables
            plain = {"allow_http": True} if (settings.s3_endpoint or "").startswith("http://") else {}
            bucket, _, prefix = rest.partition("/")
            endpoint = {"endpoint": settings.s3_endpoint} if settings.s3_endpoint else {}
            return Pictures(S3Store(bucket, prefix=prefix or None, client_options={**TIMEOUTS, **plain}, **endpoint))  # type: ignore[arg-type]
    except (BaseError, OSError) as error:
        raise SettingsError(f"MUSLIN_PICTURES_URL cannot be used: {error}.") from error
    raise SettingsError("MUSLIN_PICTURES_URL must begin with file://, s3:// or memory://.")


def _picture(digest: str) -> str:
    if not DIGEST.fullmatch(digest):
        raise ValueError("That is no digest.")
    return f"pictures/{digest[:2]}/{digest}"


def _reading(digest: str, name: str) -> str:
    if not DIGEST.fullmatch(digest):
        raise ValueError("That is no digest.")
    return f"readings/{digest}/{name}"
