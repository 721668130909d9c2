"""/v1/photos over real servers: consent, try-ons by id, what is left after an erasure (nothing), and Redis coming and going."""

from __future__ import annotations

import asyncio
import base64
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import redis

from models.errors import NoPerson
from models.images import encode
from service.secrets import new_secret, verify
from service.settings import Settings
from tests.fakes import FakeEngine, marked
from tests.service.conftest import drawn
from tests.service.servers import free_port, redis_server, serving
from tests.service.test_try_ons import form, post

SECRET = new_secret()
CONSENT = Settings().consent_version


def keep(client: httpx.Client, photo: bytes, consent: str | None = CONSENT) -> httpx.Response:
    parts: list[Any] = [("photo", ("photo.png", photo))]
    if consent is not None:
        parts.append(("consent", (None, consent)))
    return client.post("/v1/photos", files=parts)


def by_id(photo_id: str, garment: bytes, **fields: str) -> list[Any]:
    parts: list[Any] = [("photo_id", (None, photo_id)), ("garment", ("garment.png", garment))]
    return parts + [(name, (None, text)) for name, text in fields.items()]


@pytest.fixture(params=["memory", "redis"])
def settings(request: pytest.FixtureRequest) -> Settings:
    url = None if request.param == "memory" else request.getfixturevalue("redis_url")
    return Settings(redis_url=url, secret=SECRET)


@pytest.fixture
def service(settings: Settings, engine: FakeEngine) -> Iterator[httpx.Client]:
    with serving(engine, settings) as address, httpx.Client(base_url=address, timeout=20) as client:
        yield client


def unique(seed: int | None = None) -> bytes:
    return encode(drawn(time.perf_counter_ns() % 2**31 if seed is None else seed), "png")


def test_a_photo_is_read_once_for_many_try_ons(service: httpx.Client, engine: FakeEngine, garment: bytes) -> None:
    photo = unique()
    answer = keep(service, photo)
    assert answer.status_code == 201
    record = answer.json()
    assert answer.headers["location"] == f"/v1/photos/{record['id']}"
    assert answer.headers["cache-control"] == "no-store"
    assert (record["width"], record["height"], record["confidence"], record["notices"]) == (64, 96, 0.9, [])
    assert record["consent"].keys() == {"version", "text_sha256", "agreed_at"}
    assert service.get(answer.headers["location"]).json() == record
    kept = post(service, by_id(record["id"], garment), "image/png")
    assert kept.status_code == 200
    post(service, by_id(record["id"], unique(5)))
    assert engine.calls.count("read_person") == 1
    brought = post(service, form(photo, garment), "image/png")
    assert brought.content == kept.content
    assert "; hit" in brought.headers["cache-status"]


def test_another_replica_needs_no_reading(redis_url: str, garment: bytes) -> None:
    settings = Settings(redis_url=redis_url, secret=SECRET)
    one, other = FakeEngine(version="replicas"), FakeEngine(version="replicas")
    with (
        serving(one, settings) as here,
        serving(other, settings) as there,
        httpx.Client(base_url=here) as first,
        httpx.Client(base_url=there) as second,
    ):
        photo_id = keep(first, unique()).json()["id"]
        assert post(second, by_id(photo_id, garment)).status_code == 200
        assert sorted(other.calls) == ["read_garment", "try_on", "unpack_person", "warm_up"]


@pytest.mark.parametrize("consent", [None, "", "2020-01"])
def test_without_consent_nothing_is_read(service: httpx.Client, engine: FakeEngine, consent: str | None) -> None:
    answer = keep(service, unique(), consent)
    assert answer.status_code == 422
    assert answer.json()["type"] == "/problems/consent-missing"
    assert "read_person" not in engine.calls
    text = service.get("/v1/consent").json()
    assert text["version"] == CONSENT
    assert "deleted" in text["text"]


def test_an_unreadable_photo_is_not_kept(service: httpx.Client) -> None:
    answer = keep(service, encode(marked(drawn(3), NoPerson), "png"))
    assert answer.status_code == 422
    assert answer.json()["type"] == "/problems/no-person"
    assert answer.json()["errors"][0]["field"] == "photo"


@pytest.mark.parametrize("photo_id", ["ph_", "x", "ph_aaaaaaaaaaaaaaaaaaaaaaaa000000000000", "ph_" + "ä" * 36, "%00", "a" * 300])
def test_an_id_that_is_none(service: httpx.Client, garment: bytes, photo_id: str) -> None:
    for answer in (
        service.get(f"/v1/photos/{photo_id}"),
        service.delete(f"/v1/photos/{photo_id}"),
        post(service, by_id(photo_id, garment)),
    ):
        assert answer.status_code == 404
        assert answer.json()["type"] == "/problems/photo-not-found"


def test_an_expired_photo_is_gone(settings: Settings, garment: bytes) -> None:
    import msgspec

    with (
        serving(FakeEngine(), msgspec.structs.replace(settings, photo_ttl_s=0.3)) as address,
        httpx.Client(base_url=address) as client,
    ):
        photo_id = keep(client, unique()).json()["id"]
        time.sleep(0.4)
        for answer in (
            client.get(f"/v1/photos/{photo_id}"),
            client.delete(f"/v1/photos/{photo_id}"),
            post(client, by_id(photo_id, garment)),
        ):
            assert answer.status_code == 410
            assert answer.json()["type"] == "/problems/photo-expired"


def test_both_a_photo_and_an_id_are_one_too_many(service: httpx.Client, photo: bytes, garment: bytes) -> None:
    answer = post(service, [*form(photo, garment), ("photo_id", (None, "ph_x"))])
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "photo"


def test_an_erasure_takes_everything_and_proves_it(service: httpx.Client, garment: bytes) -> None:
    photo = unique()
    photo_id = keep(service, photo).json()["id"]
    made = post(service, by_id(photo_id, garment))
    result = made.headers["content-location"]
    assert service.get(result).content == made.content
    answer = service.delete(f"/v1/photos/{photo_id}")
    assert answer.status_code == 200
    signed = answer.json()
    document = base64.b64decode(signed["document"])
    key = service.get("/v1/receipt-key").json()
    assert key["key_id"] == signed["key_id"]
    assert verify(base64.b64decode(key["public_key"]), base64.b64decode(signed["signature"]), document)
    assert json.loads(document) == signed["receipt"]
    assert signed["receipt"]["photo_id"] == photo_id
    assert signed["receipt"]["removed"] == 3  # the record, the reading, the result
    assert service.get(result).status_code == 404
    for again in (service.get(f"/v1/photos/{photo_id}"), service.delete(f"/v1/photos/{photo_id}"), post(service, by_id(photo_id, garment))):
        assert again.status_code == 404
        assert again.json()["type"] == "/problems/photo-not-found"
    assert "; hit" not in post(service, form(photo, garment)).headers["cache-status"]


def test_of_two_who_delete_at_once_one_gets_the_receipt(service: httpx.Client) -> None:
    photo_id = keep(service, unique()).json()["id"]
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: service.delete(f"/v1/photos/{photo_id}").status_code, range(8)))
    assert sorted(statuses) == [200] + [404] * 7


def test_what_is_under_way_when_its_photo_is_erased_is_neither_shown_nor_kept(settings: Settings, garment: bytes) -> None:
    gate = threading.Event()
    with (
        serving(FakeEngine(gate=gate, version="gated"), settings) as address,
        httpx.Client(base_url=address, timeout=20) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        photo = unique()
        photo_id = keep(client, photo).json()["id"]
        drawing = pool.submit(post, client, by_id(photo_id, garment))
        time.sleep(0.3)
        assert client.delete(f"/v1/photos/{photo_id}").status_code == 200
        gate.set()
        answer = drawing.result()
        assert answer.status_code == 404
        assert answer.json()["type"] == "/problems/photo-not-found"
        again = post(client, form(photo, garment))
        assert again.headers["cache-status"] == "muslin; fwd=uri-miss; stored"


def test_other_replicas_forget_too(redis_url: str, garment: bytes) -> None:
    settings = Settings(redis_url=redis_url, secret=SECRET)
    engine = FakeEngine(version="forgetful")
    with (
        serving(FakeEngine(version="forgetful"), settings) as here,
        serving(engine, settings) as there,
        httpx.Client(base_url=here) as first,
        httpx.Client(base_url=there) as second,
    ):
        photo = unique()
        photo_id = keep(first, photo).json()["id"]
        assert post(second, by_id(photo_id, garment)).status_code == 200
        assert first.delete(f"/v1/photos/{photo_id}").status_code == 200
        assert post(second, by_id(photo_id, garment)).status_code == 404

        def read_anew() -> bool:
            assert post(second, form(photo, unique())).status_code == 200
            return "read_person" in engine.calls  # else it was still in the other replica's memory: the news takes its time

        wait_until(read_anew, seconds=5)


def everything_in(url: str) -> bytes:
    with redis.Redis.from_url(url) as server:
        found = []
        for key in server.scan_iter():
            kind = server.type(key)
            value = server.get(key) if kind == b"string" else b" ".join(server.smembers(key))
            found.append(bytes(key) + b"=" + bytes(value or b""))
        return b"\n".join(found)


def test_in_redis_nothing_personal_is_readable_and_after_an_erasure_nothing_is_left(tmp_path: Path, garment: bytes) -> None:
    with (
        redis_server(tmp_path) as (url, _),
        serving(FakeEngine(), Settings(redis_url=url, secret=SECRET)) as address,
        httpx.Client(base_url=address) as client,
    ):
        picture = np.random.default_rng(1).integers(0, 256, (96, 64, 3), dtype=np.uint8)
        photo_id = keep(client, encode(picture, "png")).json()["id"]
        made = post(client, by_id(photo_id, garment))
        kept = everything_in(url)
        assert photo_id.encode() in kept
        for personal in (made.content, picture.tobytes(), CONSENT.encode(), b"image/jpeg"):
            for at in range(0, len(personal) - 8, 1000):
                assert personal[at : at + 16] not in kept
        before = len(kept)
        assert client.delete(f"/v1/photos/{photo_id}").status_code == 200
        left = everything_in(url)
        assert len(left) < 500 < before
        keys = sorted(line.split(b"=")[0].split(b":")[2] for line in left.splitlines())
        assert keys == [b"epoch", b"epoch", b"gone", b"secret"]  # of keyed digests, of the id, and the secret's fingerprint


def wait_until(true: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def test_redis_dies_and_comes_back(tmp_path: Path, garment: bytes) -> None:
    port = free_port()
    with (
        redis_server(tmp_path, port) as (url, process),
        serving(FakeEngine(), Settings(redis_url=url, secret=SECRET)) as address,
        httpx.Client(base_url=address, timeout=20) as client,
    ):

        def health() -> str:
            return str(client.get("/health/ready").json()["status"])

        wait_until(lambda: health() == "ready")
        photo_id = keep(client, unique()).json()["id"]
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert post(client, form(unique(), garment)).status_code == 200
        lost = post(client, by_id(photo_id, garment))
        assert (lost.status_code, lost.json()["type"]) == (410, "/problems/photo-expired")
        for answer in (client.delete(f"/v1/photos/{photo_id}"), keep(client, unique()), client.get(f"/v1/photos/{photo_id}")):
            assert (answer.status_code, answer.json()["type"]) == (503, "/problems/store-unavailable")
            assert int(answer.headers["retry-after"]) >= 1
            assert "signature" not in answer.text
        wait_until(lambda: health() == "degraded")
        assert client.get("/health/ready").status_code == 200
        with redis_server(tmp_path, port):
            wait_until(lambda: health() == "ready")
            assert client.delete(f"/v1/photos/{photo_id}").status_code == 410
            photo = unique()
            photo_id = keep(client, photo).json()["id"]
            assert post(client, by_id(photo_id, garment)).headers["cache-status"].endswith("stored")
            assert client.delete(f"/v1/photos/{photo_id}").status_code == 200


def test_two_hundred_equal_requests_are_one_computation(settings: Settings, garment: bytes) -> None:
    engine, other = FakeEngine(delay_s=0.3, version="once"), FakeEngine(delay_s=0.3, version="once")
    with serving(engine, settings) as here, serving(other, settings) as there:
        photo = unique()
        addresses = [here, there] if settings.redis_url else [here]

        async def ask(client: httpx.AsyncClient, address: str) -> httpx.Response:
            return await client.post(f"{address}/v1/try-ons", files=form(photo, garment))

        async def ask_all() -> list[httpx.Response]:
            async with httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=None)) as client:
                return await asyncio.gather(*(ask(client, addresses[k % len(addresses)]) for k in range(200)))

        answers = asyncio.run(ask_all())
    assert {a.status_code for a in answers} == {200}
    assert len({a.content for a in answers}) == 1
    assert engine.calls.count("try_on") + other.calls.count("try_on") == 1
    assert any("collapsed" in a.headers["cache-status"] for a in answers)


def test_another_process_takes_over_when_the_one_that_computes_dies(redis_url: str, garment: bytes) -> None:
    """Its lease in Redis ends with it."""
    settings = Settings(redis_url=redis_url, secret=SECRET)
    with serving(FakeEngine(version="dead"), settings) as address, httpx.Client(base_url=address, timeout=30) as client:
        photo = unique()
        first = post(client, form(photo, garment))
        with redis.Redis.from_url(redis_url) as server:
            server.delete(f"muslin:2:result:{first.headers['muslin-id']}")
            server.set(f"muslin:2:flight:{first.headers['muslin-id']}", b"somebody", px=700)
        begin = time.monotonic()
        assert post(client, form(photo, garment)).content == first.content
        assert 0.5 < time.monotonic() - begin < 3


def test_a_result_is_kept_no_longer_than_its_photo() -> None:
    """As long as a result is kept its photo can be deleted, and it with the photo."""
    with serving(FakeEngine(), Settings(secret=SECRET, photo_ttl_s=1.5)) as address, httpx.Client(base_url=address, timeout=20) as client:
        photo_id = keep(client, encode(drawn(1), "png")).json()["id"]
        where = post(client, by_id(photo_id, encode(drawn(2), "png"))).headers["content-location"]
        assert client.get(where).status_code == 200
        time.sleep(1.6)
        assert client.get(f"/v1/photos/{photo_id}").status_code == 410
        assert client.get(where).status_code == 404


def test_a_replica_with_another_secret_answers_no_erasure(redis_url: str) -> None:
    """It cannot tell whether the id is genuine: 404 would say that there is nothing to delete."""
    with (
        serving(FakeEngine(), Settings(secret=SECRET, redis_url=redis_url)) as here,
        httpx.Client(base_url=here, timeout=20) as client,
    ):
        photo_id = keep(client, encode(drawn(3), "png")).json()["id"]
        time.sleep(0.2)
        with serving(FakeEngine(), Settings(secret=new_secret(), redis_url=redis_url)) as there:
            for _ in range(100):
                if httpx.get(f"{there}/health/ready").json()["status"] == "degraded":
                    break
                time.sleep(0.05)
            answer = httpx.delete(f"{there}/v1/photos/{photo_id}")
            assert (answer.status_code, answer.json()["type"]) == (503, "/problems/store-unavailable")
        assert client.delete(f"/v1/photos/{photo_id}").status_code == 200
