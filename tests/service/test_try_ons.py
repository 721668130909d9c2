"""POST /v1/try-ons over a real server: answers, negotiation, what is remembered."""

from __future__ import annotations

import base64
import io
import re
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from models.images import Encoding, decode, encode
from models.types import Category, LabelMap, Picture
from service.secrets import new_secret
from service.settings import Settings
from tests.fakes import FakeEngine, FakeGarment, FakePerson
from tests.service.conftest import drawn
from tests.service.servers import serving

Part = tuple[str, tuple[str | None, bytes | str]]


def form(photo: bytes, *garments: bytes, **fields: str | Sequence[str]) -> list[Part]:
    parts: list[Part] = [("photo", ("photo.png", photo)), *(("garment", ("garment.png", garment)) for garment in garments)]
    for name, value in fields.items():
        parts += [(name, (None, text)) for text in ([value] if isinstance(value, str) else value)]
    return parts


def post(client: httpx.Client, parts: list[Part], accept: str | None = None, **options: Any) -> httpx.Response:
    headers = {} if accept is None else {"Accept": accept}
    return client.post("/v1/try-ons", files=parts, headers=headers, **options)


def test_the_picture_shows_the_garment_and_else_the_photo(client: httpx.Client, photo: bytes, garment: bytes) -> None:
    answer = post(client, form(photo, garment), "image/png")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/png"
    result, before = np.asarray(Image.open(io.BytesIO(answer.content))), drawn(1)
    assert result.shape == before.shape
    assert (result[:20] == before[:20]).all()
    assert (result[48, 32] == drawn(2).reshape(-1, 3).mean(0).round()).all()


def test_the_headers_say_what_a_picture_cannot(client: httpx.Client, photo: bytes, garment: bytes) -> None:
    headers = post(client, form(photo, garment)).headers
    assert headers["content-type"] == "image/jpeg"
    assert headers["cache-control"] == "private"
    assert headers["vary"] == "Accept"
    assert headers["cache-status"] == "muslin; fwd=uri-miss; stored"
    assert float(headers["muslin-confidence"]) == 0.8
    assert headers["muslin-category"] == "upper"
    assert "muslin-notices" not in headers
    stages = dict(re.findall(r"([\w-]+);dur=([\d.]+)", headers["server-timing"]))
    assert {"decode", "read_person", "read_garment", "try_on", "drape", "encode", "wait", "total"} <= stages.keys()
    assert float(stages["total"]) >= float(stages["try_on"])
    assert "server" not in headers


def test_the_record(client: httpx.Client, photo: bytes, garment: bytes) -> None:
    answer = post(client, form(photo, garment, format="png"), "application/json")
    assert answer.headers["content-type"] == "application/json"
    record = answer.json()
    assert record.keys() == {"id", "picture", "confidence", "garments", "notices", "timings_ms"}
    head, _, data = record["picture"]["url"].partition(",")
    assert head == "data:image/png;base64"
    assert decode(base64.b64decode(data)).picture.shape == (96, 64, 3)
    assert record["picture"] | {"url": ""} == {"url": "", "media_type": "image/png", "width": 64, "height": 96}
    assert record["garments"] == [{"category": "upper", "confidence": 0.8}]
    assert record["notices"] == []


@pytest.mark.parametrize(
    "accept,field,expected",
    [
        (None, None, "image/jpeg"),
        ("*/*", None, "image/jpeg"),
        ("*/*", "webp", "image/webp"),
        ("image/*", "png", "image/png"),
        ("image/webp", None, "image/webp"),
        ("image/png;q=0.5, image/webp", None, "image/webp"),
        ("image/jpeg;q=0, image/*;q=0.3", None, "image/png"),
        ("application/json;q=0.9, image/*;q=0.8", None, "application/json"),
        ("text/html, application/xhtml+xml, */*;q=0.1", None, "image/jpeg"),
        ("nonsense", None, "image/jpeg"),
    ],
)
def test_accept_and_format_choose_the_answer(
    shared: httpx.Client, photo: bytes, garment: bytes, accept: str | None, field: str | None, expected: str
) -> None:
    parts = form(photo, garment, **({} if field is None else {"format": field}))
    answer = post(shared, parts, accept)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == expected
    if expected.startswith("image/"):
        assert f"image/{decode(answer.content).format}" == expected


class Measuring(FakeEngine):
    """Notes how large the pictures are that it is shown."""

    def read_person(self, photo: Picture) -> FakePerson:
        self.calls.append(f"person {photo.shape[:2]}")
        return super().read_person(photo)

    def read_garment(self, picture: Picture, category: Category | None, alpha: LabelMap | None = None) -> FakeGarment:
        self.calls.append(f"garment {picture.shape[:2]}")
        return super().read_garment(picture, category, alpha)


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_a_large_garment_is_reduced_before_it_is_read_and_a_large_photo_is_answered_whole(kind: Encoding) -> None:
    engine = Measuring()
    large = encode(drawn(1, 4100, 3000), kind)
    with serving(engine) as address, httpx.Client(base_url=address, timeout=60) as client:
        answer = post(client, form(large, large), "image/jpeg")
    assert {"person (4100, 3000)", "garment (2048, 1499)"} <= set(engine.calls)
    assert decode(answer.content).picture.shape == (4100, 3000, 3)


def test_format_in_another_accept_is_not_acceptable(shared: httpx.Client, photo: bytes, garment: bytes) -> None:
    assert post(shared, form(photo, garment, format="png"), "image/jpeg").status_code == 406


@pytest.mark.parametrize(
    "category,expected",
    [
        ((), ["upper", "upper"]),
        (["auto"], ["upper", "upper"]),
        (["upper"], ["upper", "upper"]),
        (["lower", "upper"], ["lower", "upper"]),
        (["lower", ""], ["lower", "upper"]),
        (["", "dress"], ["upper", "dress"]),
        (["lower;auto"], ["lower", "upper"]),
        (["lower, dress"], ["lower", "dress"]),
    ],
)
def test_an_outfit_keeps_its_order(shared: httpx.Client, photo: bytes, garment: bytes, category: list[str], expected: list[str]) -> None:
    answer = post(shared, form(photo, garment, encode(drawn(3), "png"), category=category), "application/json")
    assert [garment["category"] for garment in answer.json()["garments"]] == expected


def test_notices_name_what_they_are_about(client: httpx.Client, garment: bytes) -> None:
    picture = drawn(4)
    picture[0, 0] = 9  # the fake sees several people
    frames = [Image.fromarray(drawn(5)), Image.fromarray(drawn(6))]
    animation = io.BytesIO()
    frames[0].save(animation, "PNG", save_all=True, append_images=frames[1:])
    parts = form(encode(picture, "png"), garment, animation.getvalue())
    record = post(client, parts, "application/json").json()
    assert [(notice["code"], notice["about"]) for notice in record["notices"]] == [("several-people", "photo"), ("animated", "garment[1]")]
    assert post(client, parts).headers["muslin-notices"] == "several-people;about=photo, animated;about=garment-1"


def test_what_is_said_about_two_garments_is_said_of_each(client: httpx.Client, photo: bytes) -> None:
    garments = [drawn(seed) for seed in (5, 6)]
    for picture in garments:
        picture[0, 0] = 9
    record = post(client, form(photo, *(encode(picture, "png") for picture in garments)), "application/json").json()
    assert [(notice["code"], notice["about"]) for notice in record["notices"]] == [
        ("faint-ground", "garment[0]"),
        ("faint-ground", "garment[1]"),
    ]


def test_a_garment_that_was_cut_out_is_read_by_its_transparency(client: httpx.Client, engine: FakeEngine, photo: bytes) -> None:
    cut_out = io.BytesIO()
    alpha = Image.fromarray(np.triu(np.full((96, 64), 255, np.uint8)))
    picture = Image.fromarray(drawn(2))
    picture.putalpha(alpha)
    picture.save(cut_out, "PNG")
    assert post(client, form(photo, cut_out.getvalue())).status_code == 200
    assert "read_garment by alpha" in engine.calls


def test_the_same_again_comes_from_the_cache(client: httpx.Client, engine: FakeEngine, photo: bytes, garment: bytes) -> None:
    first, second = (post(client, form(photo, garment), "application/json") for _ in range(2))
    assert re.fullmatch(r"muslin; hit; ttl=3[56]\d\d", second.headers["cache-status"])
    assert engine.calls.count("try_on") == 1
    assert second.json()["picture"] == first.json()["picture"]
    assert second.json()["id"] == first.json()["id"]
    assert "try_on" not in second.json()["timings_ms"]


def test_every_option_that_changes_the_picture_is_another_result(
    client: httpx.Client, engine: FakeEngine, photo: bytes, garment: bytes
) -> None:
    options: list[dict[str, str]] = [{}, {"tuck": "in"}, {"category": "dress"}, {"format": "png"}]
    ids = [post(client, form(photo, garment, **option), "application/json").json()["id"] for option in options]
    assert len(set(ids)) == len(options)
    assert engine.calls.count("try_on") == len(options)


def test_twenty_garments_read_the_person_once(client: httpx.Client, engine: FakeEngine, photo: bytes) -> None:
    for seed in range(20):
        assert post(client, form(photo, encode(drawn(seed), "png"))).status_code == 200
    assert engine.calls.count("read_person") == 1
    assert engine.calls.count("try_on") == 20


def test_twenty_people_read_the_garment_once(client: httpx.Client, engine: FakeEngine, garment: bytes) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda seed: post(client, form(encode(drawn(seed), "png"), garment)).status_code, range(20)))
    assert set(answers) == {200}
    assert engine.calls.count("read_garment") == 1


def test_one_thread_draws_and_a_few_others_read(client: httpx.Client, engine: FakeEngine, garment: bytes) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda seed: post(client, form(encode(drawn(seed), "png"), garment)), range(16)))
    assert {name.partition("_")[0] for name in engine.threads} == {"engine", "reader"}
    assert len(engine.threads) <= 1 + Settings().reader_threads


def test_results_are_shared_through_redis(redis_url: str, photo: bytes, garment: bytes) -> None:
    settings = Settings(redis_url=redis_url, secret=new_secret())
    statuses = []
    for _ in range(2):
        engine = FakeEngine(version="shared")
        with serving(engine, settings) as address, httpx.Client(base_url=address) as client:
            statuses.append(post(client, form(photo, garment)).headers["cache-status"])
    assert statuses[0] == "muslin; fwd=uri-miss; stored"
    assert statuses[1].startswith("muslin; hit; ttl=")


def test_without_redis_the_try_on_still_succeeds(photo: bytes, garment: bytes) -> None:
    settings = Settings(redis_url="redis://127.0.0.1:1/0")
    with serving(FakeEngine(), settings) as address, httpx.Client(base_url=address) as client:
        for _ in range(3):
            answer = post(client, form(photo, garment))
            assert answer.status_code == 200
            assert answer.headers["cache-status"] == "muslin; fwd=bypass; detail=unavailable"


def test_a_forgotten_person_is_read_again(photo: bytes) -> None:
    engine = FakeEngine()
    with serving(engine, Settings(person_ttl_s=0.05)) as address, httpx.Client(base_url=address) as client:
        for seed in range(3):
            post(client, form(photo, encode(drawn(seed), "png")))
            threading.Event().wait(0.1)
    assert engine.calls.count("read_person") == 3
