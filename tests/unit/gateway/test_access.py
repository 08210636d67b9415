"""Every route against every kind of key: 401, then 404 for foreign, then 403, else let in."""

from collections.abc import AsyncIterator

import orjson
import pytest

from gateway.access import refuse_bound
from gateway.auth import ROOT, Principal
from gateway.problems import RefusedError
from gateway.routes import ROUTES, Route
from schemas.api_keys import Scope
from tests.fakes.gateway_api import ROOT_KEY, GatewayApi
from tests.fakes.raw_http import Client, event_request

GUARDED = [route for route in ROUTES if route.scope is not None]
SCOPES: tuple[Scope, ...] = (
    "events:write",
    "subscriptions:read",
    "subscriptions:write",
    "deliveries:read",
    "replay",
    "admin",
)
OWN, FOREIGN = "acme", "globex"


def _name(route: Route) -> str:
    return route.operation


@pytest.fixture
async def api() -> AsyncIterator[GatewayApi]:
    """Serve the API."""
    async with GatewayApi() as made:
        yield made


async def make_key(api: GatewayApi, **fields: object) -> tuple[str, str]:
    """Make a key; gives its id and itself."""
    body = {"name": "k", "scopes": ["admin"], **fields}
    async with api.client.post("/v1/keys", json=body) as response:
        assert response.status == 201, await response.text()
        made = orjson.loads(await response.read())
    return made["id"], made["key"]


def path_of(route: Route, *, subscriber: str = OWN, key_id: str = "key_x") -> str:
    """Fill the path in."""
    return route.path.format(
        subscriber=subscriber, subscription="sub_x", event_type="t", key=key_id
    )


async def asked(api: GatewayApi, route: Route, key: str, path: str) -> tuple[int, str | None]:
    """Send a request without a body; gives status and code."""
    headers = {"Authorization": f"Bearer {key}"}
    async with api.client.request(route.method, path, headers=headers) as response:
        raw = await response.read()
        document = orjson.loads(raw) if raw else {}
        return response.status, document.get("code")


@pytest.mark.parametrize("route", GUARDED, ids=_name)
async def test_without_a_valid_key_nobody_comes_in(api: GatewayApi, route: Route) -> None:
    """None, unknown, wrong, expired and revoked are one and the same."""
    expires = "2286-11-20T17:46:40Z"
    expired_id, expired = await make_key(api, expires_at=expires)
    revoked_id, revoked = await make_key(api)
    async with api.client.delete(f"/v1/keys/{revoked_id}") as response:
        assert response.status == 204
    api.clock.advance(10_000_000_000)
    path = path_of(route, key_id=expired_id)

    for key in ("", "x", "hlk_key_0_0", expired, revoked, expired + "0", f"hlk_{expired_id}_0"):
        assert await asked(api, route, key, path) == (401, "unauthorized")


@pytest.mark.parametrize("route", GUARDED, ids=_name)
async def test_exactly_the_scope_of_the_table_lets_in(api: GatewayApi, route: Route) -> None:
    """And `admin`, which holds all."""
    for scope in SCOPES:
        _, key = await make_key(api, scopes=[scope])

        status, code = await asked(api, route, key, path_of(route))

        is_forbidden = (status, code) == (403, "forbidden")
        assert is_forbidden == (scope not in {route.scope, "admin"}), (scope, status)
        assert status != 401


@pytest.mark.parametrize("route", [r for r in GUARDED if "{subscriber}" in r.path], ids=_name)
async def test_what_is_foreign_is_not_there_whatever_the_scope(
    api: GatewayApi, route: Route
) -> None:
    """Existing or not, with and without the scope: one answer."""
    body = {"url": "https://example.com/"}
    async with api.client.post(f"/v1/subscribers/{FOREIGN}/subscriptions", json=body) as response:
        subscription = orjson.loads(await response.read())["id"]
    existing = path_of(route, subscriber=FOREIGN).replace("sub_x", subscription)
    for scopes in (["admin"], ["replay"]):
        _, key = await make_key(api, scopes=scopes, subscriber=OWN)

        assert await asked(api, route, key, existing) == (404, "not_found")
        assert await asked(api, route, key, path_of(route, subscriber="nobody")) == (
            404,
            "not_found",
        )
    assert list(api.registry.ids_of(FOREIGN)) == [subscription]


async def test_a_foreign_key_is_not_there(api: GatewayApi) -> None:
    """Neither are keys of nobody; its own it may revoke, with the scope."""
    (route,) = (one for one in ROUTES if one.operation == "revokeKey")
    foreign_id, _ = await make_key(api, subscriber=FOREIGN)
    free_id, _ = await make_key(api)
    own_id, _ = await make_key(api, subscriber=OWN)
    _, admin = await make_key(api, subscriber=OWN)
    _, small = await make_key(api, subscriber=OWN, scopes=["replay"])

    for key in (admin, small):
        for hidden in (foreign_id, free_id, "key_x"):
            path = path_of(route, key_id=hidden)
            assert await asked(api, route, key, path) == (404, "not_found")
    own = path_of(route, key_id=own_id)
    assert await asked(api, route, small, own) == (403, "forbidden")
    assert await asked(api, route, admin, own) == (204, None)
    assert api.keys.find(foreign_id) is not None


@pytest.mark.parametrize("route", GUARDED, ids=_name)
async def test_a_key_counts_only_while_revocations_are_known(api: GatewayApi, route: Route) -> None:
    """A gateway that was frozen, or is cut off from Kafka, may have missed one."""
    _, key = await make_key(api, scopes=["admin"])
    path = path_of(route)
    usual = await asked(api, route, key, path)

    api.revocations.are_known = False
    assert await asked(api, route, key, path) == (503, "unavailable")
    assert await asked(api, route, "hlk_key_x_y", path) == (503, "unavailable"), "it may be new"
    assert await asked(api, route, "nonsense", path) == (401, "unauthorized")
    assert await asked(api, route, ROOT_KEY, path) == usual
    assert api.revocations.waits == 2
    assert api.counted("unavailable") == 2 * (route.scope == "events:write")

    api.revocations.wakes = True
    assert await asked(api, route, key, path) == usual
    assert api.revocations.waits == 3


async def test_a_plain_event_of_such_a_key_is_not_taken(api: GatewayApi) -> None:
    """The short way leaves it to the application, which waits and may refuse it."""
    _, key = await make_key(api, scopes=["events:write"])
    api.revocations.are_known = False
    async with Client(api.server.port) as client:
        status, body = await client.ask(event_request(key=key))

    assert (status, orjson.loads(body)["code"]) == (503, "unavailable")
    assert api.publisher.records == []


@pytest.mark.parametrize("path", ["/v1/keys", "/v1/events", "/v1/events/batch"])
async def test_a_key_counts_when_the_body_is_there(api: GatewayApi, path: str) -> None:
    """A head may be sent early: what it asks for is done for whom the key is good then."""
    key_id, key = await make_key(api, scopes=["admin"])
    body = b'{"name":"k","scopes":["admin"]}'
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    async with Client(api.server.port) as client:
        client.send(head.encode())
        await client.until(lambda: api.intake.requests == 1 or path == "/v1/keys")
        async with api.client.delete(f"/v1/keys/{key_id}") as response:
            assert response.status == 204
        client.send(body)
        status, _ = await client.answer()

    assert status == 401
    assert api.publisher.records == []


def test_what_all_share_is_not_for_a_bound_key() -> None:
    """An admin of one subscriber is not one of all."""
    refuse_bound(ROOT)
    with pytest.raises(RefusedError):
        refuse_bound(Principal(key_id="key_1", subscriber=OWN))
