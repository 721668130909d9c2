"""Schemathesis over the OpenAPI document: whatever fits it, or nearly, gets an answer that the document describes, and never a 500."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode, checks

from service.app import create_app
from service.settings import Settings
from tests.fakes import FakeEngine
from tests.service.servers import serving

CHECKED = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
OPERATIONS = [
    (method.upper(), path)
    for path, item in create_app(Settings(secret="A" * 44, database_url="sqlite://", pictures_url="memory://"), FakeEngine())
    .openapi_schema.to_schema()["paths"]
    .items()
    for method in item
]


@pytest.fixture(scope="module")
def schema() -> Iterator[Any]:
    with serving(FakeEngine(), Settings(rate_per_minute=1_000_000)) as address:
        yield schemathesis.openapi.from_url(f"{address}/schema/openapi.json")


@pytest.mark.parametrize("method,path", OPERATIONS)
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["fitting", "nearly"])
def test_every_answer_is_as_described(schema: Any, method: str, path: str, mode: GenerationMode) -> None:
    cases = schema[path][method].as_strategy(generation_mode=mode)

    @given(cases)
    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def check(case: Any) -> None:
        case.call_and_validate(checks=CHECKED, timeout=30)

    try:
        check()
    except Unsatisfiable:
        pytest.skip("nothing can be wrong with it")
