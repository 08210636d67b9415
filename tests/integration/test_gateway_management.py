"""The management API over a real Kafka and two gateways: what one does, the other follows."""

import asyncio

import aiohttp
import pytest

from schemas.cloudevents import decode_event
from schemas.event import Event
from tests.integration.gateway_world import World, asked, world_fixture

pytestmark = pytest.mark.kafka

world = world_fixture

PATH = "/v1/subscribers/acme"
SUBSCRIPTIONS = PATH + "/subscriptions"
URL = "https://example.com/hook"
FOLLOWS_S = 2.0
"""CONTRACT §4: a revocation holds everywhere within this."""
EVENT = {"subscriber": "acme", "type": "order.paid", "data": {"amount": "x"}}


async def follows(
    client: aiohttp.ClientSession, status: int, body: object, *, key: str = ""
) -> dict[str, object]:
    """Wait until sending an event ends with a status, for no longer than the contract allows."""
    async with asyncio.timeout(FOLLOWS_S):
        while True:
            found, document = await asked(client, "POST", "/v1/events", body, key)
            if found == status:
                return document
            await asyncio.sleep(0.02)


async def test_a_key_opens_and_closes_every_gateway(world: World) -> None:
    """Within two seconds; no key is in the topic."""
    async with world.gateway() as one, world.gateway() as two:
        body = {"name": "k", "scopes": ["events:write"], "subscriber": "acme"}
        _, made = await asked(one, "POST", "/v1/keys", body)
        key = str(made["key"])
        await follows(two, 202, EVENT, key=key)
        foreign, _ = await asked(one, "POST", "/v1/events", EVENT | {"subscriber": "x"}, key)

        revoked, _ = await asked(one, "DELETE", f"/v1/keys/{made['id']}")
        at_once, _ = await asked(one, "POST", "/v1/events", EVENT, key)
        await follows(two, 401, EVENT, key=key)

    assert (foreign, revoked, at_once) == (404, 204, 401)
    records = await world.read("registry")
    assert key.rpartition("_")[2].encode() not in b"".join(one.value for one in records)


async def test_schemas_and_quotas_hold_in_every_gateway(world: World) -> None:
    """Put on one, enforced on the other; nothing refused is in the topic."""
    schema = {"properties": {"amount": {"type": "number"}}}
    async with world.gateway() as one, world.gateway() as two:
        body = {"schema": schema, "validation": "enforce"}
        put, _ = await asked(one, "PUT", "/v1/event-types/order.paid", body)
        problem = await follows(two, 422, EVENT)
        refused, _ = await asked(two, "POST", "/v1/events", EVENT | {"id": "refused"})
        quota = {"quota": {"events_per_second": 0.01, "burst": 1}}
        await asked(two, "PUT", PATH, quota)
        limited = [
            (await asked(two, "POST", "/v1/events", EVENT | {"data": {}}))[0] for _ in range(2)
        ]

    assert put == 201
    assert problem["code"] == "schema_violation"
    assert limited == [202, 429]
    assert refused == 422
    written = [dict(one.headers)["ce_id"] for one in await world.read("events")]
    assert b"refused" not in written


async def test_a_subscriber_goes_with_all_its_subscriptions(world: World) -> None:
    """In one transaction; a test event and a rotated secret before that."""
    async with world.gateway() as client:
        await asked(client, "PUT", PATH, {"name": "Acme"})
        made = [(await asked(client, "POST", SUBSCRIPTIONS, {"url": URL}))[1] for _ in range(20)]
        item = f"{SUBSCRIPTIONS}/{made[0]['id']}"
        _, rotated = await asked(client, "POST", item + "/rotate-secret", {"grace_s": 60})
        tested, _ = await asked(client, "POST", item + "/test", {})
        refused, _ = await asked(client, "DELETE", PATH)
        gone, _ = await asked(client, "DELETE", PATH + "?cascade=true")
        _, left = await asked(client, "GET", SUBSCRIPTIONS)
        _, subscribers = await asked(client, "GET", "/v1/subscribers")

    assert rotated["previous"]["secret"] == made[0]["secret"]  # type: ignore[index]
    assert (tested, refused, gone) == (202, 409, 204)
    assert left["items"] == subscribers["items"] == []
    (record,) = await world.read("events")
    event = decode_event(record.key, record.value, record.headers)
    assert isinstance(event, Event)
    assert (event.target, event.kind) == (made[0]["id"], "test")
