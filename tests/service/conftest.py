"""Pictures and servers that the tests of the service share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from models.images import encode
from models.types import Picture
from tests.fakes import FakeEngine
from tests.service.servers import redis_server, serving


def drawn(seed: int, height: int = 96, width: int = 64) -> Picture:
    """A smooth coloured picture, another for each seed."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / max(height, width)
    channels = [127 + 100 * np.sin(6 * (x * rng.uniform(-1, 1) + y * rng.uniform(-1, 1)) + rng.uniform(0, 6)) for _ in range(3)]
    return np.stack(channels, -1).astype(np.uint8)


@pytest.fixture
def photo() -> bytes:
    return encode(drawn(1), "png")


@pytest.fixture
def garment() -> bytes:
    return encode(drawn(2), "png")


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def client(engine: FakeEngine) -> Iterator[httpx.Client]:
    """Of a service with default settings around `engine`."""
    with serving(engine) as address, httpx.Client(base_url=address, timeout=20) as client:
        yield client


@pytest.fixture(scope="session")
def shared() -> Iterator[httpx.Client]:
    """Of one service for all tests that leave nothing behind which another could notice."""
    with serving(FakeEngine()) as address, httpx.Client(base_url=address, timeout=20) as client:
        yield client


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Redis server of our own."""
    folder: Path = tmp_path_factory.mktemp("redis")
    with redis_server(folder) as (url, _):
        yield url
