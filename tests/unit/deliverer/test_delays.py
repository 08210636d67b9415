"""The one reader of all delay topics."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError

from chassis.lifecycle import Component
from deliverer.delays import DelayReader
from tests.contract.lifecycle import LifecycleContract
from tests.fakes.deliverer import FakeRecord, silent_log

TOPICS = ("t.retry.5s", "t.retry.30s")


class FakeConsumer:
    """A group-less consumer over lists; hands out one batch per call."""

    def __init__(self, logs: dict[TopicPartition, list[FakeRecord]]) -> None:
        self._client = SimpleNamespace(_conns={}, _sync_task=None)
        self.logs = logs
        self.positions: dict[TopicPartition, int] = {}
        self.assigned: list[list[TopicPartition]] = []
        self.asked: list[set[TopicPartition]] = []
        self.failures = 0
        self.is_stopped = False

    async def start(self) -> None:
        """Start."""

    async def stop(self) -> None:
        """Stop."""
        self.is_stopped = True

    def assign(self, places: list[TopicPartition]) -> None:
        """Forget every position, as aiokafka does."""
        self.assigned.append(places)
        self.positions = dict.fromkeys(places, 0)

    def unsubscribe(self) -> None:
        """Have nothing."""
        self.assigned.append([])
        self.positions = {}

    def seek(self, place: TopicPartition, offset: int) -> None:
        """Move."""
        self.positions[place] = offset

    async def position(self, place: TopicPartition) -> int:
        """Return where it stands."""
        return self.positions[place]

    async def getmany(
        self, *places: TopicPartition, timeout_ms: int, max_records: int
    ) -> dict[TopicPartition, list[FakeRecord]]:
        """Return everything that is there."""
        assert places, "an empty list means all"
        self.asked.append(set(places))
        await asyncio.sleep(0)
        if self.failures:
            self.failures -= 1
            raise KafkaConnectionError("gone")
        got = {}
        for place in places:
            log, at = self.logs.get(place, []), self.positions[place]
            if log[at:]:
                got[place] = log[at:]
                self.positions[place] = len(log)
        return got


class Feed:
    """A partition that takes what it is given."""

    def __init__(self, *, closed: Sequence[int] = ()) -> None:
        self.closed = set(closed)
        self.got: list[tuple[int, list[int], int]] = []
        self.came = asyncio.Event()

    def can_read_tier(self, tier: int) -> bool:
        """Say no for the closed ones."""
        return tier not in self.closed

    def feed_tier(self, tier: int, records: Sequence[Any], end: int) -> None:
        """Note what came."""
        self.got.append((tier, [record.offset for record in records], end))
        self.came.set()


class Rig:
    """A reader over fake consumers."""

    def __init__(self) -> None:
        self.logs: dict[TopicPartition, list[FakeRecord]] = {}
        self.consumers: list[FakeConsumer] = []
        self.log, self.said = silent_log()
        self.reader = DelayReader(self._make, topics=TOPICS, log=self.log)

    def _make(self) -> FakeConsumer:
        self.consumers.append(FakeConsumer(self.logs))
        return self.consumers[-1]

    def fill(self, tier: int, partition: int, count: int) -> None:
        """Append records to a delay topic."""
        place = TopicPartition(TOPICS[tier], partition)
        log = self.logs.setdefault(place, [])
        log += [FakeRecord(len(log) + n) for n in range(count)]


class TestDelayReaderLife(LifecycleContract):
    """It lives like every component."""

    @pytest.fixture
    def component(self) -> Component:
        """Give a reader without partitions."""
        return Rig().reader


async def test_it_reads_from_the_given_positions_and_tells_the_end() -> None:
    """`$window` says where; each tier on its own."""
    rig, feed = Rig(), Feed()
    rig.fill(0, 3, 5)
    rig.reader.add(3, [2, 0], feed)

    await rig.reader.start()
    await asyncio.wait_for(feed.came.wait(), 5)
    await rig.reader.stop()

    assert feed.got == [(0, [2, 3, 4], 5)]
    assert rig.consumers[0].is_stopped


async def test_a_new_partition_does_not_move_the_others() -> None:
    """`assign` forgets all positions, so all are sought again (K1)."""
    rig, first, second = Rig(), Feed(), Feed()
    rig.fill(0, 1, 3)
    rig.reader.add(1, [0, 0], first)
    await rig.reader.start()
    await asyncio.wait_for(first.came.wait(), 5)
    rig.fill(1, 2, 1)

    rig.reader.add(2, [0, 0], second)
    await asyncio.wait_for(second.came.wait(), 5)
    await rig.reader.stop()

    assert first.got == [(0, [0, 1, 2], 3)]
    assert second.got == [(1, [0], 1)]


async def test_a_tier_without_room_is_left_out() -> None:
    """Its records stay in the log; the others are read."""
    rig, feed = Rig(), Feed(closed=[0])
    rig.fill(0, 1, 3)
    rig.fill(1, 1, 1)
    rig.reader.add(1, [0, 0], feed)

    await rig.reader.start()
    await asyncio.wait_for(feed.came.wait(), 5)
    await rig.reader.stop()

    assert feed.got == [(1, [0], 1)]
    assert all(TopicPartition(TOPICS[0], 1) not in asked for asked in rig.consumers[0].asked)


async def test_a_partition_that_moved_away_is_fed_no_more() -> None:
    """Also what was fetched for it already."""
    rig, feed, other = Rig(), Feed(), Feed()
    rig.reader.add(1, [0, 0], feed)
    rig.reader.add(2, [0, 0], other)
    rig.fill(0, 1, 3)
    rig.fill(0, 2, 1)

    rig.reader.remove(1)
    rig.reader.remove(1)
    await rig.reader.start()
    await asyncio.wait_for(other.came.wait(), 5)
    await rig.reader.stop()

    assert feed.got == []


async def test_a_failed_consumer_is_replaced_where_it_stood() -> None:
    """Positions are ours, not the consumer's; the fault is one line."""
    rig, feed = Rig(), Feed()
    rig.fill(0, 1, 2)
    rig.reader.add(1, [1, 0], feed)
    first = FakeConsumer(rig.logs)
    first.failures = 1
    rig.reader = DelayReader(
        lambda: first if not rig.consumers and not first.is_stopped else rig._make(),
        topics=TOPICS,
        log=rig.log,
    )
    rig.reader.add(1, [1, 0], feed)

    await rig.reader.start()
    await asyncio.wait_for(feed.came.wait(), 5)
    await rig.reader.stop()

    assert feed.got == [(0, [1], 2)]
    assert [entry["event"] for entry in rig.said.entries] == ["delays.rebuilt"]


async def test_a_defect_ends_the_reader_and_is_reported() -> None:
    """A partition whose retries are never read would look healthy."""
    rig, feed = Rig(), Feed()
    feed.can_read_tier = None  # type: ignore[assignment,method-assign]
    rig.reader.add(1, [0, 0], feed)

    assert isinstance(await rig.reader.wait_failed(), RuntimeError)
    await rig.reader.start()
    assert isinstance(await rig.reader.wait_failed(), TypeError)
    await rig.reader.stop()
