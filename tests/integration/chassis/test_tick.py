"""A tick against a real broker: all of it or nothing of it, by one owner."""

import asyncio
import secrets
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka import TopicPartition

from chassis import kafka
from chassis.kafka import Record
from chassis.settings import KafkaSettings
from chassis.tick import ProducerLost
from hooklane.embedded_kafka import EmbeddedKafka
from tests.integration.chassis.conftest import (
    MakeTopic,
    claim,
    create_topic,
    read_all,
    settings_for,
    tick_producer,
)

pytestmark = pytest.mark.kafka


async def committed(settings: KafkaSettings, group: str, topic: str) -> int | None:
    """Return the committed offset of partition 0."""
    client = kafka.admin(settings, client_id="test")
    await kafka.start(client)
    try:
        offsets = await client.list_consumer_group_offsets(group)
        found = offsets.get(TopicPartition(topic, 0))
        return None if found is None else found.offset
    finally:
        await kafka.retire(client)


async def test_commit_shows_records_and_offsets_together(
    settings: KafkaSettings, make_topic: MakeTopic, prefix: str
) -> None:
    """Records of two topics and the offset of the input become visible."""
    first, second = await make_topic("a"), await make_topic("b")
    producer = tick_producer(settings, f"{prefix}-p")
    await producer.claim()

    await producer.commit(
        [Record(first, 0, b"k", b"1"), Record(second, 0, None, b"2", [("h", b"x")])],
        offsets={(first, 0): 7},
        group=f"{prefix}-g",
    )

    assert await read_all(settings, first) == [b"1"]
    assert await read_all(settings, second) == [b"2"]
    await producer.claim()  # waits for the markers, also for that of the offset
    assert await committed(settings, f"{prefix}-g", first) == 7
    await producer.retire()


async def test_one_refused_record_undoes_the_whole_tick(
    settings: KafkaSettings, make_topic: MakeTopic, prefix: str
) -> None:
    """A record too large for its topic loses the producer and shows nothing; a claim heals."""
    good = await make_topic("good")
    small = await make_topic("small", max_message_bytes="500")
    producer = tick_producer(settings, f"{prefix}-p")
    await producer.claim()
    noise = secrets.token_bytes(2000)

    with pytest.raises(ProducerLost) as lost:
        await producer.commit(
            [Record(good, 0, None, b"never"), Record(small, 0, None, noise)],
            offsets={(good, 0): 3},
            group=f"{prefix}-g",
        )

    assert not lost.value.fenced
    assert not producer.is_claimed
    await producer.claim()
    await producer.commit([Record(good, 0, None, b"after")])
    assert await read_all(settings, good) == [b"after"]
    assert await read_all(settings, small) == []
    assert await committed(settings, f"{prefix}-g", good) is None
    await producer.retire()


async def test_a_second_claim_fences_the_first(
    settings: KafkaSettings, make_topic: MakeTopic, prefix: str
) -> None:
    """The zombie's commit fails as fenced and never shows, the successor's does."""
    topic = await make_topic()
    zombie = tick_producer(settings, f"{prefix}-p")
    successor = tick_producer(settings, f"{prefix}-p")
    await zombie.claim()
    await zombie.commit([Record(topic, 0, None, b"before")])
    await successor.claim()

    with pytest.raises(ProducerLost) as lost:
        await zombie.commit([Record(topic, 0, None, b"zombie")], offsets={(topic, 0): 9}, group="g")
    await successor.commit([Record(topic, 0, None, b"successor")])

    assert lost.value.fenced
    assert await read_all(settings, topic) == [b"before", b"successor"]
    await successor.retire()


async def test_a_claim_ends_the_open_transaction_of_its_predecessor(
    settings: KafkaSettings, make_topic: MakeTopic, prefix: str
) -> None:
    """Records appended but not committed by a dead owner are gone and block no reader."""
    topic = await make_topic()
    dead = tick_producer(settings, f"{prefix}-p")
    await dead.claim()
    inner: Any = dead._producer
    await inner.begin_transaction()
    await kafka.produce(inner, [Record(topic, 0, None, b"lost")])
    successor = tick_producer(settings, f"{prefix}-p")

    await successor.claim()
    await successor.commit([Record(topic, 0, None, b"found")])

    assert await read_all(settings, topic) == [b"found"]
    await dead.retire()
    await successor.retire()


async def test_many_batches_of_one_partition_keep_their_order(
    settings: KafkaSettings, make_topic: MakeTopic, prefix: str
) -> None:
    """A tick of several batches per partition is one transaction in the order given."""
    topic = await make_topic(partitions=2)
    producer = tick_producer(settings, f"{prefix}-p")
    await producer.claim()
    filler = bytes(20_000)

    await producer.commit(
        [Record(topic, n % 2, None, n.to_bytes(4, "big") + filler) for n in range(80)]
    )

    for partition in (0, 1):
        values = await read_all(settings, topic, partition)
        numbers = [int.from_bytes((value or b"")[:4], "big") for value in values]
        assert numbers == list(range(partition, 80, 2))
    await producer.retire()


async def test_the_brokers_clock_is_compared(
    settings: KafkaSettings, make_topic: MakeTopic, prefix: str
) -> None:
    """With append time the answer shows the skew, on one machine none; else nothing."""
    stamped = await make_topic("stamped", message_timestamp_type="LogAppendTime")
    plain = await make_topic("plain")
    producer = tick_producer(settings, f"{prefix}-p")
    await producer.claim()

    assert (await producer.commit([Record(stamped, 0, None, b"x")])).append_skew_ms == 0
    assert (await producer.commit([Record(plain, 0, None, b"x")])).append_skew_ms is None
    await producer.retire()


async def test_a_frozen_broker_costs_the_bound_and_leaves_no_task(
    own_kafka: Callable[..., EmbeddedKafka], prefix: str
) -> None:
    """A commit without answer is lost after its bound; nothing stays; the next claim works."""
    node = await asyncio.to_thread(own_kafka)
    settings = settings_for(node.bootstrap_servers)
    topic = await create_topic(settings, f"{prefix}.in")
    patient = tick_producer(settings, f"{prefix}-p")
    await patient.claim()
    await patient.commit([Record(topic, 0, None, b"1")])
    await patient.retire()
    producer = tick_producer(settings, f"{prefix}-p", commit_timeout_s=1.5, claim_timeout_s=2)
    await claim(producer)
    loop = asyncio.get_running_loop()
    node.pause()

    began = loop.time()
    with pytest.raises(ProducerLost) as lost:
        await producer.commit([Record(topic, 0, None, b"2")])
    with pytest.raises(ProducerLost):
        await producer.claim()
    took_s = loop.time() - began

    assert not lost.value.fenced
    assert took_s < 20
    assert asyncio.all_tasks() == {asyncio.current_task()}
    node.resume()
    await claim(patient)
    await patient.commit([Record(topic, 0, None, b"3")])
    assert await read_all(settings, topic) in ([b"1", b"3"], [b"1", b"2", b"3"])
    await patient.retire()
