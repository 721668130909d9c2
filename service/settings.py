"""All settings of the service, read once from the environment and passed on as one frozen value.

Every field is set by an environment variable: MUSLIN_ and its name in capitals, such as MUSLIN_PORT=9000.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

PREFIX = "MUSLIN_"
MEGA = 1_000_000

Positive = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]


class SettingsError(Exception):
    """A setting is unknown or has a value that cannot be used; the message names the variable."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The defaults are those of a laptop: loopback, one CPU device, nothing shared, nothing kept longer than an hour."""

    # where to listen
    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8000
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    # the engine
    device: Annotated[str, Meta(pattern=r"^(cpu|cuda(:\d+)?)$")] = "cpu"
    threads: Count = 1
    """Threads of torch. More than one pays only on a machine that is otherwise idle: see `models.engine.Engine`."""
    assets_dir: str | None = None
    """Folder of the model files; None: the user's cache folder."""
    model_store_url: str | None = None
    """Base of Google's model store or of a mirror, asked before the package registries."""

    # what a request may bring
    max_image_mb: Positive = 20
    max_image_megapixels: Positive = 50
    max_request_mb: Positive = 64
    max_garments: Count = 4

    # how much is done at once
    queue_limit: Count = 16
    """Try-ons accepted and not yet answered; the next one is told to come back later."""
    upload_memory_mb: Positive = 512
    """Uploads held in memory at the same time, of all requests together."""
    codec_threads: Count = 2
    upload_timeout_s: Positive = 60
    """All of a request's body must have come."""
    upload_idle_timeout_s: Positive = 10
    """So long nothing may come: neither the first line of a request nor a piece of its body."""
    request_timeout_s: Positive = 30
    """From the end of the upload to the answer."""

    # what is remembered
    redis_url: str | None = None
    """redis:// or rediss:// or unix://; without it results are cached in this process."""
    result_ttl_s: Positive = 3600
    result_cache_mb: Positive = 256
    """Of the cache in this process; Redis has its own maxmemory."""
    person_ttl_s: Positive = 900
    """How long a read photo stays in memory (never anywhere else)."""
    person_memory_mb: Positive = 1024
    garment_ttl_s: Positive = 86_400
    garment_memory_mb: Positive = 1024

    @property
    def assets_path(self) -> Path | None:
        return Path(self.assets_dir).expanduser() if self.assets_dir else None


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """From the process environment, or from `environment`.

    Raises SettingsError for a variable that starts with MUSLIN_ and is no setting, and for a value that does not fit.
    """
    environment = os.environ if environment is None else environment
    given = {name.removeprefix(PREFIX).lower(): value for name, value in environment.items() if name.startswith(PREFIX)}
    for name in given:
        if name not in Settings.__struct_fields__:
            close = difflib.get_close_matches(name, Settings.__struct_fields__, n=1)
            hint = f"; did you mean {PREFIX}{close[0].upper()}?" if close else "."
            raise SettingsError(f"{PREFIX}{name.upper()} is not a setting{hint}")
    for name, value in given.items():  # one by one, so that the message can name the variable
        try:
            msgspec.convert({name: value}, Settings, strict=False)
        except msgspec.ValidationError as error:
            reason = str(error).partition(" - at ")[0]
            raise SettingsError(f"{PREFIX}{name.upper()}={value!r}: {reason}.") from error
    return msgspec.convert(given, Settings, strict=False)
