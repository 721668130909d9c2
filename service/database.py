"""The database: SQLite in a file by default, PostgreSQL by its URL. Its tables are brought up to date at start."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from service.settings import Settings, SettingsError
from service.tables import Row

logger = logging.getLogger(__name__)

DRIVERS: Final = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}
BUSY_S: Final = 10
MIGRATION_LOCK: Final = 0x6D75736C696E
"""A number for PostgreSQL's advisory lock: of several replicas that start at once one migrates, the others wait."""


class DatabaseUnavailable(Exception):
    """The database cannot be reached, or refuses."""


def connect(settings: Settings) -> AsyncEngine:
    """Connects to nothing yet. Raises SettingsError for a URL that cannot be used."""
    given = settings.database_url or f"sqlite:///{settings.data_path / 'muslin.db'}"
    try:
        url = make_url(given)
        driver = DRIVERS[url.drivername]
    except (ArgumentError, KeyError, ValueError):
        raise SettingsError("MUSLIN_DATABASE_URL must begin with sqlite:/// or postgresql://.") from None
    url = url.set(drivername=driver)
    if driver.startswith("sqlite"):
        if url.database:
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_async_engine(url, connect_args={"timeout": BUSY_S})
        event.listen(engine.sync_engine, "connect", _tune_sqlite)
        return engine
    return create_async_engine(url, pool_pre_ping=True, pool_size=10, connect_args={"timeout": BUSY_S, "command_timeout": BUSY_S})


def _tune_sqlite(connection: Any, _: object) -> None:
    """Readers do not wait for a writer, nor writers for the disk's every turn."""
    connection.create_function("lower", 1, _lower, deterministic=True)
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _lower(text: str | None) -> str | None:
    """SQLite's own knows ASCII only."""
    return None if text is None else text.lower()


async def fetch(engine: AsyncEngine, query: Any) -> list[Row]:
    """The rows, by column name. Raises DatabaseUnavailable."""
    with _told():
        async with engine.connect() as connection:
            return [{str(name): value for name, value in row.items()} for row in (await connection.execute(query)).mappings()]


async def execute(engine: AsyncEngine, statement: Any) -> int:
    """How many rows it touched. Raises DatabaseUnavailable."""
    with _told():
        async with engine.begin() as connection:
            return int((await connection.execute(statement)).rowcount)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, OSError) as error:
        raise DatabaseUnavailable(f"The database cannot be used: {type(error).__name__}.") from error


async def migrate(engine: AsyncEngine) -> None:
    """Brings the tables up to date. Raises DatabaseUnavailable."""
    with _told():
        async with engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                await connection.exec_driver_sql("BEGIN IMMEDIATE")  # one of several processes at a time
            else:
                await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
            await connection.run_sync(_upgrade)
            await connection.commit()


def _upgrade(connection: Connection) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of Alembic's own configuration reader
        command.upgrade(alembic_config(connection), "head")


def alembic_config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config
