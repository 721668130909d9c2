"""API keys, shoppers' tokens, quotas, rates and CORS, over real servers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from service.access import Access, ApiKeys
from service.callers import Caller
from service.cli import main
from service.database import connect, migrate
from service.errors import CredentialsMissing
from service.memory_store import MemoryStore
from service.secrets import Secrets, new_secret
from service.settings import Settings
from tests.fakes import FakeEngine
from tests.service.servers import free_port, serving
from tests.service.test_garments import add, some
from tests.service.test_photos import by_id, keep
from tests.service.test_processes import running
from tests.service.test_try_ons import form, post

SECRET = new_secret()


@pytest.fixture(params=["memory", "redis"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    url = None if request.param == "memory" else request.getfixturevalue("redis_url")
    return Settings(redis_url=url, secret=SECRET, data_dir=str(tmp_path), access="keys", cors_origins="https://shop.example")


@pytest.fixture
def address(settings: Settings, engine: FakeEngine) -> Iterator[str]:
    with serving(engine, settings) as address:
        yield address


def make_key(settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    monkeypatch.setenv("MUSLIN_DATA_DIR", str(settings.data_path))
    assert main(["keys", "create", *arguments]) == 0
    return capsys.readouterr().out.strip()


@pytest.fixture
def key(settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    return make_key(settings, capsys, monkeypatch, "shop")


def calling(address: str, credentials: str | None) -> httpx.Client:
    headers = {} if credentials is None else {"Authorization": f"Bearer {credentials}"}
    return httpx.Client(base_url=address, headers=headers, timeout=20)


@pytest.mark.parametrize("credentials", [None, "mk_wrong", "mt_wrong", "mt_e30.0", "mt_ä.ä", "x"])
def test_without_good_credentials_nothing_is_done(address: str, engine: FakeEngine, key: str, credentials: str | None) -> None:
    headers: Any = {} if credentials is None else {"Authorization": f"Bearer {credentials}".encode()}
    with httpx.Client(base_url=address, headers=headers) as client:
        for answer in (keep(client, some()), post(client, form(some(), some())), client.get("/v1/garments"), client.delete("/v1/photos/x")):
            assert answer.status_code == 401
            assert answer.json()["type"] == "/problems/credentials-missing"
            assert answer.headers["www-authenticate"].startswith("Bearer")
        for path in ("/health/live", "/v1/consent", "/v1/receipt-key", "/schema/openapi.json", "/metrics"):
            assert client.get(path).status_code == 200
    assert engine.calls == ["warm_up"]


def test_a_key_opens_what_is_its_tenants(
    address: str, settings: Settings, key: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_key(settings, capsys, monkeypatch, "other shop")
    with calling(address, key) as mine, calling(address, other) as theirs:
        photo, garment_id = some(), add(mine, some()).json()["id"]
        photo_id = keep(mine, photo).json()["id"]
        made = post(mine, by_id(photo_id, some(5)))
        assert made.status_code == 200
        result = made.headers["content-location"]
        assert mine.get(result).status_code == 200
        for path in (f"/v1/photos/{photo_id}", f"/v1/garments/{garment_id}", result):
            assert theirs.get(path).status_code == 404
        assert theirs.delete(f"/v1/photos/{photo_id}").status_code == 404
        assert theirs.delete(f"/v1/garments/{garment_id}").status_code == 404
        assert theirs.get("/v1/garments").json()["garments"] == []
        assert post(theirs, form(photo, some(5))).headers["muslin-id"] != made.headers["muslin-id"]


def test_a_revoked_key_ends(
    address: str, settings: Settings, key: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["keys", "list"]) == 0
    listed = capsys.readouterr().out
    assert key not in listed
    key_id = listed.split("\t")[0]
    assert main(["keys", "revoke", key_id]) == 0
    with calling(address, key) as client:
        assert client.get("/v1/garments").status_code == 401
    assert main(["keys", "revoke", key_id]) == 2
    assert "no such key" in capsys.readouterr().err


def test_a_secret_is_made(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "secret"]) == 0
    Secrets(__import__("base64").b64decode(capsys.readouterr().out.strip()))


def test_a_shoppers_token(address: str, key: str) -> None:
    with calling(address, key) as server:
        garment_id = add(server, some()).json()["id"]
        issued = server.post("/v1/tokens", json={"ttl_s": 60, "quota": 3})
        assert issued.status_code == 201
        assert issued.headers["cache-control"] == "no-store"
        token = issued.json()["token"]
        second = server.post("/v1/tokens").json()["token"]
        assert server.post("/v1/tokens", json={"ttl_s": 90_000}).status_code == 400
    with calling(address, token) as shopper, calling(address, second) as stranger, calling(address, key) as server:
        photo_id = keep(shopper, some()).json()["id"]
        made = shopper.post("/v1/try-ons", json={"photo_id": photo_id, "garment_ids": [garment_id]})
        assert made.status_code == 200
        assert stranger.get(f"/v1/photos/{photo_id}").status_code == 404
        assert stranger.get(made.headers["content-location"]).status_code == 404
        assert server.get(f"/v1/photos/{photo_id}").status_code == 200
        assert shopper.get(f"/v1/garments/{garment_id}").status_code == 200
        for refused in (add(shopper, some()), shopper.delete(f"/v1/garments/{garment_id}"), shopper.post("/v1/tokens")):
            assert (refused.status_code, refused.json()["type"]) == (403, "/problems/not-allowed")
        assert post(shopper, by_id(photo_id, some())).status_code == 200
        spent = post(shopper, by_id(photo_id, some()))
        assert (spent.status_code, spent.json()["type"]) == (429, "/problems/quota-spent")
        assert shopper.delete(f"/v1/photos/{photo_id}").status_code == 200


def test_tokens_end_and_are_nobody_elses(tmp_path: Path) -> None:
    now = [1000.0]
    settings = Settings(access="keys", data_dir=str(tmp_path))

    database = connect(settings)
    keys = ApiKeys(database)

    def access(secret: bytes) -> Access:
        return Access(keys, MemoryStore(10_000), Secrets(secret), settings, clock=lambda: now[0])

    async def check() -> None:
        await migrate(database)
        key, _ = await keys.create("x", "shop")
        ours = access(bytes(32))
        issued = ours.issue(Caller("shop", key=key.id), 60, None)
        assert (await ours.identify(f"Bearer {issued.token}")).tenant == "shop"
        for token in (issued.token + "0", issued.token[:-1], issued.token.replace("mt_", "mt_A")):
            with pytest.raises(CredentialsMissing):
                await ours.identify(f"Bearer {token}")
        with pytest.raises(CredentialsMissing):
            await access(bytes(range(32))).identify(f"Bearer {issued.token}")
        now[0] += 61
        with pytest.raises(CredentialsMissing):
            await ours.identify(f"Bearer {issued.token}")
        now[0] -= 61
        await keys.revoke(key.id)
        assert (await ours.identify(f"Bearer {issued.token}")).tenant == "shop", "believed for seconds still"
        with pytest.raises(CredentialsMissing):
            await access(bytes(32)).identify(f"Bearer {issued.token}")
        await database.dispose()

    asyncio.run(check())


def test_rates_are_told_and_kept_by_all_processes(redis_url: str) -> None:
    with running(REDIS_URL=redis_url, RATE_PER_MINUTE="10") as (here, _), running(REDIS_URL=redis_url, RATE_PER_MINUTE="10") as (there, _):
        answers = [httpx.get(f"{(here, there)[k % 2]}/v1/garments") for k in range(14)]
        assert [answer.status_code for answer in answers] == [200] * 10 + [429] * 4
        assert answers[0].headers["ratelimit-policy"] == '"minute";q=10;w=60'
        assert answers[0].headers["ratelimit"].startswith('"minute";r=9;t=')
        assert answers[-1].json()["type"] == "/problems/too-many-requests"
        assert answers[-1].headers["ratelimit"].startswith('"minute";r=0;t=')
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 8


def test_while_redis_is_away_rates_go_on_and_quotas_do_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(
        redis_url=f"redis://127.0.0.1:{free_port()}/0", secret=SECRET, data_dir=str(tmp_path), access="keys", rate_per_minute=6
    )
    key = make_key(settings, capsys, monkeypatch, "shop")
    with serving(FakeEngine(), settings) as address, calling(address, key) as server:
        token = server.post("/v1/tokens").json()["token"]
        with calling(address, token) as shopper:
            closed = post(shopper, form(some(), some()))
            assert (closed.status_code, closed.json()["type"]) == (503, "/problems/store-unavailable")
            assert "retry-after" in closed.headers
        assert post(server, form(some(), some())).status_code == 200
        assert [server.get("/v1/garments").status_code for _ in range(6)] == [200] * 4 + [429] * 2


def test_pages_of_the_shop_may_call_and_others_not(address: str) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    allowed = httpx.options(f"{address}/v1/try-ons", headers={"Origin": "https://shop.example", **asked})
    assert allowed.headers["access-control-allow-origin"] == "https://shop.example"
    assert "authorization" in allowed.headers["access-control-allow-headers"].lower()
    refused = httpx.options(f"{address}/v1/try-ons", headers={"Origin": "https://evil.example", **asked})
    assert "access-control-allow-origin" not in refused.headers
    error = httpx.get(f"{address}/v1/garments", headers={"Origin": "https://shop.example"})
    assert error.status_code == 401
    assert error.headers["access-control-allow-origin"] == "https://shop.example"


@pytest.mark.parametrize(
    "host,access,expected", [("127.0.0.1", "auto", True), ("0.0.0.0", "auto", False), ("::1", "keys", False), ("10.0.0.1", "open", True)]
)
def test_only_loopback_is_open_by_itself(host: str, access: Any, expected: bool, tmp_path: Path) -> None:
    settings = msgspec.structs.replace(Settings(data_dir=str(tmp_path)), host=host, access=access)
    made = Access(ApiKeys(connect(settings)), MemoryStore(10_000), Secrets(bytes(32)), settings, clock=time.time)
    assert made.is_open is expected
