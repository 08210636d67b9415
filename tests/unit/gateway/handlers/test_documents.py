"""What the API says about itself."""

from collections.abc import AsyncIterator

import orjson
import pytest

from gateway.openapi import build_document
from gateway.reference import PAGE_POLICY
from tests.fakes.gateway_api import GatewayApi


@pytest.fixture
async def api() -> AsyncIterator[GatewayApi]:
    """Serve the API."""
    async with GatewayApi() as made:
        yield made


@pytest.mark.parametrize("authorization", ["", "Bearer wrong"])
async def test_the_description_needs_no_key(api: GatewayApi, authorization: str) -> None:
    """A wrong one does not matter either."""
    headers = {"Authorization": authorization}

    async with api.client.get("/openapi.json", headers=headers) as response:
        document = orjson.loads(await response.read())

    assert (response.status, response.content_type) == (200, "application/json")
    assert document == build_document()


async def test_the_page_is_served_under_a_strict_policy(api: GatewayApi) -> None:
    """Nothing may be run, loaded, framed or guessed."""
    async with api.client.get("/docs", headers={"Authorization": ""}) as response:
        page = await response.text()

    assert (response.status, response.content_type) == (200, "text/html")
    assert response.headers["Content-Security-Policy"] == PAGE_POLICY
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "createSubscription" in page


async def test_other_methods_are_refused_without_a_key(api: GatewayApi) -> None:
    """Open for reading does not mean open."""
    async with api.client.post("/openapi.json", data=b"{}") as response:
        assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD")
