"""Foreign referees: one validates our OpenAPI document, one attacks the API that it describes."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import openapi_spec_validator
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import CHECKS

from gateway.openapi import build_document
from tests.contract.gateway import SEALED, raw_record
from tests.fakes.gateway_api import AUTHORIZED, HOST, GatewayApi

EXAMPLES = 4
START_S = 30.0
DOCUMENT: Any = build_document()
CONFIG = schemathesis.Config.from_dict(
    {
        "checks": {
            "negative_data_rejection": {
                "expected-statuses": ["400", "401", "404", "405", "409", "412", "413", "415", "422"]
            }
        }
    }
)
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT, config=CONFIG)
WANTED = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
"""Not asked: whether all that fits the schemas is taken; quotas, versions and egress say no."""
REJECTION = "negative_data_rejection"


class Served:
    """The API in a thread of its own: the referee's client blocks."""

    def __init__(self) -> None:
        self.url = ""
        self._is_up = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Event | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def start(self) -> None:
        """Serve, with one subscription that exists."""
        self._thread.start()
        assert self._is_up.wait(START_S)

    def stop(self) -> None:
        """End."""
        assert self._loop is not None
        assert self._end is not None
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(START_S)

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        async with GatewayApi() as api:
            api.registry.put(raw_record("sub_1"), SEALED)
            self.url = f"http://{HOST}:{api.server.port}"
            self._is_up.set()
            await self._end.wait()


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """Serve the API for all cases."""
    made = Served()
    made.start()
    yield made
    made.stop()


def test_the_document_is_openapi() -> None:
    """As the validator of the OpenAPI community reads 3.1."""
    openapi_spec_validator.validate(DOCUMENT)


@SCHEMA.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_the_api_is_what_its_document_says(case: schemathesis.Case[Any], served: Served) -> None:
    """No request is a fault of ours, and every answer is one that is described."""
    response = case.call(base_url=served.url, headers=AUTHORIZED)

    # The items of a batch are judged one by one: a bad one costs the others nothing.
    names = WANTED if isinstance(case.body, list) else (*WANTED, REJECTION)
    checks: Any = [CHECKS.get_one(name) for name in names]
    case.validate_response(response, checks=checks)
