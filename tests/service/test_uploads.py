"""Uploads stay in memory: the service answers large ones although it may not write a single byte to any file."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from models.images import encode
from service.secrets import new_secret
from tests.service.servers import free_port
from tests.service.test_try_ons import form, post

SERVE = """
from service.cli import main
from tests.fakes import FakeEngine
main(["serve"], lambda settings: FakeEngine())
"""


@pytest.fixture
def sealed() -> Iterator[httpx.Client]:
    """A service whose largest file may have 0 bytes: writing more kills the process (SIGXFSZ) or fails."""
    port = free_port()
    environment = os.environ | {"MUSLIN_PORT": str(port), "PYTHONDONTWRITEBYTECODE": "1", "MUSLIN_SECRET": new_secret()}
    environment |= {"MUSLIN_DATABASE_URL": "sqlite://", "MUSLIN_PICTURES_URL": "memory://"}
    command = ["bash", "-c", 'ulimit -f 0; exec "$@"', "sealed", sys.executable, "-c", SERVE]
    with (
        subprocess.Popen(command, env=environment, cwd=Path(__file__).parents[2], stderr=subprocess.PIPE) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client,
    ):
        for _ in range(300):
            try:
                if client.get("/health/ready").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.1)
        yield client
        process.terminate()
        process.communicate(timeout=20)


def test_a_photo_of_many_megabytes_never_touches_the_disk(sealed: httpx.Client, garment: bytes) -> None:
    noise = encode(np.random.default_rng(0).integers(0, 256, (2400, 2400, 3), dtype=np.uint8), "png")
    assert len(noise) > 15_000_000
    answer = post(sealed, form(noise, garment, encode(np.full((1500, 1500, 3), 90, np.uint8), "png")))
    assert answer.status_code == 200
    assert sealed.get("/health/live").status_code == 200
