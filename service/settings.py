"""All settings of the service, read once from the environment and passed on as one frozen value.

Every field is set by an environment variable: MUSLIN_ and its name in capitals, such as MUSLIN_PORT=9000.
"""

from __future__ import annotations

import difflib
import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

PREFIX = "MUSLIN_"
REDIS_SCHEMES = ("redis://", "rediss://", "unix://")
PROMISED_S = 3600
"""So long, by the default consent text, a photo is kept at most."""
ORIGIN = re.compile(r"https?://[\w.-]+(:\d{1,5})?|https?://\[[0-9a-f:]+\](:\d{1,5})?", re.IGNORECASE)
HOST = re.compile(r"(\*\.)?[\w-]+(\.[\w-]+)*", re.IGNORECASE)
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
    log_format: Literal["plain", "json"] = "plain"
    otlp_endpoint: str | None = None
    """Of an OpenTelemetry collector, such as http://collector:4318; None: no traces."""

    # who may ask
    access: Literal["auto", "open", "keys"] = "auto"
    """keys: API keys and shoppers' tokens; open: anybody; auto: open on the loopback interface only."""
    rate_per_minute: Count | None = None
    """Requests of one API key, one shopper, or where all is open one address. None: 600; no limit where all is open."""
    token_ttl_s: Annotated[float, Meta(gt=0, le=86_400)] = 1800
    """Life of a shopper's token that does not say itself; a day at most."""
    token_quota: Count = 50
    """Try-ons and photos of a shopper's token that does not say itself."""
    fetch_hosts: str = ""
    """Hosts whose pictures may be given by address, and that may be told by webhook: cdn.example.com,*.shop.example; none by default."""
    cors_origins: str = ""
    """Where browsers may call from: https://shop.example,https://www.shop.example"""

    # the engine
    device: Annotated[str, Meta(pattern=r"^(cpu|cuda(:\d+)?)$")] = "cpu"
    threads: Count = 1
    """That draw one picture side by side. More than one pays only on a machine that is otherwise idle: see `models.engine.Engine`."""
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
    queue_limit: Count = 64
    """Try-ons accepted and not yet answered; the next one is told to come back later. So is, below it, whoever would wait for longer
    than they are ready to."""
    batch_size: Count | None = None
    """Try-ons drawn together at most; None: 1 on a CPU, where batches bring nothing, else 16."""
    batch_wait_ms: Annotated[float, Meta(ge=0, le=1000)] = 0
    """So long a batch waits for company once the device is free."""
    reader_threads: Count = 2
    """Threads that read photos and garments, beside the one that draws."""
    upload_memory_mb: Positive = 512
    """Uploads held in memory at the same time, of all requests together."""
    codec_threads: Count = 2
    upload_timeout_s: Positive = 60
    """All of a request's body must have come."""
    upload_idle_timeout_s: Positive = 10
    """So long nothing may come: neither the first line of a request nor a piece of its body."""
    request_timeout_s: Positive = 30
    """From the end of the upload to the answer, for a request that does not say itself (header Request-Timeout, in seconds)."""
    job_limit: Count = 256
    """Jobs (try-ons that are answered later) of this process that wait or are worked at."""
    job_timeout_s: Positive = 300
    drain_s: Annotated[float, Meta(ge=0, le=300)] = 1
    """Told to stop, the service says for so long that it is not ready, and still takes what comes; then it ends what is under way."""

    # what is remembered
    redis_url: str | None = None
    """redis:// or rediss:// or unix://, also as REDIS_URL; without it all is kept in this process."""
    secret: str | None = None
    """At least 32 random bytes in base64, the same for all replicas: encrypts what is kept and signs receipts. Without it one is
    made and kept in `data_dir`."""
    data_dir: str | None = None
    """Folder of what outlives a restart; None: the user's data folder."""
    database_url: str | None = None
    """sqlite:///path or postgresql://…; None: a SQLite file in `data_dir`."""
    pictures_url: str | None = None
    """Where garments' pictures are: file://path or s3://bucket/prefix (credentials by AWS_… variables); None: a folder in `data_dir`."""
    s3_endpoint: str | None = None
    """Of an S3-compatible store that is not Amazon's."""
    photo_ttl_s: Positive = 3600
    """How long an uploaded photo and what was read of it are kept."""
    consent_version: Annotated[str, Meta(pattern=r"^[\w.-]{1,40}$")] = "2026-11"
    consent_text: Annotated[str, Meta(min_length=1)] = (
        "My photo is used to show me wearing garments of this shop, and for nothing else. It is kept encrypted for an hour at most, "
        "is never used to identify me, and I can have it deleted at any time."
    )
    """What a shopper agrees to; a new text needs a new version."""
    result_ttl_s: Positive = 3600
    result_cache_mb: Positive = 256
    """Of the store in this process; Redis has its own maxmemory."""
    person_ttl_s: Positive = 900
    """How long a read photo stays ready for the next try-on in this process's memory."""
    person_memory_mb: Positive = 1024
    garment_ttl_s: Positive = 86_400
    garment_memory_mb: Positive = 1024

    @property
    def assets_path(self) -> Path | None:
        return Path(self.assets_dir).expanduser() if self.assets_dir else None

    @property
    def data_path(self) -> Path:
        if self.data_dir:
            return Path(self.data_dir).expanduser()
        return Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share").expanduser() / "muslin"


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """From the process environment, or from `environment`.

    Raises SettingsError for a variable that starts with MUSLIN_ and is no setting, and for a value that does not fit.
    """
    environment = os.environ if environment is None else environment
    given = {name.removeprefix(PREFIX).lower(): value for name, value in environment.items() if name.startswith(PREFIX)}
    if environment.get("REDIS_URL"):
        given.setdefault("redis_url", environment["REDIS_URL"])
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
    settings = msgspec.convert(given, Settings, strict=False)
    _check(settings)
    return settings


def _check(settings: Settings) -> None:
    """What a type cannot say. Raises SettingsError."""
    for name in Settings.__struct_fields__:
        value = getattr(settings, name)
        if isinstance(value, float) and not math.isfinite(value):
            raise SettingsError(f"{PREFIX}{name.upper()}={value}: a number is needed.")
    if settings.redis_url is not None and not settings.redis_url.startswith(REDIS_SCHEMES):
        raise SettingsError(f"{PREFIX}REDIS_URL (or REDIS_URL) must begin with one of {', '.join(REDIS_SCHEMES)}.")
    if settings.photo_ttl_s > PROMISED_S and settings.consent_text == Settings().consent_text:
        raise SettingsError(f"{PREFIX}PHOTO_TTL_S is longer than the hour that the consent text promises: write another.")
    if settings.otlp_endpoint is not None and not settings.otlp_endpoint.startswith(("http://", "https://")):
        raise SettingsError(f"{PREFIX}OTLP_ENDPOINT must begin with http:// or https://.")
    for origin in filter(None, (part.strip() for part in settings.cors_origins.split(","))):
        if not ORIGIN.fullmatch(origin):
            raise SettingsError(f"{PREFIX}CORS_ORIGINS: {origin!r} is no origin such as https://shop.example; name each.")
    for host in filter(None, (part.strip() for part in settings.fetch_hosts.split(","))):
        if not HOST.fullmatch(host):
            raise SettingsError(f"{PREFIX}FETCH_HOSTS: {host!r} is no host such as cdn.example.com or *.shop.example.")
