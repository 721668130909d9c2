"""Alive at once, ready after warming up, and honest when that failed."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path

import httpx
import pytest

from models.errors import AssetError
from models.interface import EngineProtocol
from tests.fakes import FakeEngine, FakeGarment, FakePerson
from tests.service.servers import serving
from tests.service.test_try_ons import form, post


class SlowStart(FakeEngine):
    def __init__(self) -> None:
        super().__init__()
        self.may_warm_up = threading.Event()

    def warm_up(self) -> None:
        self.may_warm_up.wait(10)
        super().warm_up()


def until_ready(client: httpx.Client) -> httpx.Response:
    deadline = time.monotonic() + 10
    while (answer := client.get("/health/ready")).status_code != 200 and time.monotonic() < deadline:
        time.sleep(0.02)
    return answer


def test_ready_after_warming_up(photo: bytes, garment: bytes) -> None:
    engine = SlowStart()
    contract: EngineProtocol[FakePerson, FakeGarment] = engine
    with serving(contract) as address, httpx.Client(base_url=address, timeout=20) as client:
        assert client.get("/health/live").json() == {"status": "alive"}
        waiting = client.get("/health/ready")
        assert (waiting.status_code, waiting.json()) == (503, {"status": "warming-up"})
        assert waiting.headers["retry-after"] == "1"
        engine.may_warm_up.set()
        assert until_ready(client).json() == {"status": "ready", "engine": "fake-1", "device": "cpu"}
        assert post(client, form(photo, garment)).status_code == 200


def test_a_failed_warm_up_is_told() -> None:
    with serving(FakeEngine(warm_up_error=AssetError("A model file is missing."))) as address, httpx.Client(base_url=address) as client:
        time.sleep(0.2)
        answer = client.get("/health/ready")
        assert (answer.status_code, answer.json()) == (503, {"status": "failed", "detail": "A model file is missing."})
        assert client.get("/health/live").status_code == 200


def test_the_engine_is_closed_at_the_end(engine: FakeEngine) -> None:
    with serving(engine) as address:
        httpx.get(f"{address}/health/live")
    assert engine.calls[-1] == "close"


def test_every_answer_is_hardened(shared: httpx.Client) -> None:
    for path in ("/", "/schema", "/health/live", "/static/app.js", "/nothing", "/metrics"):
        headers = shared.get(path).headers
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["referrer-policy"] == "no-referrer", path
    for path in ("/", "/schema"):
        policy = shared.get(path).headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self';")


def test_static_files_stay_in_their_folder(shared: httpx.Client) -> None:
    for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static//etc/passwd"):
        assert shared.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/", "/health/live", "/health/ready", "/metrics", "/schema", "/schema/openapi.json", "/static/app.js"])
def test_head_is_answered_like_get(shared: httpx.Client, path: str) -> None:
    got, head = shared.get(path), shared.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert len(got.content) > 0
    assert head.headers["content-type"] == got.headers["content-type"]
    if path != "/metrics":  # it grows
        assert head.headers["content-length"] == str(len(got.content))


def test_where_head_is_possible_allow_says_so(shared: httpx.Client) -> None:
    assert {"GET", "HEAD"} <= set(shared.delete("/health/live").headers["allow"].split(", "))
    refused = shared.head("/v1/try-ons")
    assert (refused.status_code, refused.content) == (405, b"")
    assert "HEAD" not in refused.headers["allow"]


def test_the_dashboard_asks_for_what_there_is(client: httpx.Client, photo: bytes, garment: bytes) -> None:
    post(client, form(photo, garment))
    exposed = set(re.findall(r"^(muslin_\w+?)(?:_created)?(?:\{| )", client.get("/metrics").text, re.MULTILINE))
    dashboard = (Path(__file__).parents[2] / "deploy/grafana/muslin.json").read_text()
    asked = set(re.findall(r"muslin_[a-z_]+", dashboard)) - {"muslin_"}
    assert asked <= exposed
    assert len(asked) >= 8


def test_an_upgrade_is_not_offered_whatever_is_installed(shared: httpx.Client) -> None:
    """RFC 9110, 7.8: then it is ignored, and the request answered as any other."""
    asked = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
    }
    assert shared.get("/health/live", headers=asked).status_code == 200
