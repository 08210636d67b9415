"""Clients as the chassis constructs them, against a real broker."""

import asyncio
import secrets
from collections.abc import Callable

import pytest
import structlog
from aiokafka import TopicPartition

from chassis import kafka, kafka_seam
from chassis.kafka import KafkaUnavailable, Record
from chassis.settings import KafkaSettings
from hooklane.embedded_kafka import EmbeddedKafka
from tests.integration.chassis.conftest import (
    MakeTopic,
    create_topic,
    read_all,
    settings_for,
    until,
)

pytestmark = pytest.mark.kafka


async def test_produce_answers_with_offsets_in_order(
    settings: KafkaSettings, make_topic: MakeTopic
) -> None:
    """One answer per batch; key, value and headers arrive as given."""
    topic = await make_topic(partitions=2)
    producer = kafka.producer(settings, client_id="test")
    await kafka.start(producer)

    first = await kafka.produce(
        producer, [Record(topic, 0, b"k", b"1"), Record(topic, 1, None, b"2")]
    )
    second = await kafka.produce(producer, [Record(topic, 0, b"k", None, (("h", b"v"),))])

    third = await kafka.append_batch(producer, [Record(topic, 0, b"k", b"3")] * 2)

    assert {(a.partition, a.offset) for a in first} == {(0, 0), (1, 0)}
    assert [(a.partition, a.offset) for a in second] == [(0, 1)]
    assert (third.partition, third.offset) == (0, 2)
    assert await read_all(settings, topic) == [b"1", None, b"3", b"3"]
    with pytest.raises(ValueError, match="fit"):
        await kafka.append_batch(producer, [Record(topic, 0, None, bytes(kafka.BATCH_BYTES))] * 2)
    await kafka.retire(producer)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_large_record_travels(settings: KafkaSettings, make_topic: MakeTopic) -> None:
    """RECORD_BYTES_MAX is what a default topic takes, incompressible, and what a fetch returns."""
    topic = await make_topic()
    value = secrets.token_bytes(kafka.RECORD_BYTES_MAX - 200)
    record = Record(topic, 0, None, value)
    assert kafka.record_bytes(record) <= kafka.RECORD_BYTES_MAX
    producer = kafka.producer(settings, client_id="test")
    await kafka.start(producer)

    await kafka.produce(producer, [record])

    assert await read_all(settings, topic) == [value]
    await kafka.retire(producer)


async def test_waiting_for_brokers_says_so_once(own_kafka: Callable[..., EmbeddedKafka]) -> None:
    """One line while nobody answers, one when somebody does; nothing stays behind."""
    node = await asyncio.to_thread(own_kafka)
    await asyncio.to_thread(node.kill)
    stop = asyncio.Event()
    with structlog.testing.capture_logs() as lines:
        waiting = asyncio.create_task(
            kafka.wait_for_brokers(
                settings_for(node.bootstrap_servers), structlog.get_logger(), stop
            )
        )
        await until(lambda: bool(lines))
        await asyncio.to_thread(node.start)
        assert await waiting

    assert [line["event"] for line in lines] == ["kafka.waiting", "kafka.reached"]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_frozen_broker_cannot_hold_a_client(
    own_kafka: Callable[..., EmbeddedKafka], prefix: str
) -> None:
    """Start is bounded; a producer with unsent records and a group member end in bounded time."""
    node = await asyncio.to_thread(own_kafka)
    settings = settings_for(node.bootstrap_servers)
    topic = await create_topic(settings, f"{prefix}.in")
    producer = kafka.producer(settings, client_id="test")
    await kafka.start(producer)
    await kafka.produce(producer, [Record(topic, 0, None, b"1")])
    member = kafka.consumer(settings, client_id="test", group=f"{prefix}-group")
    await kafka.start(member)
    member.subscribe([topic])
    await member.getmany(timeout_ms=100)
    node.pause()
    sending = asyncio.create_task(kafka.produce(producer, [Record(topic, 0, None, b"2")]))
    for _ in range(20):  # turns of the loop: the record is on its way then
        await asyncio.sleep(0)
    loop = asyncio.get_running_loop()
    began = loop.time()

    with pytest.raises(KafkaUnavailable):
        await kafka.start(kafka.admin(settings, client_id="test"), timeout_s=1)
    await kafka.retire(producer, timeout_s=1)
    await kafka.retire(member, timeout_s=1)

    assert loop.time() - began < 20
    with pytest.raises(Exception, match="given up"):
        await sending
    assert asyncio.all_tasks() == {asyncio.current_task()}
    node.resume()


async def test_the_seam_reads_what_aiokafka_hides(
    settings: KafkaSettings, make_topic: MakeTopic, prefix: str
) -> None:
    """Generation, member, position, fetch time and membership, before and after joining."""
    topic = await make_topic()
    place = TopicPartition(topic, 0)
    member = kafka.consumer(settings, client_id="test", group=f"{prefix}-group")
    assert kafka_seam.generation(member) == -1
    assert kafka_seam.member_id(member) == ""
    assert kafka_seam.position_of(member, place) is None
    assert kafka_seam.stable_end_of(member, place) is None
    assert kafka_seam.fetched_at_ms(member, place) is None
    assert kafka_seam.coordination_fault(member) is None
    assert await kafka_seam.confirm_membership(member) is None

    await kafka.start(member)
    member.subscribe([topic])
    await member.getmany(timeout_ms=100)
    await until(lambda: kafka_seam.fetched_at_ms(member, place) is not None)

    assert kafka_seam.generation(member) >= 1
    assert kafka_seam.member_id(member).startswith("test-")
    assert kafka_seam.position_of(member, place) == 0
    assert kafka_seam.stable_end_of(member, place) == 0
    assert await kafka_seam.confirm_membership(member) is True
    member._coordinator.generation += 1
    assert await kafka_seam.confirm_membership(member) is False
    await kafka.retire(member)
    assert asyncio.all_tasks() == {asyncio.current_task()}
