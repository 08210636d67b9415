"""Filters and schemas through the fan-out on a real Kafka."""

from collections.abc import Sequence

import aiohttp
import orjson
import pytest

from chassis.admin import AdminServer
from chassis.lifecycle import Component
from tests.conftest import Broker
from tests.integration.fanout_world import World, pairs

pytestmark = pytest.mark.kafka

SUBSCRIBERS = [f"tenant-{number}" for number in range(6)]
"""Enough for every partition, the one of the event types among them."""
SCHEMA = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}


@pytest.fixture
async def world(kafka: Broker, prefix: str) -> World:
    """Give topics of our own."""
    world = World(kafka.bootstrap_servers, prefix)
    await world.create_topics()
    return world


async def test_subscriptions_get_what_their_filters_want(world: World) -> None:
    """On every partition; a changed filter counts for the events after it."""
    for subscriber in SUBSCRIBERS:
        await world.subscribe(subscriber, "sub_all")
        await world.subscribe(subscriber, "sub_big", filter={"data.n": {"$gte": 5}})
        await world.subscribe(
            subscriber, "sub_odd", filter={"$or": [{"data.tags": "odd"}, {"region": "eu"}]}
        )
        await world.subscribe(subscriber, "sub_broken", filter={"data.n": {"$regex": "."}})

    async with world.running() as components:
        await world.append(
            [
                world.event(
                    subscriber, n, orjson.dumps({"n": n, "tags": ["odd" if n % 2 else "even"]})
                )
                for subscriber in SUBSCRIBERS
                for n in range(10)
            ]
        )
        await world.read("deliveries", upto=len(SUBSCRIBERS) * 20)
        await world.subscribe("tenant-0", "sub_big", filter={"data.n": {"$lt": 5}}, version=2)
        await world.append(
            [
                world.event("tenant-0", 10, b'{"n": 10}'),
                world.event("tenant-0", 11, b'{"n": 1}'),
                world.event("tenant-0", 12, b"not json"),
            ]
        )
        deliveries = await world.read("deliveries", upto=len(SUBSCRIBERS) * 20 + 4)
        metrics = await _metrics(components)

    owed = {
        (subscriber, str(n), subscription)
        for subscriber in SUBSCRIBERS
        for n in range(10)
        for subscription, is_wanted in (
            ("sub_all", True),
            ("sub_big", n >= 5),
            ("sub_odd", n % 2 == 1),
        )
        if is_wanted
    }
    owed |= {("tenant-0", str(n), "sub_all") for n in (10, 11, 12)}
    owed.add(("tenant-0", "11", "sub_big"))
    assert pairs(deliveries) == dict.fromkeys(owed, 1)
    assert metrics['hooklane_fanout_rule_faults_total{kind="filter_broken"}'] >= len(SUBSCRIBERS)


async def test_an_enforced_schema_judges_every_subscriber(world: World) -> None:
    """Defined before or while fan-out runs, on whatever partition the subscriber lies."""
    for subscriber in SUBSCRIBERS:
        await world.subscribe(subscriber, "sub_1")
    await world.define("order.paid", schema=SCHEMA, validation="enforce")

    async with world.running() as components:
        await world.append(
            [
                world.event(subscriber, n, data)
                for subscriber in SUBSCRIBERS
                for n, data in enumerate([b'{"n": 1}', b'{"n": "SECRET"}'])
            ]
        )
        quarantined = await world.read("quarantine", upto=len(SUBSCRIBERS))
        await world.define("order.paid", schema=SCHEMA, validation="warn", version=2)
        await world.append([world.event(subscriber, 2, b"[]") for subscriber in SUBSCRIBERS])
        await world.read("deliveries", upto=2 * len(SUBSCRIBERS))
        await world.define("order.paid", schema={"type": "array"}, validation="enforce", version=3)
        await world.append(
            [
                world.event(subscriber, n, data)
                for subscriber in SUBSCRIBERS
                for n, data in ((3, b'{"n": 1}'), (4, b"[]"))
            ]
        )
        await world.read("quarantine", upto=2 * len(SUBSCRIBERS))
        deliveries = await world.read("deliveries", upto=3 * len(SUBSCRIBERS))
        metrics = await _metrics(components)

    assert {seen.event_id for seen in deliveries} == {"0", "2", "4"}
    assert set(pairs(deliveries).values()) == {1}
    for seen in quarantined:
        stub = orjson.loads(seen.value or b"")
        assert stub["reason"] == "schema_violation"
        assert stub["detail"] == 'data/n does not keep type: ["integer"]'
    assert metrics['hooklane_schema_violations_total{mode="enforce"}'] == 2 * len(SUBSCRIBERS)
    assert metrics['hooklane_schema_violations_total{mode="warn"}'] == len(SUBSCRIBERS)


async def _metrics(components: Sequence[Component]) -> dict[str, float]:
    """Scrape the admin port."""
    (admin,) = (component for component in components if isinstance(component, AdminServer))
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{admin.port}/metrics") as answer,
    ):
        text = await answer.text()
    samples = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in samples}
