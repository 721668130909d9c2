"""Strangers' uploads by the thousand: no 500, no growth, no crash; and Redis killed in the middle of a load."""

from __future__ import annotations

import io
import random
import signal
import struct
import threading
import time
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from models.images import encode
from service.settings import Settings
from tests.fakes import FakeEngine
from tests.service.conftest import drawn
from tests.service.servers import redis_server, serving
from tests.service.test_garments import some
from tests.service.test_photos import CONSENT, SECRET, by_id, keep
from tests.service.test_processes import running
from tests.service.test_try_ons import form, post


def originals() -> list[bytes]:
    """A real file of every format."""
    picture = drawn(1, 240, 180)
    files = [encode(picture, kind) for kind in ("jpeg", "png", "webp", "avif")]
    for name, options in (("GIF", {}), ("TIFF", {}), ("BMP", {}), ("JPEG", {"progressive": True}), ("PNG", {"optimize": True})):
        buffer = io.BytesIO()
        Image.fromarray(picture).convert("P" if name == "GIF" else "RGB").save(buffer, name, **options)
        files.append(buffer.getvalue())
    return files


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb(side: int) -> bytes:
    """A PNG of a few kilobytes that says it has side × side px."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(4_000_000))) + chunk(b"IEND", b"")


def malformed(rng: random.Random, files: list[bytes]) -> bytes:
    data = bytearray(rng.choice(files))
    match rng.randrange(8):
        case 0:
            return bytes(data[: rng.randrange(len(data))])
        case 1:
            for _ in range(rng.randrange(1, 40)):
                data[rng.randrange(len(data))] = rng.randrange(256)
        case 2:
            for _ in range(rng.randrange(1, 6)):
                data[rng.randrange(min(64, len(data)))] ^= 1 << rng.randrange(8)
        case 3:
            return bomb(rng.choice([8_000, 60_000, 2**31 - 1]))
        case 4:
            return bytes(data) + rng.randbytes(rng.randrange(1, 2000))
        case 5:
            return rng.randbytes(rng.randrange(2000))
        case 6:
            at = rng.randrange(len(data))
            del data[at : at + rng.randrange(1, 200)]
        case 7:
            other = rng.choice(files)
            return bytes(data[: rng.randrange(len(data))]) + other[rng.randrange(len(other)) :]
    return bytes(data)


def malformed_request(rng: random.Random, files: list[bytes]) -> dict[str, Any]:
    """The arguments of one httpx request that nobody should send."""
    good, bad = rng.choice(files), malformed(rng, files)
    match rng.randrange(10):
        case 0:
            return {"method": "POST", "url": "/v1/photos", "files": [("photo", ("x", bad)), ("consent", (None, CONSENT))]}
        case 1:
            return {"method": "POST", "url": "/v1/garments", "files": [("picture", ("x", bad)), ("name", (None, "x"))]}
        case 2:
            return {"method": "POST", "url": "/v1/try-ons", "json": {"photo": "data:image/png;base64," + bad.hex(), "garments": ["x"]}}
        case 3:
            body = b"--b\r\nContent-Disposition: form-data; name=photo\r\n\r\n" + bad
            return {"method": "POST", "url": "/v1/try-ons", "content": body, "headers": {"Content-Type": "multipart/form-data; boundary=b"}}
        case 4:
            headers = {f"X-{k}": "y" * rng.choice([10, 1000]) for k in range(rng.randrange(1, 40))}
            return {"method": "POST", "url": "/v1/try-ons", "files": form(bad, good), "headers": headers}
        case 5:
            return {"method": "POST", "url": "/compat/fashn/v1/run", "content": bad, "headers": {"Content-Type": "application/json"}}
        case 6:
            path = "".join(rng.choice("abc/%.~é0\\:?#") for _ in range(rng.randrange(60)))
            return {"method": rng.choice(["GET", "POST", "DELETE", "PATCH"]), "url": f"/v1/{path}"}
        case _:
            parts = form(bad, good) if rng.random() < 0.5 else form(good, bad)
            return {"method": "POST", "url": "/v1/try-ons", "files": parts}


def storm(address: str, count: int, seed: int) -> Counter[int]:
    files, statuses = originals(), Counter[int]()

    def send(worker: int) -> None:
        rng = random.Random(1000 * seed + worker)
        with httpx.Client(base_url=address, timeout=60) as client:
            for _ in range(count // 4):
                try:
                    status = client.request(**malformed_request(rng, files)).status_code
                except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
                    status = 0  # hung up on, as headers without end deserve
                except httpx.InvalidURL:
                    continue
                statuses[status] += 1

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(send, range(4)))
    return statuses


def resident_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1000
    raise AssertionError("no such line")


def weather(first: int, then: int) -> None:
    small = {f"{name}_MB": "8" for name in ("RESULT_CACHE", "PERSON_MEMORY", "GARMENT_MEMORY")}  # full at once: what grows then leaks
    with running(RATE_PER_MINUTE="1000000", **small) as (address, process):
        statuses = storm(address, first, 1)
        before = resident_mb(process.pid)
        statuses += storm(address, then, 2)
        after = resident_mb(process.pid)
        assert process.poll() is None
        assert httpx.get(f"{address}/health/ready").status_code == 200
        with httpx.Client(base_url=address, timeout=30) as client:
            assert post(client, form(some(), some())).status_code == 200
    assert not [status for status in statuses if status >= 500], statuses
    assert statuses[0] < 0.02 * (first + then), statuses
    assert statuses[422] + statuses[415] + statuses[413] > 0.3 * (first + then), statuses
    assert after - before < 60, (before, after)


@pytest.mark.timeout(280)
def test_a_thousand_malformed_uploads() -> None:
    weather(400, 600)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_ten_thousand_malformed_uploads() -> None:
    weather(2000, 8000)


def test_redis_is_killed_in_the_middle_of_a_load(tmp_path: Path) -> None:
    """Whoever brings their photo notices nothing; the others get the answers that are promised."""
    garment, stop = some(1), threading.Event()
    brought, by_ids, deleted = list[tuple[int, str]](), list[tuple[int, str]](), list[tuple[int, str]]()

    def said(answer: httpx.Response) -> tuple[int, str]:
        kind = answer.headers["content-type"]
        return answer.status_code, answer.json()["type"] if kind == "application/problem+json" else ""

    with (
        redis_server(tmp_path) as (url, process),
        serving(FakeEngine(delay_s=0.01), Settings(redis_url=url, secret=SECRET, rate_per_minute=1_000_000)) as address,
    ):
        with httpx.Client(base_url=address) as client:
            photo_ids = [keep(client, some()).json()["id"] for _ in range(4)]

        def bring(seed: int) -> None:
            with httpx.Client(base_url=address, timeout=30) as client:
                k = 0
                while not stop.is_set():
                    k += 1
                    brought.append(said(post(client, form(some(10_000 * seed + k), garment))))

        def ask(photo_id: str) -> None:
            with httpx.Client(base_url=address, timeout=30) as client:
                while not stop.is_set():
                    by_ids.append(said(post(client, by_id(photo_id, some()))))

        def delete() -> None:
            with httpx.Client(base_url=address, timeout=30) as client:
                while not stop.is_set():
                    if process.poll() is not None:
                        deleted.append(said(client.delete(f"/v1/photos/{photo_ids[3]}")))
                    time.sleep(0.05)

        with ThreadPoolExecutor(8) as pool:
            work = [pool.submit(bring, 1), pool.submit(bring, 2), *(pool.submit(ask, i) for i in photo_ids[:2]), pool.submit(delete)]
            time.sleep(1.5)
            process.send_signal(signal.SIGKILL)
            process.wait()
            time.sleep(2.5)
            stop.set()
            for done in work:
                done.result()
    assert set(brought) == {(200, "")}
    assert len(brought) > 20
    assert set(by_ids) == {(200, ""), (410, "/problems/photo-expired")}
    assert set(deleted) == {(503, "/problems/store-unavailable")}


def test_the_picture_of_a_bomb_is_never_unpacked(client: httpx.Client) -> None:
    begin = time.monotonic()
    answer = keep(client, bomb(60_000))
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/image-too-large")
    assert time.monotonic() - begin < 2


def test_noise_is_no_reason_to_fall_over(client: httpx.Client) -> None:
    noise = encode(np.random.default_rng(0).integers(0, 256, (300, 200, 3), dtype=np.uint8), "png")
    assert post(client, form(noise, noise)).status_code == 200
