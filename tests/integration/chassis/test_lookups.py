"""Short questions to a real broker, and to one that is not there."""

import asyncio

import pytest
from aiokafka import TopicPartition

from chassis import kafka
from chassis.kafka import KafkaUnavailable, Record
from chassis.lookups import group_offset, opened
from chassis.settings import KafkaSettings
from tests.integration.chassis.conftest import MakeTopic, settings_for, tick_producer

pytestmark = pytest.mark.kafka


async def test_an_offset_is_found_or_known_to_be_missing(
    settings: KafkaSettings, make_topic: MakeTopic, prefix: str
) -> None:
    """A group that never committed has none; a transactional commit is seen."""
    topic, group = await make_topic("a"), f"{prefix}-g"
    place = TopicPartition(topic, 0)

    before = await group_offset(kafka.admin(settings, client_id="test"), group, place, timeout_s=30)
    producer = tick_producer(settings, f"{prefix}-p")
    await producer.claim()
    await producer.commit([Record(topic, 0, b"k", b"v")], offsets={(topic, 0): 7}, group=group)
    await producer.claim()  # as a takeover does: only then a commit's offset surely shows
    after = await group_offset(kafka.admin(settings, client_id="test"), group, place, timeout_s=30)
    await producer.retire()

    assert before is None
    assert after == 7


async def test_a_broker_that_is_away_is_named_with_the_question() -> None:
    """The error says what could not be read, and no task of the client stays."""
    nowhere = settings_for("127.0.0.1:1")
    place = TopicPartition("a", 0)

    with pytest.raises(KafkaUnavailable, match="offset of some-group not read"):
        await group_offset(kafka.admin(nowhere, client_id="test"), "some-group", place, timeout_s=5)

    assert len(asyncio.all_tasks()) == 1


async def test_a_fault_of_the_asker_is_passed_on(settings: KafkaSettings) -> None:
    """Only what the brokers did is translated; the client is retired all the same."""
    client = kafka.consumer(settings, client_id="test")

    with pytest.raises(ValueError, match="mine"):
        async with opened(client, what="nothing", timeout_s=30):
            raise ValueError("mine")

    assert len(asyncio.all_tasks()) == 1
