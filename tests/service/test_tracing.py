"""Traces reach a collector: a span a request under the caller's own, its stages below, and nobody in them."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from service.settings import Settings
from tests.fakes import FakeEngine
from tests.service.servers import serving
from tests.service.test_garments import some
from tests.service.test_photos import by_id, keep
from tests.service.test_try_ons import form, post


class Collector:
    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                import gzip

                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.bodies.append(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                return

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def spans(self) -> list[Span]:
        found = []
        for body in self.bodies:
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    found += list(scope.spans)
        return found


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    thread = threading.Thread(target=collector.server.serve_forever, args=(0.05,))
    thread.start()
    yield collector
    collector.server.shutdown()
    thread.join()
    collector.server.server_close()


def test_a_span_a_request_and_one_a_stage(collector: Collector) -> None:
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    with serving(FakeEngine(), Settings(otlp_endpoint=collector.url)) as address, httpx.Client(base_url=address) as client:
        photo_id = keep(client, some()).json()["id"]
        client.headers["traceparent"] = f"00-{trace}-{parent}-01"
        assert post(client, by_id(photo_id, some())).status_code == 200
        assert post(client, form(b"none", some())).status_code == 415
    spans = collector.spans()
    ours = [span for span in spans if span.trace_id.hex() == trace]
    (first, second) = [span for span in ours if span.name == "POST /v1/try-ons"]
    assert {first.parent_span_id.hex(), second.parent_span_id.hex()} == {parent}
    stages = {span.name for span in ours if span.parent_span_id == first.span_id}
    assert {"decode", "read_garment", "try_on", "encode"} <= stages
    told = b"".join(collector.bodies)
    assert photo_id.encode() not in told
    assert b"127.0.0.1" not in told


def test_without_a_collector_nothing_is_traced(client: httpx.Client) -> None:
    assert client.get("/health/live", headers={"traceparent": "nonsense"}).status_code == 200
