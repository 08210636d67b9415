"""Reading records back from a real topic."""

import asyncio

import pytest
from aiokafka import AIOKafkaProducer

from chassis.clock import SystemClock
from chassis.settings import KafkaSettings
from hooklane.exits import NOT_FOUND, CommandFailed
from hooklane.record_tail import Place, read_tail
from hooklane.topics_command import apply, read_settings
from schemas.topics import partition_of
from tests.conftest import Broker

pytestmark = pytest.mark.kafka
PARTITIONS = 3


async def events_topic(kafka: Broker, prefix: str) -> tuple[KafkaSettings, str]:
    """Create the topics; give how to reach them and the name of `events`."""
    settings = read_settings(
        {
            "HOOKLANE_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "HOOKLANE_TOPICS__PREFIX": prefix,
            "HOOKLANE_TOPICS__PARTITIONS": str(PARTITIONS),
            "HOOKLANE_TOPICS__REPLICATION_FACTOR": "1",
        }
    )
    await apply(settings)
    return settings.kafka, f"{prefix}.events"


async def test_the_latest_of_all_partitions(kafka: Broker, prefix: str) -> None:
    """As many as asked for, oldest first, with key, value and headers."""
    settings, _ = await events_topic(kafka, prefix)
    topic = f"{prefix}.attempts"  # its records have the time of their writer: no two the same
    now_ms = SystemClock().now_ms()
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers)
    await producer.start()
    for number in range(7):
        await producer.send_and_wait(
            topic,
            b"%d" % number,
            key=b"k%d" % number,
            headers=[("h", b"v")],
            timestamp_ms=now_ms + number,
        )
    await producer.stop()

    tail = await read_tail(settings, topic, count=3)

    assert tail.partitions == PARTITIONS
    assert [one.value for one in tail.samples] == [b"4", b"5", b"6"]
    assert tail.samples[0].partition == partition_of(b"k4", PARTITIONS)
    assert tail.samples[0].headers == [("h", b"v")]


async def test_from_a_place_on(kafka: Broker, prefix: str) -> None:
    """Partition and offset as a producer's answer names them."""
    settings, topic = await events_topic(kafka, prefix)
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers)
    await producer.start()
    for number in range(5):
        await producer.send_and_wait(topic, b"%d" % number, partition=1)
    await producer.stop()

    tail = await read_tail(settings, topic, count=2, place=Place(1, 2))
    beyond = await read_tail(settings, topic, count=2, place=Place(1, 99))

    assert [(one.offset, one.value) for one in tail.samples] == [(2, b"2"), (3, b"3")]
    assert beyond.samples == []


async def test_markers_of_transactions_are_no_records(kafka: Broker, prefix: str) -> None:
    """One record per transaction leaves every second offset empty; aborted ones are not shown."""
    settings, topic = await events_topic(kafka, prefix)
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka.bootstrap_servers, transactional_id=f"{prefix}-x"
    )
    await producer.start()
    for number in range(4):
        async with producer.transaction():
            await producer.send_and_wait(topic, b"%d" % number, partition=0)
    await producer.begin_transaction()
    await producer.send_and_wait(topic, b"aborted", partition=0)
    await producer.abort_transaction()
    await producer.stop()

    async with asyncio.timeout(20):
        tail = await read_tail(settings, topic, count=3)

    assert [one.value for one in tail.samples] == [b"1", b"2", b"3"]


async def test_what_is_not_there_is_3(kafka: Broker, prefix: str) -> None:
    """No topic, no such partition; an empty topic is just empty."""
    settings, topic = await events_topic(kafka, prefix)

    empty = await read_tail(settings, topic, count=5)
    with pytest.raises(CommandFailed, match="no topic") as no_topic:
        await read_tail(settings, f"{prefix}.nope", count=5)
    with pytest.raises(CommandFailed, match="partitions 0 to 2") as no_partition:
        await read_tail(settings, topic, count=5, place=Place(7))

    assert empty.samples == []
    assert (no_topic.value.code, no_partition.value.code) == (NOT_FOUND, NOT_FOUND)
