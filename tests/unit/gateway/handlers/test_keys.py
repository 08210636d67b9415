"""API keys over HTTP."""

from collections.abc import AsyncIterator

import orjson
import pytest

from tests.fakes.gateway_api import KEYS_MAX, GatewayApi

PATH = "/v1/keys"
GOOD = {"name": "orders", "scopes": ["events:write"]}


@pytest.fixture
async def api() -> AsyncIterator[GatewayApi]:
    """Serve the API."""
    async with GatewayApi() as made:
        yield made


async def made_key(api: GatewayApi, **fields: object) -> dict[str, object]:
    """Make a key that must be good."""
    async with api.client.post(PATH, json={**GOOD, **fields}) as response:
        assert response.status == 201
        return orjson.loads(await response.read())  # type: ignore[no-any-return]


async def test_a_key_is_shown_once(api: GatewayApi) -> None:
    """No list and no cache has it afterwards."""
    async with api.client.post(PATH, json=GOOD) as response:
        made = orjson.loads(await response.read())
    async with api.client.get(PATH) as listed:
        page = orjson.loads(await listed.read())

    assert made.pop("key").startswith(f"hlk_{made['id']}_")
    assert response.headers["Cache-Control"] == "no-store"
    assert (response.headers["ETag"], response.headers["Location"]) == (
        '"1"',
        f"{PATH}/{made['id']}",
    )
    assert page == {"items": [made], "next_cursor": None}


async def test_a_new_key_works_until_it_is_revoked(api: GatewayApi) -> None:
    """Then it is gone, and revoking it again finds nothing."""
    made = await made_key(api)
    headers = {"Authorization": f"Bearer {made['key']}"}
    event = {"subscriber": "acme", "type": "t"}
    statuses = []
    for _ in range(2):
        async with api.client.post("/v1/events", json=event, headers=headers) as response:
            statuses.append(response.status)
        async with api.client.delete(f"{PATH}/{made['id']}") as response:
            statuses.append(response.status)

    assert statuses == [202, 204, 401, 404]


async def test_another_version_is_not_revoked(api: GatewayApi) -> None:
    """If-Match works as everywhere."""
    made = await made_key(api)

    headers = {"If-Match": '"2"'}
    async with api.client.delete(f"{PATH}/{made['id']}", headers=headers) as response:
        assert response.status == 412


async def test_a_bound_key_sees_and_makes_its_own_only(api: GatewayApi) -> None:
    """Lists show nothing else; a foreign subscriber is not there."""
    await made_key(api)
    await made_key(api, subscriber="globex")
    admin = await made_key(api, subscriber="acme", scopes=["admin"])
    headers = {"Authorization": f"Bearer {admin['key']}"}

    async with api.client.post(PATH, json=GOOD, headers=headers) as response:
        own = orjson.loads(await response.read())
    foreign_body = GOOD | {"subscriber": "globex"}
    async with api.client.post(PATH, json=foreign_body, headers=headers) as foreign:
        assert foreign.status == 404
    async with api.client.get(PATH, headers=headers) as response:
        page = orjson.loads(await response.read())

    assert own["subscriber"] == "acme"
    assert [item["id"] for item in page["items"]] == [own["id"], admin["id"]]


async def test_a_bad_body_makes_no_key(api: GatewayApi) -> None:
    """Each wrong field names itself."""
    async with api.client.post(PATH, json={"name": "", "scopes": ["x"]}) as response:
        problem = orjson.loads(await response.read())

    assert response.status == 422
    assert [error["pointer"] for error in problem["errors"]] == ["/name", "/scopes/0"]
    assert list(api.keys.places()) == []


async def test_the_number_of_keys_is_bounded(api: GatewayApi) -> None:
    """The next one is over the quota."""
    for number in range(KEYS_MAX):
        api.topic.index._places["key"].note(f"key_{number}", f"key_{number}")

    async with api.client.post(PATH, json=GOOD) as response:
        assert response.status == 429
    assert api.limit_hits == ["keys"]
