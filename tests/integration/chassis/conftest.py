"""What the tests against a real broker share."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import cast

import pytest
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import RecordsToDelete
from structlog.typing import FilteringBoundLogger

from chassis import kafka
from chassis.clock import SystemClock
from chassis.kafka import Record
from chassis.settings import KafkaSettings
from chassis.tick import ProducerLost, TickProducer
from tests.conftest import Broker
from tests.integration.topics import Plan, create_topics

MakeTopic = Callable[..., Awaitable[str]]
Commit = Callable[[Sequence[Record]], Awaitable[None]]


@pytest.fixture
def settings(kafka: Broker) -> KafkaSettings:
    """Give the way to the broker of the run."""
    return settings_for(kafka.bootstrap_servers)


@pytest.fixture
def log() -> FilteringBoundLogger:
    """Give a logger."""
    return cast(FilteringBoundLogger, structlog.get_logger())


@pytest.fixture
def make_topic(settings: KafkaSettings, prefix: str) -> MakeTopic:
    """Give a factory of topics with names of this test."""

    async def make(suffix: str = "in", partitions: int = 1, **config: str) -> str:
        return await create_topic(settings, f"{prefix}.{suffix}", partitions, **config)

    return make


@pytest.fixture
async def commit(settings: KafkaSettings, prefix: str) -> AsyncIterator[Commit]:
    """Give an appender of records in a transaction of their own, so that markers lie between."""
    writer = tick_producer(settings, f"{prefix}-appender")
    await writer.claim()

    async def append(records: Sequence[Record]) -> None:
        await writer.commit(records)
        await writer.claim()  # markers follow a commit's answer; a claim waits for them

    yield append
    await writer.retire()


def settings_for(bootstrap_servers: str) -> KafkaSettings:
    """Return the settings of a plain broker."""
    return KafkaSettings(bootstrap_servers=tuple(bootstrap_servers.split(",")))


def tick_producer(settings: KafkaSettings, name: str, **bounds: float) -> TickProducer:
    """Return an unclaimed producer."""
    return TickProducer(
        settings, transactional_id=name, client_id="test", clock=SystemClock(), **bounds
    )


async def claim(ticks: TickProducer) -> None:
    """Claim until it works: a broker that has just started, or is busy, may take longer."""
    async with asyncio.timeout(60):
        while True:
            try:
                await ticks.claim()
            except ProducerLost:
                await asyncio.sleep(0.2)
            else:
                return


async def create_topic(
    settings: KafkaSettings, name: str, partitions: int = 1, **config: str
) -> str:
    """Create a topic; `cleanup_policy="compact"` stands for cleanup.policy."""
    configs = {key.replace("_", "."): value for key, value in config.items()}
    await create_topics(settings, [Plan(name, partitions, config=configs)])
    return name


async def remove_below(settings: KafkaSettings, topic: str, partition: int, *, offset: int) -> None:
    """Let a log begin at an offset, as retention does in its own time."""
    client = kafka.admin(settings, client_id="test")
    await kafka.start(client)
    try:
        await client.delete_records({TopicPartition(topic, partition): RecordsToDelete(offset)})
    finally:
        await kafka.retire(client)


async def read_all(settings: KafkaSettings, topic: str, partition: int = 0) -> list[bytes | None]:
    """Return the values that a read-committed reader sees up to the end.

    A commit is answered before its markers are written, so the end waits for what is there.
    """
    reader = kafka.consumer(settings, client_id="test")
    await kafka.start(reader)
    place = TopicPartition(topic, partition)
    try:
        reader.assign([place])
        end = await _settled_end(reader, place, settings)
        values: list[bytes | None] = []
        while await reader.position(place) < end:
            for records in (await reader.getmany(place, timeout_ms=200)).values():
                values += [record.value for record in records]
        return values
    finally:
        await kafka.retire(reader)


async def _settled_end(
    reader: AIOKafkaConsumer, place: TopicPartition, settings: KafkaSettings
) -> int:
    """Return the stable end once every transaction that is in the log by now has ended."""
    looker = AIOKafkaConsumer(bootstrap_servers=list(settings.bootstrap_servers))
    await kafka.start(looker)
    try:
        written = (await looker.end_offsets([place]))[place]
    finally:
        await kafka.retire(looker)
    async with asyncio.timeout(30):
        while (end := (await reader.end_offsets([place]))[place]) < written:  # noqa: ASYNC110
            await asyncio.sleep(0.02)  # the broker tells no event
    return int(end)


async def until(is_true: Callable[[], bool], *, timeout_s: float = 30) -> None:
    """Wait for a condition, looking often; the bound only ends a broken test."""
    async with asyncio.timeout(timeout_s):
        while not is_true():  # noqa: ASYNC110  # the product has no event for a test
            await asyncio.sleep(0.02)
