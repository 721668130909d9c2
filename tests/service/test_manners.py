"""What HTTP has words for: validators, deadlines, repetitions; and that a picture does not depend on its company."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from service.settings import Settings
from tests.fakes import FakeEngine
from tests.service.servers import serving
from tests.service.test_garments import add, some
from tests.service.test_photos import CONSENT, SECRET, keep
from tests.service.test_try_ons import form, post


def test_a_result_is_found_again_with_its_validator(client: httpx.Client, photo: bytes, garment: bytes) -> None:
    made = post(client, form(photo, garment, format="png"))
    place, etag = made.headers["content-location"], made.headers["etag"]
    again = client.get(place)
    assert (again.status_code, again.content, again.headers["etag"]) == (200, made.content, etag)
    assert again.headers["cache-control"] == "private"
    for tag in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        known = client.get(place, headers={"If-None-Match": tag})
        assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", etag)
    assert client.get(place, headers={"If-None-Match": '"other"'}).status_code == 200
    head = client.head(place)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(made.content)))
    record = client.get(place, headers={"Accept": "application/json"}).json()
    assert record["id"] == made.headers["muslin-id"]
    assert client.get(place, headers={"Accept": "image/gif"}).status_code == 406
    missing = client.get(place[:-1] + ("0" if place[-1] != "0" else "1"))
    assert (missing.status_code, missing.json()["type"]) == (404, "/problems/result-not-found")
    assert post(client, form(photo, garment, format="webp")).headers["etag"] != etag


@pytest.mark.parametrize("text", ["0", "-1", "x", "301", "1e3", ""])
def test_a_timeout_that_is_none(shared: httpx.Client, photo: bytes, garment: bytes, text: str) -> None:
    answer = shared.post("/v1/try-ons", files=form(photo, garment), headers={"Request-Timeout": text})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "Request-Timeout")


def test_whoever_cannot_be_answered_in_time_is_told_at_once(garment: bytes) -> None:
    engine = FakeEngine(delay_s=0.4)
    with serving(engine, Settings(reader_threads=1)) as address, httpx.Client(base_url=address, timeout=30) as client:
        for k in range(4):
            assert post(client, form(some(k), garment)).status_code == 200
        with ThreadPoolExecutor(8) as pool:
            patient = [pool.submit(post, client, form(some(100 + k), garment)) for k in range(6)]
            time.sleep(0.2)
            begin = time.monotonic()
            refused = client.post("/v1/try-ons", files=form(some(200), garment), headers={"Request-Timeout": "1"})
            assert time.monotonic() - begin < 0.5
            assert (refused.status_code, refused.json()["type"]) == (503, "/problems/overloaded")
            assert 1 <= int(refused.headers["retry-after"]) <= 5
            assert {answer.result().status_code for answer in patient} == {200}
        late = client.post("/v1/try-ons", files=form(some(201), garment), headers={"Request-Timeout": "0.2"})
        assert (late.status_code, late.json()["type"]) == (504, "/problems/deadline-exceeded")


def test_overload_is_answered_quickly_and_everyone_else_rightly(garment: bytes) -> None:
    """Three times what it can do: a picture or a fast 503, and nobody hangs."""
    engine = FakeEngine(delay_s=0.1)
    settings = Settings(request_timeout_s=2, reader_threads=1)
    with serving(engine, settings) as address:
        answers: list[tuple[int, float, bool]] = []

        def load(seed: int) -> None:
            with httpx.Client(base_url=address, timeout=30) as client:
                for k in range(6):
                    begin = time.monotonic()
                    answer = post(client, form(some(1000 * seed + k), garment))
                    answers.append((answer.status_code, time.monotonic() - begin, "retry-after" in answer.headers))

        with ThreadPoolExecutor(40) as pool:
            list(pool.map(load, range(40)))
    assert len(answers) == 240
    assert {status for status, _, _ in answers} <= {200, 503}
    assert sum(status == 200 for status, _, _ in answers) >= 20
    assert all(told for status, _, told in answers if status == 503)
    assert max(seconds for _, seconds, _ in answers) < 8


def test_a_repeated_upload_is_one_photo(garment: bytes) -> None:
    engine = FakeEngine()
    with serving(engine, Settings(secret=SECRET)) as address, httpx.Client(base_url=address, timeout=30) as client:
        photo = some()

        def again(content: bytes, key: str = "a-1") -> httpx.Response:
            parts: list[Any] = [("photo", ("p.png", content)), ("consent", (None, CONSENT))]
            return client.post("/v1/photos", files=parts, headers={"Idempotency-Key": key})

        first = again(photo)
        assert first.status_code == 201
        assert again(photo).json() == first.json()
        assert again(photo, "a-2").json()["id"] != first.json()["id"]
        other = again(some())
        assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-mismatch")
        assert client.delete(first.headers["location"]).status_code == 200
        assert again(photo).status_code == 404
        assert again(photo, "").status_code == 400
        assert again(b"no picture", "a-3").status_code == 415
        assert again(photo, "a-3").status_code == 201, "what failed may be tried again with its key"
        parts: list[Any] = [("picture", ("g", garment)), ("name", (None, "Tee"))]
        made = [client.post("/v1/garments", files=parts, headers={"Idempotency-Key": "g"}).json()["id"] for _ in range(2)]
        assert made[0] == made[1]
        assert add(client, garment).json()["id"] != made[0]


def test_a_repetition_while_the_first_is_under_way(photo: bytes, garment: bytes) -> None:
    gate = threading.Event()
    with serving(FakeEngine(gate=gate)) as address, httpx.Client(base_url=address, timeout=30) as client, ThreadPoolExecutor(1) as pool:
        headers = {"Idempotency-Key": "one"}
        first = pool.submit(client.post, "/v1/try-ons", files=form(photo, garment), headers=headers)
        time.sleep(0.3)
        second = client.post("/v1/try-ons", files=form(photo, garment), headers=headers)
        assert (second.status_code, second.json()["type"]) == (409, "/problems/still-under-way")
        gate.set()
        assert first.result().status_code == 200
        third = client.post("/v1/try-ons", files=form(photo, garment), headers=headers)
        assert (third.status_code, third.content) == (200, first.result().content)


def test_a_photo_kept_without_consent_text_never_answers_the_photo(client: httpx.Client) -> None:
    photo = some()
    kept = keep(client, photo)
    assert len(kept.content) < 1000
    assert len(client.get(kept.headers["location"]).content) < 1000
