"""A whole gateway over a real Kafka: what it acknowledges is there, exactly as it was sent."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from chassis import logs
from chassis.clock import SystemClock
from chassis.table import Table
from chassis.table_writer import TableWriter
from chassis.vault import Vault
from gateway.appender import KafkaAppender
from gateway.kafka_registry import KafkaRegistry, KafkaShelf, RegistryTopic
from gateway.publish import BatchingPublisher
from gateway.registry_reader import RegistryReader
from gateway.registry_rows import RegistryIndex, Row, decode_row
from schemas.cloudevents import decode_event
from schemas.event import Event
from schemas.event_types import EVENT_TYPES_SUBSCRIBER, EventTypeRecord
from schemas.registry import SubscriptionRecord, decode_subscription
from schemas.topics import partition_of, topic_name, transactional_id
from tests.contract.gateway import PublisherContract, RegistryContract, ShelfContract
from tests.integration.gateway_world import PARTITIONS, World, world_fixture

pytestmark = pytest.mark.kafka

world = world_fixture

PATH = "/v1/subscribers/acme/subscriptions"
URL = "https://example.com/hook"


async def test_an_acknowledged_event_is_in_the_topic_byte_for_byte(world: World) -> None:
    """Key, value, headers, partition and offset are what the answer and the contract say."""
    data = b'{ "n": 1e2, "big": 18446744073709551617, "u": "\\u00e9" }'
    body = b'{"subscriber":"acme","type":"order.paid","id":"e1","ordering_key":"k","data":'
    headers = {"Content-Type": "application/json"}

    sent = body + data + b"}"
    async with (
        world.gateway() as client,
        client.post("/v1/events", data=sent, headers=headers) as response,
    ):
        answer = await response.json()

    (record,) = await world.read("events")
    assert response.status == 202
    assert (answer["partition"], answer["offset"]) == (record.partition, record.offset)
    assert record.partition == partition_of(b"acme", PARTITIONS)
    assert (record.key, record.value) == (b"acme", data)
    assert decode_event(record.key, record.value, record.headers) == Event(
        subscriber="acme",
        id="e1",
        source="/hooklane",
        type="order.paid",
        datacontenttype="application/json",
        extensions={"orderingkey": "k"},
        data=data,
    )


async def test_many_requests_at_once_are_each_at_the_place_they_were_told(world: World) -> None:
    """Batching mixes requests; offsets must not be mixed up."""
    async with world.gateway() as client:

        async def send(number: int) -> tuple[str, int, int]:
            event = {"subscriber": f"s{number % 7}", "type": "t", "id": str(number)}
            async with client.post("/v1/events", json=event) as response:
                assert response.status == 202
                answer = await response.json()
                return answer["id"], answer["partition"], answer["offset"]

        told = await asyncio.gather(*(send(number) for number in range(300)))
        batch = [{"subscriber": "acme", "type": "t", "id": f"b{n}"} for n in range(1_000)]
        async with client.post("/v1/events/batch", json=batch) as response:
            items = (await response.json())["items"]

    found = {
        (dict(record.headers)["ce_id"].decode(), record.partition, record.offset)
        for record in await world.read("events")
    }
    assert found == {*told, *((i["id"], i["partition"], i["offset"]) for i in items)}
    assert [item["offset"] for item in items] == sorted(item["offset"] for item in items)


async def test_a_subscription_is_read_where_it_was_written_and_sealed_in_the_topic(
    world: World,
) -> None:
    """Read-your-writes through the whole life; no secret in clear in any record."""
    async with world.gateway() as client:
        for _ in range(5):
            body = {"url": URL, "headers": {"X-A": "hunter2"}}
            async with client.post(PATH, json=body) as response:
                made = await response.json()
            path = f"{PATH}/{made['id']}"
            async with client.get(PATH, params={"limit": 1}) as response:
                listed = await response.json()
            async with client.patch(path, json={"description": "d"}) as response:
                assert (response.status, response.headers["ETag"]) == (200, '"2"')
            async with client.patch(path, json={"status": "disabled"}) as response:
                assert (await response.json())["status_reason"] == "manual"
            async with client.patch(path, json={"status": "active"}) as response:
                assert response.status == 200
            async with client.get(path) as response:
                shown = await response.json()
            async with client.delete(path) as response:
                assert response.status == 204
            async with client.get(path) as response:
                assert response.status == 404

            assert listed["items"][0]["id"] == made["id"]
            assert (shown["version"], shown["description"]) == (4, "d")

    records = await world.read("registry")
    assert len(records) == 25
    assert b"hunter2" not in b"".join(record.value for record in records)
    assert b"whsec_" not in b"".join(record.value for record in records)
    assert b"example.com" not in b"".join(record.value for record in records)


async def test_versions_carry_the_append_time_of_the_record_that_enabled(world: World) -> None:
    """Readers of a later version cannot ask for it: compaction takes the older record away."""
    async with world.gateway() as client:
        async with client.post(PATH, json={"url": URL}) as response:
            path = f"{PATH}/{(await response.json())['id']}"
        for patch in ({"description": "a"}, {"status": "disabled"}, {"status": "active"}, {}):
            async with client.patch(path, json=patch) as response:
                assert response.status == 200

    records = await world.read("registry")
    versions = [decode_subscription(record.value) for record in records]
    enabled = [one.enabled_at for one in versions if isinstance(one, SubscriptionRecord)]
    first, fourth = records[0].timestamp, records[3].timestamp
    assert enabled == [None, first, first, None, fourth]


async def test_two_gateways_lose_no_update(world: World) -> None:
    """Racing writers take turns by compare-and-set; with If-Match one of two wins."""
    async with world.gateway() as one, world.gateway() as two:
        async with one.post(PATH, json={"url": URL}) as response:
            path = f"{PATH}/{(await response.json())['id']}"

        async def add(name: str) -> int:
            client = one if name.startswith("a") else two
            for _ in range(10):
                async with client.patch(path, json={"metadata": {name: "1"}}) as response:
                    if response.status == 200:
                        return response.status
                    assert response.status == 503
            return 503

        names = [f"{side}{number}" for number in range(6) for side in "ab"]
        statuses = await asyncio.gather(*(add(name) for name in names))
        async with two.patch(path, json={}) as response:
            last = await response.json()

        condition = {"If-Match": f'"{last["version"]}"'}

        async def claim(client_number: int) -> int:
            client = (one, two)[client_number]
            body = {"description": str(client_number)}
            async with client.patch(path, json=body, headers=condition) as response:
                return response.status

        raced = await asyncio.gather(claim(0), claim(1))

    assert set(statuses) == {200}
    assert last["metadata"] == dict.fromkeys(names, "1")
    assert last["version"] == len(names) + 2
    assert sorted(raced) == [200, 412]


class TestKafkaPublisher(PublisherContract):
    """The real publisher keeps the promises of the port."""

    @pytest.fixture
    def topic(self, world: World) -> str:
        """Give the topic of this test."""
        return topic_name(world.prefix, "events")

    @pytest.fixture
    async def publisher(self, world: World) -> AsyncIterator[BatchingPublisher]:
        """Give a publisher over a real producer."""
        made = BatchingPublisher(
            lambda: KafkaAppender(world.kafka, client_id="test", start_timeout_s=10),
            deadline_s=10,
            linger_s=0.005,
            log=logs.get("test"),
        )
        await made.start()
        yield made
        await made.stop()


@asynccontextmanager
async def registry_topic(world: World) -> AsyncIterator[RegistryTopic]:
    """Give the topic of the registry, read and written for real."""
    index = RegistryIndex()
    table: Table[Row] = Table(
        world.kafka,
        topic=topic_name(world.prefix, "registry"),
        decode=decode_row,
        client_id="test",
        log=logs.get("test"),
        on_change=lambda _partition, key, row: index.note(key, row),
    )
    writer = TableWriter(
        world.kafka,
        table,
        transactional_id=lambda p: transactional_id(world.prefix, "registry", p),
        client_id="test",
        clock=SystemClock(),
        deadline_s=10,
    )
    reader = RegistryReader(table, writer, partitions=PARTITIONS)
    await reader.start()
    yield RegistryTopic(table, writer, index=index, partitions=PARTITIONS)
    await reader.stop()


class TestKafkaRegistry(RegistryContract):
    """The real registry keeps the promises of the port."""

    @pytest.fixture
    async def registry(self, world: World) -> AsyncIterator[KafkaRegistry]:
        """Give a registry over a real topic."""
        async with registry_topic(world) as topic:
            yield KafkaRegistry(topic, Vault([("k1", b"k" * 32)]))


class TestKafkaShelf(ShelfContract):
    """So does a real shelf."""

    @pytest.fixture
    async def shelf(self, world: World) -> AsyncIterator[KafkaShelf[EventTypeRecord]]:
        """Give the event types over a real topic."""
        async with registry_topic(world) as topic:
            yield KafkaShelf(topic, "event-type", EventTypeRecord, holder=EVENT_TYPES_SUBSCRIBER)
