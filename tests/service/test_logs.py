"""What is logged, and what never is."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.secrets import new_secret
from tests.service.servers import free_port
from tests.service.test_garments import some
from tests.service.test_photos import by_id, keep
from tests.service.test_try_ons import form, post

SERVE = """
import sys
from service.cli import main
from tests.fakes import FakeEngine
sys.exit(main(["serve"], lambda settings: FakeEngine()))
"""


@pytest.mark.parametrize("kind", ["json", "plain"])
def test_a_line_a_request_and_nobody_in_it(kind: str, tmp_path: Path) -> None:
    port = free_port()
    given = {"PORT": str(port), "SECRET": new_secret(), "DATA_DIR": str(tmp_path), "LOG_FORMAT": kind, "LOG_LEVEL": "debug"}
    environment = os.environ | {f"MUSLIN_{name}": value for name, value in given.items()}
    command = [sys.executable, "-c", SERVE]
    with subprocess.Popen(command, env=environment, cwd=Path(__file__).parents[2], stderr=subprocess.PIPE, text=True) as process:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            for _ in range(300):
                with contextlib.suppress(httpx.TransportError):
                    if client.get("/health/ready").status_code == 200:
                        break
                time.sleep(0.1)
            photo_id = keep(client, some()).json()["id"]
            made = post(client, by_id(photo_id, some()))
            given_id = client.get("/v1/garments", headers={"X-Request-Id": "shop-7"})
            assert given_id.headers["x-request-id"] == "shop-7"
            bad: Any
            for bad in ("a b", "x" * 65, "é".encode()):
                assert client.get("/v1/garments", headers={"X-Request-Id": bad}).headers["x-request-id"] not in (bad, "")
            client.delete(f"/v1/photos/{photo_id}")
            post(client, form(b"no picture", some()))
        process.send_signal(signal.SIGINT)
        _, log = process.communicate(timeout=30)
    for personal in (photo_id, made.headers["muslin-id"], "127.0.0.1:", given["SECRET"]):
        lines = [line for line in log.splitlines() if "Muslin loads" not in line]
        assert personal not in "\n".join(lines), personal
    if kind == "json":
        records = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
        answered = [record for record in records if record["message"] == "answered" and record["route"].startswith("/v1/photos/{")]
        assert [(record["method"], record["status"]) for record in answered] == [("DELETE", 200)]
        assert answered[0].keys() >= {"time", "level", "logger", "ms", "request_id"}
        assert any(record.get("request_id") == "shop-7" for record in records)
    else:
        assert "route=/v1/photos status=201" in log
