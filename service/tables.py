"""What outlives a restart: garments and API keys. A change here needs a migration (service/migrations)."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import JSON, Boolean, Column, Float, Index, Integer, LargeBinary, MetaData, String, Table

NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
METADATA: Final = MetaData(naming_convention=NAMING)

GARMENTS: Final = Table(
    "garments",
    METADATA,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(40), nullable=False),
    Column("name", String(200), nullable=False),
    Column("category", String(10), nullable=False),
    Column("category_given", Boolean, nullable=False),
    Column("size_chart", JSON, nullable=False),
    Column("picture", String(64), nullable=False),
    Column("media_type", String(20), nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("confidence", Float, nullable=False),
    Column("lint", JSON, nullable=False),
    Column("created", Float, nullable=False),
    Column("updated", Float, nullable=False),
    Index(None, "tenant", "created", "id"),
    Index(None, "picture"),
)
"""`picture`: SHA-256 of the file, its name in the picture store; `created`, `updated`: Unix seconds."""

API_KEYS: Final = Table(
    "api_keys",
    METADATA,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(40), nullable=False),
    Column("name", String(200), nullable=False),
    Column("hash", LargeBinary(32), nullable=False, unique=True),
    Column("created", Float, nullable=False),
    Column("revoked", Float),
)
"""`hash`: SHA-256 of the key, which is 32 random bytes: there is nothing to guess."""

Row = dict[str, Any]
