"""Every way to fail: a typed RFC 9457 problem, documented, with a page of its own."""

from __future__ import annotations

import contextlib
import io
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import httpx
import pytest
from PIL import Image

import models.errors
import service.errors
from models.errors import MuslinError
from models.images import encode
from service.errors import ServiceError
from service.problems import PROBLEM_TYPES
from service.settings import Settings
from tests.fakes import FakeEngine, marked
from tests.service.conftest import drawn
from tests.service.servers import serving
from tests.service.test_photos import wait_until
from tests.service.test_try_ons import form, post


def leaves(root: type[Any]) -> set[type[Any]]:
    return {root} if not root.__subclasses__() else set().union(*map(leaves, root.__subclasses__()))


def assert_problem(answer: httpx.Response, slug: str, field: str | None = None) -> dict[str, Any]:
    kind = PROBLEM_TYPES[slug]
    problem: dict[str, Any] = answer.json()
    assert (answer.status_code, problem.get("type")) == (kind.status, f"/problems/{slug}"), problem
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert problem["status"] == kind.status
    assert problem["title"] == kind.title
    assert len(problem["detail"]) > 10
    assert [error["field"] for error in problem.get("errors", [])] == ([] if field is None else [field])
    return problem


LEAVES: list[type[Any]] = [*leaves(MuslinError), *leaves(ServiceError)]
LEAVES.sort(key=lambda error: str(error.slug))


@pytest.mark.parametrize("error", LEAVES)
def test_every_error_has_a_type_and_stands_in_the_document(shared: httpx.Client, error: type[Any]) -> None:
    assert error.slug in PROBLEM_TYPES
    paths = shared.get("/schema/openapi.json").json()["paths"]
    status = str(PROBLEM_TYPES[error.slug].status)
    contents = [operation["responses"].get(status, {}).get("content", {}) for path in paths.values() for operation in path.values()]
    examples = [content["application/problem+json"]["examples"] for content in contents if "application/problem+json" in content]
    told = [found[error.slug]["value"]["type"] for found in examples if error.slug in found]
    assert told
    assert set(told) == {f"/problems/{error.slug}"}


def test_the_trees_in_the_docstrings_are_complete() -> None:
    trees: list[tuple[ModuleType, type[Any]]] = [(models.errors, MuslinError), (service.errors, ServiceError)]
    for module, root in trees:
        for leaf in leaves(root):
            assert leaf.slug in (module.__doc__ or "")


@pytest.mark.parametrize("slug", PROBLEM_TYPES)
def test_every_type_has_a_page(shared: httpx.Client, slug: str) -> None:
    page = shared.get(f"/problems/{slug}", headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert PROBLEM_TYPES[slug].title in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert shared.get(f"/problems/{slug}", headers={"Accept": "application/json"}).json()["status"] == PROBLEM_TYPES[slug].status


def test_an_unknown_type_has_none(shared: httpx.Client) -> None:
    assert_problem(shared.get("/problems/nothing"), "not-found")


@pytest.mark.parametrize("name", ["NoPerson", "SeveralPeople", "BodyNotVisible", "PhotoTooSmall"])
def test_errors_about_the_photo(shared: httpx.Client, garment: bytes, name: str) -> None:
    error = getattr(models.errors, name)
    assert_problem(post(shared, form(encode(marked(drawn(1), error), "png"), garment)), error.slug, "photo")


@pytest.mark.parametrize("name", ["GarmentNotIsolated", "GarmentNotReadable", "CategoryNotSupported"])
def test_errors_about_a_garment_name_it(shared: httpx.Client, photo: bytes, garment: bytes, name: str) -> None:
    error = getattr(models.errors, name)
    bad = encode(marked(drawn(1), error), "png")
    assert_problem(post(shared, form(photo, bad)), error.slug, "garment")
    assert_problem(post(shared, form(photo, garment, bad)), error.slug, "garment[1]")


def test_garments_that_cannot_be_worn_together(shared: httpx.Client, photo: bytes) -> None:
    garments = [encode(drawn(seed), "png") for seed in range(3)]
    problem = assert_problem(post(shared, form(photo, *garments, category=["lower", "upper", "lower"])), "outfit-not-wearable", "garment")
    assert problem["detail"].endswith("What came, inner to outer, is lower, upper and lower.")


def test_a_missing_model_file(shared: httpx.Client, garment: bytes) -> None:
    assert_problem(post(shared, form(encode(marked(drawn(1), models.errors.AssetError), "png"), garment)), "asset-unavailable", "photo")


def test_a_bug_is_a_500_that_tells_nothing(client: httpx.Client, garment: bytes, caplog: pytest.LogCaptureFixture) -> None:
    problem = assert_problem(post(client, form(encode(marked(drawn(1), RuntimeError), "png"), garment)), "internal-error")
    assert "RuntimeError" not in json.dumps(problem)
    assert any(record.exc_info and record.exc_info[0] is RuntimeError for record in caplog.records)


def gif_of_60000_squared() -> bytes:
    return b"GIF89a\x60\xea\x60\xea" + bytes(50)


@pytest.mark.parametrize(
    "data,slug",
    [
        (b"", "broken-image"),
        (b"hello", "unsupported-image"),
        (encode(drawn(1), "png")[:-200], "broken-image"),
        (gif_of_60000_squared(), "image-too-large"),
        (encode(drawn(1)[:20, :20], "png"), "image-too-small"),
    ],
)
def test_pictures_that_cannot_be_used(shared: httpx.Client, photo: bytes, garment: bytes, data: bytes, slug: str) -> None:
    assert_problem(post(shared, form(data, garment)), slug, "photo")
    assert_problem(post(shared, form(photo, data)), slug, "garment")


def test_a_picture_over_the_byte_limit_is_refused_while_it_arrives(photo: bytes, garment: bytes) -> None:
    with serving(FakeEngine(), Settings(max_image_mb=0.5)) as address, httpx.Client(base_url=address) as client:
        assert_problem(post(client, form(bytes(600_000), garment)), "image-too-large")


@pytest.mark.parametrize(
    "parts,field",
    [
        ([("garment", ("g.png", b"x"))], "photo"),
        ([("photo", ("p.png", b"x"))], "garment"),
        ([("photo", ("p.png", b"x")), ("photo", ("p.png", b"y")), ("garment", ("g.png", b"x"))], "photo"),
        ([("photo", ("p.png", b"x")), *[("garment", ("g.png", b"x"))] * 5], "garment"),
        ([("photo", ("p.png", b"x")), ("garment", ("g.png", b"x")), ("category", (None, "hat"))], "category"),
        ([("photo", ("p.png", b"x")), ("garment", ("g.png", b"x")), ("category", (None, "upper,lower"))], "category"),
        ([("photo", ("p.png", b"x")), ("garment", ("g.png", b"x")), ("tuck", (None, "maybe"))], "tuck"),
        ([("photo", ("p.png", b"x")), ("garment", ("g.png", b"x")), ("tuck", (None, "in")), ("tuck", (None, "out"))], "tuck"),
        ([("photo", ("p.png", b"x")), ("garment", ("g.png", b"x")), ("format", (None, "bmp"))], "format"),
        ([("photo", ("p.png", b"x")), ("garment", ("g.png", b"x")), ("categories", (None, "upper"))], "categories"),
        ([("photo", ("p.png", b"x")), ("garment", ("g.png", b"x")), ("tuck", (None, b"\xff\xfe"))], "tuck"),
        ([("photo", ("p.png", b"x")), ("garment", ("g.png", b"x")), ("tuck", (None, "i" * 2000))], "tuck"),
    ],
)
def test_a_form_that_makes_no_sense_names_the_field(shared: httpx.Client, parts: list[Any], field: str) -> None:
    assert_problem(post(shared, parts), "invalid-request", field)


@pytest.mark.parametrize(
    "content_type,body",
    [
        ("multipart/form-data; boundary=x", b""),
        ("multipart/form-data; boundary=x", b"no boundary in here"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="photo"\r\n\r\ncut off'),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\nnameless\r\n--x--\r\n"),
        ("multipart/form-data; boundary=x", b"--x\r\n" + b"A: b\r\n" * 500 + b"\r\n\r\n--x--\r\n"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="tuck"\r\n\r\nin\r\n' * 50 + b"--x--\r\n"),
    ],
)
def test_a_malformed_body(shared: httpx.Client, content_type: str, body: bytes) -> None:
    answer = shared.post("/v1/try-ons", content=body, headers={"Content-Type": content_type})
    assert answer.status_code == 400
    assert answer.json()["type"] == "/problems/invalid-request"


@pytest.mark.parametrize("content_type", ["multipart/form-data", "application/x-www-form-urlencoded", "text/plain"])
def test_another_media_type(shared: httpx.Client, content_type: str) -> None:
    assert_problem(shared.post("/v1/try-ons", content=b"{}", headers={"Content-Type": content_type}), "unsupported-media-type")


def test_an_answer_that_nobody_accepts_is_refused_before_the_upload(shared: httpx.Client, photo: bytes, garment: bytes) -> None:
    assert_problem(post(shared, form(photo, garment), "text/html"), "not-acceptable")
    assert_problem(post(shared, form(photo, garment), "image/*;q=0, application/json;q=0"), "not-acceptable")


def test_unknown_addresses_and_methods(shared: httpx.Client) -> None:
    assert_problem(shared.get("/v1/nothing"), "not-found")
    for path in (
        "/static/a%00b",
        f"/static/{'a' * 400}",
        "/static/app.js/x",
        "/static/",
        "/schema/nope",
        "/schema/nope.json",
        "/schema/a/b",
    ):
        assert_problem(shared.get(path), "not-found")
    wrong = shared.get("/v1/try-ons")
    assert_problem(wrong, "method-not-allowed")
    assert "POST" in wrong.headers["allow"]


def chunks(total: int) -> Iterator[bytes]:
    yield b'--x\r\nContent-Disposition: form-data; name="photo"; filename="p"\r\n\r\n'
    for _ in range(total // 65_536):
        yield bytes(65_536)


@pytest.mark.parametrize("declared", [True, False], ids=["content-length", "chunked"])
def test_a_body_over_the_limit(declared: bool) -> None:
    with serving(FakeEngine(), Settings(max_request_mb=1)) as address, httpx.Client(base_url=address, timeout=20) as client:
        body: Any = b"".join(chunks(8_000_000)) if declared else chunks(8_000_000)
        answer = client.post("/v1/try-ons", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"})
        assert_problem(answer, "request-too-large")


def test_uploads_of_all_together_are_bounded(photo: bytes, garment: bytes) -> None:
    with serving(FakeEngine(), Settings(upload_memory_mb=1)) as address, httpx.Client(base_url=address, timeout=20) as client:
        answer = post(client, form(bytes(1_500_000), garment))
        assert_problem(answer, "overloaded")
        assert answer.headers["retry-after"] == "2"
        assert post(client, form(photo, garment)).status_code == 200  # all given back


@pytest.mark.parametrize(
    "settings,words", [(Settings(upload_timeout_s=0.2), "within 0.2 seconds"), (Settings(upload_idle_timeout_s=0.2), "for 0.2 seconds")]
)
def test_an_upload_that_does_not_end(settings: Settings, words: str) -> None:
    def slow() -> Iterator[bytes]:
        yield b"--x\r\n"
        time.sleep(0.6)
        yield b"--x--"

    with serving(FakeEngine(), settings) as address, httpx.Client(base_url=address) as client:
        answer = client.post("/v1/try-ons", content=slow(), headers={"Content-Type": "multipart/form-data; boundary=x"})
        assert words in assert_problem(answer, "upload-timeout")["detail"]
        assert answer.headers["connection"] == "close"


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"POST /v1/try-ons HTTP/1.1\r\nHost: x\r\n",
        b"GET /health/live HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n",
        b"POST /v1/try-ons HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nContent-Type: text/plain\r\n\r\n",
    ],
    ids=["nothing", "half a head", "body of a GET", "body that is refused at once"],
)
def test_no_connection_is_held_open_by_dripping(sent: bytes) -> None:
    with serving(FakeEngine(), Settings(upload_timeout_s=0.5, upload_idle_timeout_s=0.5)) as address:
        host, port = address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), 0.1) as connection:
            connection.sendall(sent)
            begin = time.monotonic()
            while time.monotonic() - begin < 5:
                try:
                    if sent:
                        connection.sendall(b"x")
                    if not connection.recv(10_000):
                        break
                except TimeoutError:
                    continue
                except OSError:
                    break
            assert time.monotonic() - begin < 3


def test_one_more_than_the_queue_holds_is_told_to_come_back(garment: bytes) -> None:
    engine = FakeEngine(gate=threading.Event())
    assert engine.gate is not None
    with (
        serving(engine, Settings(queue_limit=3)) as address,
        httpx.Client(base_url=address, timeout=20) as client,
        ThreadPoolExecutor(8) as pool,
    ):
        waiting = [pool.submit(post, client, form(encode(drawn(seed), "png"), garment)) for seed in range(3)]
        while "muslin_in_flight 3.0" not in client.get("/metrics").text:
            time.sleep(0.02)
        begin = time.monotonic()
        refused = post(client, form(encode(drawn(9), "png"), garment))
        assert time.monotonic() - begin < 1
        engine.gate.set()
        assert_problem(refused, "overloaded")
        assert int(refused.headers["retry-after"]) >= 1
        assert [answer.result().status_code for answer in waiting] == [200, 200, 200]
        assert post(client, form(encode(drawn(9), "png"), garment)).status_code == 200


def test_a_finished_result_is_served_even_when_overloaded(photo: bytes, garment: bytes) -> None:
    engine = FakeEngine()
    with (
        serving(engine, Settings(queue_limit=1)) as address,
        httpx.Client(base_url=address, timeout=20) as client,
        ThreadPoolExecutor(2) as pool,
    ):
        assert post(client, form(photo, garment)).status_code == 200
        engine.gate = threading.Event()
        busy = pool.submit(post, client, form(encode(drawn(5), "png"), garment))
        while "muslin_in_flight 1.0" not in client.get("/metrics").text:
            time.sleep(0.02)
        assert post(client, form(photo, garment)).headers["cache-status"].startswith("muslin; hit")
        engine.gate.set()
        assert busy.result().status_code == 200


@pytest.mark.parametrize(
    "request_,status,slug",
    [
        (b"POST /v1/try-ons HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n", 400, "invalid-request"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", 400, "invalid-request"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n", 400, "invalid-request"),
        (b"NONSENSE / HTTP/1.1\r\n\r\n", 400, "invalid-request"),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431, "headers-too-large"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: bcdefghij\r\n" * 7000 + b"\r\n", 431, "headers-too-large"),
    ],
)
def test_what_is_no_http_gets_a_problem_too(shared: httpx.Client, request_: bytes, status: int, slug: str) -> None:
    with socket.create_connection((shared.base_url.host, shared.base_url.port or 0), 5) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(request_)
        said = b""
        with contextlib.suppress(ConnectionError):
            while piece := connection.recv(65_536):
                said += piece
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"application/problem+json" in head
    assert json.loads(body)["type"] == f"/problems/{slug}"


def test_a_deadline_that_passes_takes_waiting_work_along(garment: bytes) -> None:
    engine = FakeEngine(gate=threading.Event())
    assert engine.gate is not None
    settings = Settings(request_timeout_s=0.4)
    with serving(engine, settings) as address, httpx.Client(base_url=address, timeout=20) as client, ThreadPoolExecutor(8) as pool:
        engine.gate.set()
        for seed in range(10, 13):  # it learns that they are quick, and lets four in at once
            assert post(client, form(encode(drawn(seed), "png"), garment)).status_code == 200
        engine.gate.clear()
        engine.calls.clear()
        alone = pool.submit(post, client, form(encode(drawn(0), "png"), garment))
        wait_until(lambda: "try_on" in engine.calls)
        crowded = [pool.submit(post, client, form(encode(drawn(seed), "png"), garment)) for seed in range(1, 4)]
        assert_problem(alone.result(), "deadline-exceeded")  # nobody was before it: it takes too long by itself
        for answer in crowded:
            assert_problem(answer.result(), "overloaded")
        engine.gate.set()
        time.sleep(0.3)
        assert engine.calls.count("try_on") == 1  # the one that ran; the other three never began
        assert post(client, form(encode(drawn(9), "png"), garment)).status_code == 200


def test_work_of_a_client_that_has_gone_is_not_done(garment: bytes) -> None:
    engine = FakeEngine(gate=threading.Event())
    assert engine.gate is not None
    with serving(engine) as address, httpx.Client(base_url=address, timeout=20) as client, ThreadPoolExecutor(4) as pool:
        stays = pool.submit(post, client, form(encode(drawn(1), "png"), garment))
        while "try_on" not in engine.calls:
            time.sleep(0.01)

        def leave(seed: int) -> None:
            with httpx.Client(base_url=address) as hasty, pytest.raises(httpx.ReadTimeout):
                post(hasty, form(encode(drawn(seed), "png"), garment), timeout=0.4)

        list(pool.map(leave, (5, 6)))
        while "muslin_in_flight 1.0" not in client.get("/metrics").text:
            time.sleep(0.02)
        before = engine.calls.count("read_person")
        engine.gate.set()
        assert stays.result().status_code == 200
        assert post(client, form(encode(drawn(9), "png"), garment)).status_code == 200
        assert engine.calls.count("try_on") == 2  # those of the two who stayed
        assert engine.calls.count("read_person") == before + 1
        assert 'muslin_requests_total{outcome="client-gone",route="/v1/try-ons"} 2.0' in client.get("/metrics").text


def test_problems_are_counted_by_type(client: httpx.Client, photo: bytes, garment: bytes) -> None:
    post(client, form(photo, b"hello"))
    post(client, form(photo, garment))
    text = client.get("/metrics").text
    assert 'muslin_requests_total{outcome="unsupported-image",route="/v1/try-ons"} 1.0' in text
    assert 'muslin_requests_total{outcome="ok",route="/v1/try-ons"} 1.0' in text
    assert 'muslin_stage_seconds_count{stage="try_on"} 1.0' in text


def test_gifs_from_anywhere_are_never_a_500(shared: httpx.Client, garment: bytes) -> None:
    buffer = io.BytesIO()
    Image.fromarray(drawn(1)).save(buffer, "GIF")
    data = buffer.getvalue()
    for cut in range(0, len(data), len(data) // 25):
        assert post(shared, form(data[:cut] + b"\x00" * 20, garment)).status_code in (200, 413, 415, 422)
