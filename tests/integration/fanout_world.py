"""A Kafka with our topics, a producer, and what fan-out wrote; shared by the fan-out's tests."""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from chassis import kafka
from chassis.kafka import Record
from chassis.lifecycle import Component
from chassis.settings import AdminSettings, KafkaSettings, TopicsSettings
from fanout.service import build
from fanout.settings import FanoutLimits, FanoutSettings
from schemas.delivery import DeliveryEnvelope, decode_delivery
from schemas.event_types import EVENT_TYPES_SUBSCRIBER
from schemas.registry import registry_key
from schemas.topics import partition_of, plan, topic_name
from tests.integration.topics import create_topics
from tests.registry_keys import event_type_key

PARTITIONS = 3
ROOT = Path(__file__).parents[2]
WAIT_S = 45.0


class World:
    """Names and clients for one test's topics."""

    def __init__(self, bootstrap_servers: str, prefix: str) -> None:
        self.prefix = prefix
        self.kafka = KafkaSettings(bootstrap_servers=(bootstrap_servers,))
        self._bootstrap_servers = bootstrap_servers

    def topic(self, suffix: str) -> str:
        """Return a topic's full name."""
        return topic_name(self.prefix, suffix)

    def settings(self, **limits: object) -> FanoutSettings:
        """Return the settings of a fan-out on these topics."""
        return FanoutSettings(
            kafka=self.kafka,
            topics=TopicsSettings(prefix=self.prefix, partitions=PARTITIONS, replication_factor=1),
            admin=AdminSettings(host="127.0.0.1", port=0),
            fanout=FanoutLimits.model_validate(limits),
        )

    async def create_topics(self) -> None:
        """Create all topics of the product."""
        await create_topics(self.kafka, plan(self.prefix, PARTITIONS, 1))

    async def append(self, records: Sequence[Record]) -> None:
        """Append records and wait for all."""
        maker = kafka.producer(self.kafka, client_id="test")
        await kafka.start(maker)
        try:
            await kafka.produce(maker, records)
        finally:
            await kafka.retire(maker)

    async def append_in_vain(self, records: Sequence[Record]) -> None:
        """Append records in a transaction of a producer's own that is then aborted."""
        maker = kafka.producer(self.kafka, client_id="test", transactional_id=f"{self.prefix}-vain")
        await kafka.start(maker)
        try:
            await maker.begin_transaction()
            await kafka.produce(maker, records)
            await maker.abort_transaction()
        finally:
            await kafka.retire(maker)

    async def subscribe(self, subscriber: str, subscription: str, **fields: object) -> None:
        """Write a subscription into the registry."""
        document = {
            "id": subscription,
            "subscriber": subscriber,
            "version": 1,
            "sealed": "AA==",
            "created_at": "2026-01-02T03:04:05.678Z",
            "updated_at": "2026-01-02T03:04:05.678Z",
            **fields,
        }
        key = registry_key(subscriber, "subscription", subscription)
        place = partition_of(subscriber.encode(), PARTITIONS)
        await self.append([Record(self.topic("registry"), place, key, orjson.dumps(document))])

    async def define(self, name: str, **fields: object) -> None:
        """Write an event type into the registry."""
        document = {
            "name": name,
            "version": 1,
            "created_at": "2026-01-02T03:04:05.678Z",
            "updated_at": "2026-01-02T03:04:05.678Z",
            **fields,
        }
        place = partition_of(EVENT_TYPES_SUBSCRIBER.encode(), PARTITIONS)
        key = event_type_key(name)
        await self.append([Record(self.topic("registry"), place, key, orjson.dumps(document))])

    def event(
        self, subscriber: str, number: int, data: bytes = b"{}", *, partition: int | None = None
    ) -> Record:
        """Return a record as a direct producer writes it."""
        place = partition_of(subscriber.encode(), PARTITIONS) if partition is None else partition
        headers = [
            ("ce_specversion", b"1.0"),
            ("ce_id", str(number).encode()),
            ("ce_source", b"/test"),
            ("ce_type", b"order.paid"),
        ]
        return Record(self.topic("events"), place, subscriber.encode(), data, headers)

    async def read(
        self,
        suffix: str,
        *,
        upto: int = 0,
        until: Callable[[Sequence["Seen"]], bool] = lambda _: True,
    ) -> list["Seen"]:
        """Return all committed records; waits until there are `upto` and `until` is content."""
        reader: AIOKafkaConsumer = kafka.consumer(self.kafka, client_id="test")
        places = [TopicPartition(self.topic(suffix), p) for p in range(PARTITIONS)]
        seen: list[Seen] = []
        await kafka.start(reader)
        try:
            reader.assign(places)
            async with asyncio.timeout(WAIT_S):
                while True:
                    ends = await reader.end_offsets(places)
                    at = [await reader.position(place) for place in places]
                    is_at_end = all(
                        position >= ends[place] for position, place in zip(at, places, strict=True)
                    )
                    if is_at_end and len(seen) >= upto and until(seen):
                        return seen
                    for records in (await reader.getmany(*places, timeout_ms=100)).values():
                        seen += [Seen(record) for record in records]
        except TimeoutError:
            raise AssertionError(f"{len(seen)} of {upto} records in {suffix}") from None
        finally:
            await kafka.retire(reader)

    async def lag(self, group: str, suffix: str) -> int:
        """Return how many offsets of a topic a group has not committed."""
        places = [TopicPartition(self.topic(suffix), p) for p in range(PARTITIONS)]
        client = kafka.admin(self.kafka, client_id="test")
        reader = kafka.consumer(self.kafka, client_id="test")
        await kafka.start(client)
        try:
            await kafka.start(reader)
            found = await client.list_consumer_group_offsets(group, partitions=places)
            ends = await reader.end_offsets(places)
        finally:
            await kafka.retire(client)
            await kafka.retire(reader)
        return sum(ends[place] - max(0, found[place].offset) for place in places)

    async def offsets(self, group: str, suffix: str) -> list[int]:
        """Return what a group has committed of each partition, -1 for nothing."""
        places = [TopicPartition(self.topic(suffix), p) for p in range(PARTITIONS)]
        client = kafka.admin(self.kafka, client_id="test")
        await kafka.start(client)
        try:
            found = await client.list_consumer_group_offsets(group, partitions=places)
        finally:
            await kafka.retire(client)
        return [found[place].offset for place in places]

    @asynccontextmanager
    async def running(self, **limits: object) -> AsyncIterator[Sequence[Component]]:
        """Run a fan-out in this process."""
        components = build(self.settings(**limits))
        started: list[Component] = []
        try:
            for component in components:
                started.append(component)
                await component.start()
            yield components
            for component in reversed(started):
                await component.drain(10)
        finally:
            for component in reversed(started):
                await component.stop()

    @asynccontextmanager
    async def process(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """Run a fan-out process; ends by kill if the test has not ended it."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "fanout",
            cwd=ROOT,
            env={
                **os.environ,  # noqa: TID251 - a child process needs the surroundings of this one
                "HOOKLANE_KAFKA__BOOTSTRAP_SERVERS": self._bootstrap_servers,
                "HOOKLANE_TOPICS__PREFIX": self.prefix,
                "HOOKLANE_TOPICS__PARTITIONS": str(PARTITIONS),
                "HOOKLANE_TOPICS__REPLICATION_FACTOR": "1",
                "HOOKLANE_ADMIN__HOST": "127.0.0.1",
                "HOOKLANE_ADMIN__PORT": "0",
            },
            stdout=asyncio.subprocess.DEVNULL,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


class Seen:
    """A record that was read."""

    def __init__(self, record: object) -> None:
        self.partition: int = record.partition  # type: ignore[attr-defined]  # aiokafka is untyped
        self.offset: int = record.offset  # type: ignore[attr-defined]
        self.key: bytes | None = record.key  # type: ignore[attr-defined]
        self.value: bytes | None = record.value  # type: ignore[attr-defined]
        self.headers: list[tuple[str, bytes]] = list(record.headers)  # type: ignore[attr-defined]

    @property
    def delivery(self) -> DeliveryEnvelope:
        """Return the envelope."""
        envelope = decode_delivery(self.headers)
        assert isinstance(envelope, DeliveryEnvelope)
        return envelope

    @property
    def event_id(self) -> str:
        """Return the id of the event."""
        return dict(self.headers)["ce_id"].decode()


def pairs(deliveries: Sequence[Seen]) -> Counter[tuple[str, str, str]]:
    """Count deliveries by (subscriber, event, subscription)."""
    return Counter(
        ((seen.key or b"").decode(), seen.event_id, seen.delivery.subscription)
        for seen in deliveries
    )
