"""What the metrics of a fan-out say while a partition of its stands still."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import pytest
from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata

from chassis import kafka as clients
from chassis.admin import AdminServer
from chassis.kafka import Record
from schemas.topics import partition_of
from tests.conftest import Broker
from tests.integration.fanout_world import PARTITIONS, World

pytestmark = pytest.mark.kafka

LAG = ("hooklane_consumer_lag_records", {"topic": "events"})
HELD = "hooklane_fanout_held_by_transaction_seconds"
Value = Callable[..., float | None]


@pytest.fixture
async def world(kafka: Broker, prefix: str) -> World:
    """Give topics of our own."""
    world = World(kafka.bootstrap_servers, prefix)
    await world.create_topics()
    return world


@asynccontextmanager
async def running(world: World) -> AsyncIterator[Value]:
    """Run a fan-out; gives what asks for a sample of its metrics."""
    async with world.running() as components:
        (admin,) = (one for one in components if isinstance(one, AdminServer))

        def value(name: str, labels: Mapping[str, str] | None = None) -> float | None:
            return admin.instruments.get_sample_value(name, dict(labels or {}))

        yield value


async def until(is_true: Callable[[], bool]) -> None:
    """Look until a condition holds."""
    async with asyncio.timeout(45):
        while not is_true():  # noqa: ASYNC110  # metrics have no event
            await asyncio.sleep(0.1)


async def test_a_partition_that_cannot_be_taken_over_is_seen(world: World) -> None:
    """The group's offset is beyond the log, as after a topic was made anew: refused for ever.

    All others go on, so that neither commits nor their sums would tell.
    """
    names = {partition_of(name.encode(), PARTITIONS): name for name in (f"t{n}" for n in range(50))}
    stuck, other = names[0], names[1]
    place = TopicPartition(world.topic("events"), 0)
    member = clients.consumer(world.kafka, client_id="test", group=f"{world.prefix}-fanout")
    await clients.start(member)
    member.assign([place])
    await member.commit({place: OffsetAndMetadata(1000, "")})
    await clients.retire(member)
    await world.subscribe(other, "sub_1")

    async with running(world) as value:
        await world.append([world.event(stuck, number) for number in range(30)])
        await world.append([world.event(other, number) for number in range(5)])
        await world.read("deliveries", upto=5)
        await until(lambda: value(*LAG) == 30)
        await until(lambda: (value("hooklane_takeovers_failed_total") or 0) > 1)

        assert value("hooklane_partitions_assigned") == PARTITIONS
        await until(lambda: value("hooklane_partitions_running") == PARTITIONS - 1)


async def test_a_broken_record_of_the_registry_is_counted(world: World) -> None:
    """The fan-out goes on with what it had."""
    await world.subscribe("acme", "sub_1")
    place = partition_of(b"acme", PARTITIONS)

    async with running(world) as value:
        await world.append([Record(world.topic("registry"), place, b"acme\x00broken", b"\xff")])
        await world.append([world.event("acme", 1)])
        await world.read("deliveries", upto=1)

        assert value("hooklane_registry_broken_records_total") == 1


async def test_an_open_transaction_of_a_producer_is_seen(world: World) -> None:
    """What others wrote behind it is acknowledged and waits: that is lag, until it ends."""
    await world.subscribe("acme", "sub_1")
    producer = clients.producer(
        world.kafka, client_id="test", transactional_id=f"{world.prefix}-open"
    )
    await clients.start(producer)

    async with running(world) as value:
        await world.append([world.event("acme", 1)])
        await world.read("deliveries", upto=1)
        await producer.begin_transaction()
        await clients.produce(producer, [world.event("acme", 2)])
        await world.append([world.event("acme", number) for number in range(100, 120)])
        await until(lambda: (value(HELD) or 0) > 5)
        lag = value(*LAG)

        await producer.abort_transaction()
        await world.read("deliveries", upto=21)
        await until(lambda: value(HELD) == value(*LAG) == 0)
    await clients.retire(producer)

    assert lag == 21
