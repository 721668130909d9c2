"""Jobs, webhooks, pictures by address, and FASHN's own client: over real servers, with an outside of our own behind TLS."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import hashlib
import hmac
import http.server
import ipaddress
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fashn import Fashn, UnprocessableEntityError

from models.errors import NoPerson
from models.images import decode, encode
from service.errors import FetchFailed, FetchRefused
from service.fetching import Address, Fetcher, Outside, is_public
from service.jobs import Jobs
from service.settings import Settings
from tests.fakes import FakeEngine, marked
from tests.service.conftest import drawn
from tests.service.servers import serving
from tests.service.test_garments import some
from tests.service.test_photos import SECRET, by_id, keep
from tests.service.test_try_ons import form

HOST = "pictures.example"


class Site:
    """A web site behind TLS: `routes` by path give (status, headers, body); `posts` is what was posted."""

    def __init__(self, folder: Path) -> None:
        self.routes: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.posts: list[tuple[str, dict[str, str], bytes]] = []
        self.answers: list[int] = []
        """To the next posts; then 200."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
        now = dt.datetime.now(dt.UTC)
        names = x509.SubjectAlternativeName([x509.DNSName(HOST), x509.DNSName("other.example")])
        certificate = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + dt.timedelta(days=1))
            .add_extension(names, critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        pem = folder / "site.pem"
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        pem.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
        self.trust = ssl.create_default_context(cafile=str(pem))
        own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        own.load_cert_chain(pem)
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, headers, body = site.routes.get(self.path, (404, {}, b""))
                self._answer(status, headers, body)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                site.posts.append((self.path, dict(self.headers), body))
                self._answer(site.answers.pop(0) if site.answers else 200, {}, b"")

            def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                return

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.socket = own.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]

    def url(self, path: str, host: str = HOST) -> str:
        return f"https://{host}:{self.port}{path}"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    thread = threading.Thread(target=site.server.serve_forever, args=(0.05,))
    thread.start()
    yield site
    site.server.shutdown()
    thread.join()
    site.server.server_close()


async def here(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


def outside(site: Site, resolve: Any = here, allowed: Callable[[Address], bool] = lambda address: True) -> Outside:
    return Outside(resolve, allowed, site.trust)


def settings(site: Site, **given: Any) -> Settings:
    return Settings(secret=SECRET, fetch_hosts=f"{HOST}:{site.port}", **given)


def ended(client: httpx.Client, place: str) -> dict[str, Any]:
    for _ in range(200):
        job: dict[str, Any] = client.get(place).json()
        if job["status"] in ("completed", "failed"):
            return job
        time.sleep(0.05)
    raise AssertionError("the job did not end")


def test_a_try_on_that_is_answered_later(client: httpx.Client, photo: bytes, garment: bytes) -> None:
    taken = client.post("/v1/try-ons", files=form(photo, garment, format="png"), headers={"Prefer": "respond-async"})
    assert taken.status_code == 202
    assert taken.headers["preference-applied"] == "respond-async"
    job = ended(client, taken.headers["location"])
    assert (job["status"], job["problem"]) == ("completed", None)
    result = client.get(job["result_url"])
    assert result.headers["content-type"] == "image/png"
    assert client.get("/v1/jobs/job_0").json()["type"] == "/problems/job-not-found"


def test_a_job_that_fails_says_why(client: httpx.Client, garment: bytes) -> None:
    photo = encode(marked(drawn(1), NoPerson), "png")
    taken = client.post("/v1/try-ons", files=form(photo, garment), headers={"Prefer": "respond-async"})
    job = ended(client, taken.headers["location"])
    assert job["status"] == "failed"
    assert job["problem"] | {"detail": ""} == {
        "type": "/problems/no-person",
        "title": "No person found",
        "status": 422,
        "detail": "",
        "field": "photo",
    }


def test_a_job_goes_with_its_photo(client: httpx.Client, garment: bytes) -> None:
    photo_id = keep(client, some()).json()["id"]
    taken = client.post("/v1/try-ons", files=by_id(photo_id, garment), headers={"Prefer": "respond-async", "Idempotency-Key": "j"})
    again = client.post("/v1/try-ons", files=by_id(photo_id, garment), headers={"Prefer": "respond-async", "Idempotency-Key": "j"})
    assert again.headers["location"] == taken.headers["location"]
    job = ended(client, taken.headers["location"])
    assert client.delete(f"/v1/photos/{photo_id}").status_code == 200
    assert client.get(taken.headers["location"]).status_code == 404
    assert client.get(job["result_url"]).status_code == 404


def test_webhooks_are_signed_and_come_until_they_are_taken(site: Site, garment: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.app.Jobs", partial(Jobs, pauses_s=(0.05, 0.1, 0.2)))
    site.answers = [500, 503]
    with serving(FakeEngine(), settings(site), outside(site)) as address, httpx.Client(base_url=address) as client:
        parts = form(some(), garment, webhook_url=site.url("/hook"))
        taken = client.post("/v1/try-ons", files=parts, headers={"Prefer": "respond-async"})
        assert taken.status_code == 202
        deadline = time.monotonic() + 10
        while len(site.posts) < 3 and time.monotonic() < deadline:
            time.sleep(0.05)
        secret = base64.b64decode(client.get("/v1/webhook-secret").json()["secret"].removeprefix("whsec_"))
        elsewhere = form(some(), garment, webhook_url="https://elsewhere.example/")
        refused = client.post("/v1/try-ons", files=elsewhere, headers={"Prefer": "respond-async"})
        assert (refused.status_code, refused.json()["type"]) == (422, "/problems/fetch-refused")
    assert len(site.posts) == 3
    path, headers, body = site.posts[-1]
    told = {name.lower(): value for name, value in headers.items()}
    signed = f"{told['webhook-id']}.{told['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
    assert (path, told["webhook-signature"], told["host"]) == ("/hook", f"v1,{expected}", f"{HOST}:{site.port}")
    assert json.loads(body)["type"] == "try-on.completed"
    assert json.loads(body)["data"]["id"] == taken.json()["id"]


def test_a_webhook_is_for_what_is_answered_later(client: httpx.Client, photo: bytes, garment: bytes) -> None:
    now = client.post("/v1/try-ons", files=form(photo, garment, webhook_url="https://shop.example/"))
    assert (now.status_code, now.json()["errors"][0]["field"]) == (400, "webhook_url")


@pytest.mark.parametrize("prefer,status", [("RESPOND-ASYNC", 202), ("wait=3, respond-async; x=1", 202), ("respond-asyncx", 200)])
def test_preferences_are_tokens(client: httpx.Client, garment: bytes, prefer: str, status: int) -> None:
    assert client.post("/v1/try-ons", files=form(some(), garment), headers={"Prefer": prefer}).status_code == status


def test_fashns_client_gives_its_webhook_in_the_query(site: Site, photo: bytes, garment: bytes) -> None:
    with serving(FakeEngine(), settings(site), outside(site)) as address:
        theirs = Fashn(api_key="anything", base_url=f"{address}/compat/fashn")
        inputs: Any = {"model_image": uri(photo), "garment_image": uri(garment)}
        taken = theirs.predictions.run(model_name="tryon-v1.6", inputs=inputs, webhook_url=site.url("/fashn"))
        deadline = time.monotonic() + 10
        while not site.posts and time.monotonic() < deadline:
            time.sleep(0.05)
        with pytest.raises(UnprocessableEntityError):
            theirs.predictions.run(model_name="tryon-v1.6", inputs=inputs, webhook_url="https://elsewhere.example/")
    path, _, body = site.posts[0]
    assert (path, json.loads(body)["id"], json.loads(body)["status"]) == ("/fashn", taken.id, "completed")


def test_pictures_by_address(site: Site, photo: bytes, garment: bytes) -> None:
    site.routes = {
        "/photo": (200, {}, photo),
        "/moved": (302, {"Location": "/garment"}, b""),
        "/garment": (200, {"Content-Type": "text/html"}, garment),
    }
    with serving(FakeEngine(), settings(site), outside(site)) as address, httpx.Client(base_url=address) as client:
        answer = client.post("/v1/try-ons", json={"photo": site.url("/photo"), "garments": [site.url("/moved")]})
        assert answer.status_code == 200
        missing = client.post("/v1/try-ons", json={"photo": site.url("/nothing"), "garments": [site.url("/garment")]})
        assert (missing.status_code, missing.json()["type"]) == (422, "/problems/fetch-failed")
    with serving(FakeEngine()) as address, httpx.Client(base_url=address) as client:
        closed = client.post("/v1/try-ons", json={"photo": site.url("/photo"), "garments": [site.url("/garment")]})
        assert (closed.status_code, closed.json()["type"]) == (422, "/problems/fetch-refused")


@pytest.mark.anyio
async def test_no_way_in_by_an_address(site: Site) -> None:
    fetcher = Fetcher(f"{HOST}:{site.port}, *.wild.example", outside(site))
    for url in (
        f"http://{HOST}:{site.port}/photo",
        f"https://user@{HOST}:{site.port}/photo",
        f"https://{HOST}/photo",
        f"https://other.example:{site.port}/photo",
        f"https://{HOST}.evil.example:{site.port}/photo",
        f"https://127.0.0.1:{site.port}/photo",
        "https://[::1]/",
        "https:///photo",
        "https://wild.example/",
        "https://a.b.wild.example/",
        "file:///etc/passwd",
        "https://[",
        f"https://{HOST}:99999/",
    ):
        with pytest.raises(FetchRefused):
            await fetcher.get(url, 1000)
    assert fetcher.check("https://a.wild.example/x").hostname == "a.wild.example"


@pytest.mark.anyio
async def test_redirects_are_new_addresses(site: Site) -> None:
    site.routes = {
        "/out": (302, {"Location": f"https://other.example:{site.port}/secret"}, b""),
        "/plain": (302, {"Location": f"http://{HOST}:{site.port}/secret"}, b""),
        "/inside": (307, {"Location": "https://169.254.169.254/latest/meta-data"}, b""),
        "/loop": (302, {"Location": "/loop"}, b""),
        "/secret": (200, {}, b"secret"),
        "/large": (200, {}, bytes(2000)),
    }
    fetcher = Fetcher(f"{HOST}:{site.port}", outside(site))
    for path in ("/out", "/plain", "/inside"):
        with pytest.raises(FetchRefused):
            await fetcher.get(site.url(path), 1000)
    for path in ("/loop", "/large"):
        with pytest.raises(FetchFailed):
            await fetcher.get(site.url(path), 1000)
    assert await fetcher.get(site.url("/secret"), 1000) == b"secret"


@pytest.mark.anyio
async def test_a_name_that_changes_its_address_gains_nothing(site: Site) -> None:
    """Rebinding: what was checked is what is connected to; and a host that has one inner address is refused."""
    site.routes = {"/secret": (200, {}, b"secret")}
    asked = []

    async def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["93.184.216.34"] if len(asked) == 1 else ["127.0.0.1"]

    fetcher = Fetcher(f"{HOST}:{site.port}", Outside(rebinding, is_public, site.trust))
    with pytest.raises((FetchFailed, FetchRefused)):
        await fetcher.get(site.url("/secret"), 1000)
    assert asked == [HOST]

    async def both(host: str, port: int) -> list[str]:
        return ["93.184.216.34", "10.0.0.1"]

    with pytest.raises(FetchRefused):
        await Fetcher(f"{HOST}:{site.port}", Outside(both, is_public, site.trust)).get(site.url("/secret"), 1000)


@pytest.mark.parametrize(
    "text,expected",
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1", False),
        ("fd00::1", False),
        ("::ffff:127.0.0.1", False),
        ("2002:7f00:1::", False),
    ],
)
def test_public_addresses(text: str, expected: bool) -> None:
    assert is_public(ipaddress.ip_address(text)) is expected


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def uri(picture: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(picture).decode()}"


def test_fashns_own_client(client: httpx.Client, photo: bytes, garment: bytes) -> None:
    theirs = Fashn(api_key="anything", base_url=f"{client.base_url}/compat/fashn".replace("//compat", "/compat"))
    seen: list[str] = []
    result = theirs.predictions.subscribe(
        model_name="tryon-v1.6",
        inputs={
            "model_image": uri(photo),
            "garment_image": uri(garment),
            "category": "tops",
            "num_samples": 2,
            "output_format": "jpeg",
            "seed": 7,
            "mode": "quality",
        },
        poll_interval=50,
        on_queue_update=lambda status: seen.append(status.status),
    )
    assert result.status == "completed"
    assert result.output is not None
    assert len(result.output) == 2
    shown = httpx.get(result.output[0])
    assert (shown.status_code, shown.headers["content-type"]) == (200, "image/jpeg")
    assert decode(shown.content).picture.shape == (96, 64, 3)
    assert httpx.get(result.output[0].replace("seal=", "seal=x")).status_code == 404
    assert set(seen) <= {"starting", "in_queue", "processing", "completed"}
    inline = theirs.predictions.subscribe(
        model_name="tryon-v1.6",
        inputs={"model_image": uri(photo), "garment_image": uri(garment), "return_base64": True},
        poll_interval=50,
    )
    assert inline.output is not None
    assert inline.output[0].startswith("data:image/png;base64,")


@pytest.mark.parametrize(
    "photo,error",
    [
        (uri(encode(marked(drawn(1), NoPerson), "png")), "PoseError"),
        (uri(b"no picture"), "ImageLoadError"),
        ("data:image/png;base64,???", "ImageLoadError"),
        ("https://elsewhere.example/photo.jpg", "ImageLoadError"),
        (uri(encode(marked(drawn(1), RuntimeError), "png")), "PipelineError"),
    ],
)
def test_fashns_client_is_told_what_went_wrong(client: httpx.Client, garment: bytes, photo: str, error: str) -> None:
    theirs = Fashn(api_key="anything", base_url=f"{client.base_url}/compat/fashn".replace("//compat", "/compat"))
    result = theirs.predictions.subscribe(
        model_name="tryon-v1.6", inputs={"model_image": photo, "garment_image": uri(garment)}, poll_interval=50
    )
    assert result.status == "failed"
    assert result.error is not None
    assert result.error.name == error


def test_what_fashns_api_would_not_take(client: httpx.Client, photo: bytes, garment: bytes) -> None:
    good = {"model_image": uri(photo), "garment_image": uri(garment)}
    for wrong in (
        {"model_name": "face-to-model", "inputs": good},
        {"model_name": "tryon-v1.6", "inputs": {**good, "num_samples": 5}},
        {"model_name": "tryon-v1.6", "inputs": {**good, "category": "hats"}},
        {"model_name": "tryon-v1.6", "inputs": {"model_image": uri(photo)}},
        {},
    ):
        assert client.post("/compat/fashn/v1/run", json=wrong).status_code == 400
    assert client.get("/compat/fashn/v1/status/job_0").status_code == 404
