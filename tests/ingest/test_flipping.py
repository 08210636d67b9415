"""A client that changes the configuration without end (row B322 of the catalogue)."""

from collections.abc import AsyncIterator

import orjson
import pytest

from gateway.limits import Limits
from gateway.quotas import Quota
from gateway.routes import ROUTES
from tests.fakes.gateway_api import GatewayApi

SUBSCRIPTIONS = "/v1/subscribers/{}/subscriptions"
GOOD, BAD = "https://example.com/hook", "http://169.254.169.254/latest"
BURST = 6


@pytest.fixture
async def api() -> AsyncIterator[GatewayApi]:
    """Serve an API in which a subscriber may be changed six times at once, then each two seconds.

    Each key may change twenty things at once.
    """
    bounds = Limits(key_writes=Quota(0.1, 20), subscriber_writes=Quota(0.5, BURST))
    async with GatewayApi(bounds=bounds) as served:
        yield served


async def created(api: GatewayApi, subscriber: str) -> str:
    """Create a subscription; gives its path."""
    path = SUBSCRIPTIONS.format(subscriber)
    async with api.client.post(path, json={"url": GOOD}) as response:
        assert response.status == 201
        return f"{path}/{orjson.loads(await response.read())['id']}"


async def test_a_url_that_flips_is_slowed_down(api: GatewayApi) -> None:
    """Good and bad changes cost alike; then 429, nothing is judged and nothing written."""
    path = await created(api, "acme")

    statuses, left = [], []
    for number in range(BURST + 3):
        async with api.client.patch(path, json={"url": (GOOD, BAD)[number % 2]}) as response:
            statuses.append(response.status)
            left.append(int(response.headers["RateLimit"].rpartition(";r=")[2].partition(";")[0]))
            headers, problem = response.headers, orjson.loads(await response.read())

    assert statuses == [200, 422, 200, 422, 200, 429, 429, 429, 429]
    assert left == [4, 3, 2, 1, 0, 0, 0, 0, 0]
    assert problem["code"] == "quota_exceeded"
    assert headers["Content-Type"] == "application/problem+json"
    assert headers["Retry-After"] == "2"
    assert headers["RateLimit"].endswith(f'"subscriber-writes";r=0;t={BURST * 2}')
    assert api.limit_hits == ["config_writes"] * 4


async def test_who_is_slowed_down_may_go_on_later_and_others_at_once(api: GatewayApi) -> None:
    """Reading and sending cost nothing, a neighbour waits for nobody."""
    path = await created(api, "acme")
    for _ in range(BURST):
        async with api.client.patch(path, json={"url": BAD}):
            pass

    async with api.client.get(path) as shown:
        assert shown.status == 200
        assert "RateLimit" not in shown.headers
    async with api.client.post(path + "/test") as tried:
        assert tried.status == 202
    event = {"subscriber": "acme", "type": "t"}
    async with api.client.post("/v1/events", json=event) as sent:
        assert sent.status == 202
    await created(api, "globex")
    async with api.client.patch(path, json={"url": GOOD}) as still:
        assert still.status == 429
    api.clock.advance(2.0)
    async with api.client.patch(path, json={"url": GOOD}) as later:
        assert later.status == 200
        assert '"subscriber-writes";r=0' in later.headers["RateLimit"]


async def test_every_call_that_changes_something_is_limited(api: GatewayApi) -> None:
    """A route that is added later cannot be forgotten."""
    changing = [one for one in ROUTES if one.is_configuring]
    for number in range(4):  # the key's twenty, over subscribers that have six each
        for _ in range(BURST - 1):
            async with api.client.put(f"/v1/subscribers/s{number}", json={}):
                pass

    answers = {}
    for route in changing:
        path = route.path.format(subscriber="x", subscription="y", event_type="t", key="k")
        async with api.client.request(route.method, path, json={}) as response:
            answers[route.operation] = response.status

    assert answers == dict.fromkeys(
        [
            "createSubscription", "patchSubscription", "deleteSubscription", "rotateSecret",
            "putSubscriber", "deleteSubscriber", "putEventType", "deleteEventType",
            "createKey", "revokeKey",
        ],
        429,
    )  # fmt: skip
