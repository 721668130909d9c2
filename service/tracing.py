"""OpenTelemetry traces, where a collector is configured (`muslin[otel]`): a span a request, and one for each of its stages.

Spans tell routes, stages and outcomes, never ids of photos or who asked. As OpenTelemetry has it, there is one provider a process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from service.settings import Settings, SettingsError
from service.version import muslin_version


class Span(Protocol):
    def name(self, route: str, status: int, request_id: str) -> None: ...


class _Off:
    def name(self, *_: object) -> None:
        return


class Tracing:
    """`provider`: of the OpenTelemetry SDK; None: traces nothing."""

    def __init__(self, provider: Any = None) -> None:
        self._provider = provider
        self._tracer = None if provider is None else provider.get_tracer("muslin", muslin_version())

    @contextmanager
    def request(self, method: str, headers: Mapping[str, str]) -> Iterator[Span]:
        """The span of one request; a `traceparent` among its headers is its parent."""
        if self._tracer is None:
            yield _Off()
            return
        from opentelemetry import propagate, trace  # noqa: PLC0415 (an optional package)

        parent = propagate.extract(dict(headers))
        with self._tracer.start_as_current_span(method, context=parent, kind=trace.SpanKind.SERVER) as span:
            yield _Traced(span, method)

    def teller(self) -> Callable[[str, float], None]:
        """To be told, from any thread, of a stage of the current request that has just ended, and how many seconds it took."""
        if self._tracer is None:
            return _tell_nobody
        from opentelemetry import context  # noqa: PLC0415

        within, tracer = context.get_current(), self._tracer

        def tell(stage: str, seconds: float) -> None:
            now = time.time_ns()
            tracer.start_span(stage, context=within, start_time=now - int(1e9 * seconds)).end(now)

        return tell

    def close(self) -> None:
        """Sends what is left."""
        if self._provider is not None:
            self._provider.shutdown()


class _Traced:
    def __init__(self, span: Any, method: str) -> None:
        self._span = span
        self._method = method

    def name(self, route: str, status: int, request_id: str) -> None:
        from opentelemetry.trace import StatusCode  # noqa: PLC0415

        self._span.update_name(f"{self._method} {route}")
        self._span.set_attributes(
            {"http.request.method": self._method, "http.route": route, "http.response.status_code": status, "muslin.request_id": request_id}
        )
        if status >= 500:
            self._span.set_status(StatusCode.ERROR)


def _tell_nobody(_: str, __: float) -> None:
    return


OFF = Tracing()


def open_tracing(settings: Settings) -> Tracing:
    """Raises SettingsError when a collector is configured and the packages are missing."""
    if settings.otlp_endpoint is None:
        return OFF
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError:
        raise SettingsError("MUSLIN_OTLP_ENDPOINT needs OpenTelemetry: pip install 'muslin[otel]'.") from None
    provider = TracerProvider(resource=Resource.create({"service.name": "muslin", "service.version": muslin_version()}))
    endpoint = f"{settings.otlp_endpoint.rstrip('/')}/v1/traces"
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, timeout=5)))
    return Tracing(provider)
