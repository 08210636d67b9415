"""What a takeover of fan-out reads of `events`, on a real Kafka.

The topic takes the time that the test names, so that a log may be as old as it needs to be.
"""

from collections.abc import Sequence
from functools import partial

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

from chassis import kafka, logs
from chassis.settings import KafkaSettings
from fanout.dedupe import DedupeWindow, Sighting
from fanout.event_log import Bounds, EventLog, OffsetsRefused, ResumePoint
from fanout.plan import Fingerprint
from fanout.received import Received
from tests.conftest import Broker
from tests.integration.topics import Plan, create_topics

pytestmark = pytest.mark.kafka

SPAN_MS = 3_600_000
OLD_MS = 1_700_000_000_000
"""Years ago: nothing here lies within an hour of now."""


class Shelf:
    """A log of one partition, and what reads it."""

    def __init__(self, settings: KafkaSettings, prefix: str) -> None:
        self._settings = settings
        self.lost: list[int] = []
        self.group = f"{prefix}-fanout"
        self.topic = f"{prefix}.events"
        self.deliveries_topic = f"{prefix}.deliveries"
        self.event_log = EventLog(
            partial(kafka.consumer, settings, client_id="test"),
            partial(kafka.admin, settings, client_id="test"),
            topic=self.topic,
            deliveries_topic=self.deliveries_topic,
            group=self.group,
            log=logs.get("test"),
            on_lost=self.lost.append,
        )

    async def append(
        self, times_ms: Sequence[int], *, topic: str = "", in_vain: bool = False
    ) -> None:
        """Append a record for each time, its value being its number; `in_vain` = abort them."""
        topic = topic or self.topic
        transactional_id = f"{self.topic}-vain" if in_vain else None
        maker = kafka.producer(self._settings, client_id="test", transactional_id=transactional_id)
        await kafka.start(maker)
        try:
            if in_vain:
                await maker.begin_transaction()
            for number, at_ms in enumerate(times_ms):
                value = str(number).encode()
                await maker.send_and_wait(topic, value, partition=0, timestamp_ms=at_ms)
            if in_vain:
                await maker.abort_transaction()
        finally:
            await kafka.retire(maker)

    async def commit(self, offset: int) -> None:
        """Let the group stand somewhere."""
        member = kafka.consumer(self._settings, client_id="test", group=self.group)
        await kafka.start(member)
        try:
            place = TopicPartition(self.topic, 0)
            member.assign([place])
            await member.commit({place: offset})
        finally:
            await kafka.retire(member)

    async def cut(self, first: int) -> None:
        """Remove what retention would have removed."""
        admin = kafka.admin(self._settings, client_id="test")
        await kafka.start(admin)
        try:
            await admin.delete_records(
                {TopicPartition(self.topic, 0): RecordsToDelete(before_offset=first)}
            )
        finally:
            await kafka.retire(admin)

    async def recall(self, upto: int, *, events_max: int = 1000) -> list[Fingerprint]:
        """Return what is known of the events before an offset."""
        bounds = Bounds(span_ms=SPAN_MS, events_max=events_max, bytes_max=1_000_000)
        return await self.event_log.recall(0, upto, bounds=bounds, digest=_digest)


def _digest(record: Received) -> Fingerprint | None:
    return Fingerprint(int(record.value or b"0"), 0, record.timestamp, 10)


@pytest.fixture
async def shelf(kafka: Broker, prefix: str) -> Shelf:
    """Give empty logs that keep what is old."""
    settings = KafkaSettings(bootstrap_servers=(kafka.bootstrap_servers,))
    shelf = Shelf(settings, prefix)
    config = {"message.timestamp.type": "CreateTime", "retention.ms": "-1"}
    topics = (shelf.topic, shelf.deliveries_topic)
    await create_topics(settings, [Plan(topic, config=config) for topic in topics])
    return shelf


async def test_the_window_ends_with_the_log_and_not_with_the_clock(shelf: Shelf) -> None:
    """After an outage longer than the window, a repeat that waited is known all the same."""
    await shelf.append([OLD_MS, OLD_MS + 1000, OLD_MS + SPAN_MS])

    seen = await shelf.recall(2)

    assert [known.identity for known in seen] == [0, 1]
    window = DedupeWindow(span_ms=SPAN_MS, events_max=1000, bytes_max=1_000_000)
    for known in seen:
        window.see(known.identity, known.content, at_ms=known.at_ms, size_bytes=known.size_bytes)
    late_ms = OLD_MS + SPAN_MS
    assert window.see(0, 0, at_ms=late_ms, size_bytes=10) is Sighting.DUPLICATE


async def test_nothing_is_read_beyond_the_span_before_the_newest(shelf: Shelf) -> None:
    """What is older is read only as far as it lies in the span of offsets that is read first."""
    await shelf.append([OLD_MS] * 600 + [OLD_MS + SPAN_MS + 1] * 300)

    seen = await shelf.recall(900)

    assert [known.identity for known in seen] == list(range(600, 900))


async def test_the_bounds_end_the_reading(shelf: Shelf) -> None:
    """However many events lie within the span."""
    await shelf.append([OLD_MS] * 600)

    seen = await shelf.recall(600, events_max=100)

    assert [known.identity for known in seen] == list(range(344, 600))


async def test_what_was_taken_back_hides_nothing(shelf: Shelf) -> None:
    """The newest record is looked for behind aborted ones, and old ones are no end."""
    await shelf.append([OLD_MS, OLD_MS])
    await shelf.append([OLD_MS + 9 * SPAN_MS] * 600, in_vain=True)

    assert [known.identity for known in await shelf.recall(603)] == [0, 1]
    assert await shelf.recall(0) == []


async def test_a_new_group_begins_with_the_first_event(shelf: Shelf) -> None:
    """Events that came before the first fan-out are delivered."""
    await shelf.append([OLD_MS] * 3)

    assert await shelf.event_log.resume_point(0) == ResumePoint(0, is_committed=False)


async def test_an_offset_that_was_lost_repeats_nothing(shelf: Shelf) -> None:
    """Something was fanned out, and nobody knows how far: one line says what to do."""
    await shelf.append([OLD_MS], topic=shelf.deliveries_topic)
    assert await shelf.event_log.resume_point(0) == ResumePoint(0, is_committed=False)
    await shelf.append([OLD_MS] * 3)

    with pytest.raises(OffsetsRefused) as caught:
        await shelf.event_log.resume_point(0)

    assert f"kafka-consumer-groups --reset-offsets --execute --group {shelf.group}" in str(
        caught.value
    )
    assert f"--topic {shelf.topic}:0" in str(caught.value)


async def test_a_loss_is_to_be_written_down_at_once(shelf: Shelf) -> None:
    """Else each takeover of a quiet partition would count it again."""
    await shelf.append([OLD_MS] * 4)
    await shelf.commit(1)
    before = await shelf.event_log.resume_point(0)
    await shelf.cut(3)

    found = await shelf.event_log.resume_point(0)
    await shelf.commit(found.offset)
    after = await shelf.event_log.resume_point(0)

    assert before == ResumePoint(1, is_committed=True)
    assert found == ResumePoint(3, is_committed=False)
    assert after == ResumePoint(3, is_committed=True)
    assert shelf.lost == [2]
