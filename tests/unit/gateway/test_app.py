"""Routes and middlewares."""

import gc
from collections.abc import AsyncIterator

import orjson
import pytest
from aiohttp import web

from gateway.app import problem_of
from gateway.problems import Code
from tests.fakes.gateway_api import ROOT_KEY, GatewayApi

ROUTES = [
    ("POST", "/v1/events"),
    ("POST", "/v1/events/batch"),
    ("POST", "/v1/subscribers/acme/subscriptions"),
    ("GET", "/v1/subscribers/acme/subscriptions"),
    ("GET", "/v1/subscribers/acme/subscriptions/sub_1"),
    ("PATCH", "/v1/subscribers/acme/subscriptions/sub_1"),
    ("DELETE", "/v1/subscribers/acme/subscriptions/sub_1"),
    ("GET", "/v1/subscribers/acme/subscriptions/sub_1/secret"),
    ("POST", "/v1/keys"),
    ("PUT", "/v1/event-types/x"),
]


@pytest.fixture
async def api() -> AsyncIterator[GatewayApi]:
    """Serve the API."""
    async with GatewayApi() as made:
        yield made


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize("authorization", ["", "Bearer x", f"Basic {ROOT_KEY}", ROOT_KEY])
async def test_no_route_is_open(
    api: GatewayApi, method: str, path: str, authorization: str
) -> None:
    """401 with a challenge, before anything else is looked at."""
    headers = {"Authorization": authorization}

    async with api.client.request(method, path, data=b"{", headers=headers) as response:
        problem = orjson.loads(await response.read())

    assert (response.status, problem["code"]) == (401, "unauthorized")
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert response.content_type == "application/problem+json"


async def test_two_keys_are_no_key(api: GatewayApi) -> None:
    """Proxies and servers might look at different ones."""
    headers = [("Authorization", f"Bearer {ROOT_KEY}"), ("Authorization", "Bearer x")]

    async with api.client.get(ROUTES[3][1], headers=headers) as response:
        assert response.status == 401


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/events/", "/v2/events", "/v1/nothing", "/%2e"])
async def test_other_paths_are_a_404_problem(api: GatewayApi, path: str) -> None:
    """Clients parse errors before they look at the status."""
    async with api.client.get(path) as response:
        problem = orjson.loads(await response.read())

    assert (response.status, problem["code"]) == (404, "not_found")
    assert response.content_type == "application/problem+json"


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/v1/events", "POST"),
        ("PUT", "/v1/events/batch", "POST"),
        ("DELETE", "/v1/subscribers/acme/subscriptions", "GET, HEAD, POST"),
        ("POST", "/v1/subscribers/acme/subscriptions/sub_1", "DELETE, GET, HEAD, PATCH"),
        ("OPTIONS", "/v1/events", "POST"),
        ("PROPFIND", "/v1/events", "POST"),
    ],
)
async def test_other_methods_are_a_405_problem_with_allow(
    api: GatewayApi, method: str, path: str, allow: str
) -> None:
    """Allow names what the path supports."""
    async with api.client.request(method, path) as response:
        problem = orjson.loads(await response.read())

    assert (response.status, problem["code"]) == (405, "method_not_allowed")
    assert response.headers["Allow"] == allow


async def test_a_request_that_finds_nothing_is_freed_at_once(api: GatewayApi) -> None:
    """With its whole head, and without the cyclic collector, which comes rarely here."""
    gc.disable()
    try:
        for _ in range(5):
            assert (await api.client.get("/nothing")).status == 404
            assert (await api.client.put("/v1/events")).status == 405

        alive = [one for one in gc.get_objects() if type(one) is web.Request]
    finally:
        gc.enable()

    assert len(alive) <= 1, "the connection may still hold its last one"


async def test_head_is_get_without_the_body(api: GatewayApi) -> None:
    """RFC 9110 asks every server for it."""
    async with api.client.head(ROUTES[3][1]) as response:
        assert (response.status, await response.read()) == (200, b"")


async def test_a_bug_is_a_500_problem_that_tells_nothing(api: GatewayApi) -> None:
    """The server lives on; what happened is in the log."""
    api.topic.index = None  # type: ignore[assignment]

    async with api.client.get("/v1/subscribers/acme/subscriptions") as response:
        problem = orjson.loads(await response.read())
    async with api.client.get("/nothing") as following:
        assert following.status == 404

    assert (response.status, problem["code"]) == (500, "internal")
    assert "NoneType" not in repr(problem)


async def test_the_time_of_requests_is_measured_by_route(api: GatewayApi) -> None:
    """Also of those that fail; paths that do not exist have no series."""
    for method, path in (("POST", "/v1/events"), ("GET", ROUTES[3][1]), ("GET", "/nothing")):
        async with api.client.request(method, path):
            pass

    name = "hooklane_ingest_request_duration_seconds_count"
    counts = {
        route: api.instruments.get_sample_value(name, {"route": route})
        for route in ("events", "batch", "subscriptions")
    }
    assert counts == {"events": 1, "batch": 0, "subscriptions": 1}


@pytest.mark.parametrize(("expect", "status"), [("100-continue", 202), ("200-ok", 400)])
async def test_only_continue_can_be_expected(api: GatewayApi, expect: str, status: int) -> None:
    """Curl asks so before it sends a large body."""
    headers = {"Expect": expect, "Content-Type": "application/json"}
    body = b'{"subscriber":"acme","type":"t"}'

    async with api.client.post("/v1/events", data=body, headers=headers) as response:
        assert response.status == status
        assert response.content_type in {"application/json", "application/problem+json"}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (web.HTTPNotFound(), Code.NOT_FOUND),
        (web.HTTPMethodNotAllowed("X", ["B", "A"]), Code.METHOD_NOT_ALLOWED),
        (web.HTTPRequestEntityTooLarge(1, 2), Code.TOO_LARGE),
        (web.HTTPUnsupportedMediaType(), Code.UNSUPPORTED_MEDIA_TYPE),
        (web.HTTPRequestTimeout(), Code.TIMEOUT),
        (web.HTTPBadRequest(text="hunter2"), Code.INVALID_REQUEST),
        (web.HTTPUpgradeRequired(), Code.INVALID_REQUEST),
    ],
)
def test_what_aiohttp_refuses_is_translated(error: web.HTTPException, code: Code) -> None:
    """Into the closed list, without aiohttp's texts."""
    problem = problem_of(error)

    assert problem.code is code
    assert "hunter2" not in problem.detail
