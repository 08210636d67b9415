"""The reader that reads the log again."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka import TopicPartition

from chassis.lifecycle import Component
from deliverer.sweep import SweepReader
from tests.contract.lifecycle import LifecycleContract
from tests.fakes.deliverer import NAMES, FakeRecord, silent_log
from tests.unit.deliverer.test_delays import FakeConsumer


class Feed:
    """A partition that wants offsets up to an end, and takes one batch at a time."""

    def __init__(self, target: int | None, *, upto: int) -> None:
        self.target = target
        self.upto = upto
        self.got: list[tuple[list[int], int, int]] = []
        self.is_done = asyncio.Event()

    def sweep_target(self) -> int | None:
        """Return from where."""
        return self.target

    def feed_sweep(self, records: Sequence[Any], *, start: int, end: int) -> None:
        """Note what came and want what follows."""
        self.got.append(([record.offset for record in records], start, end))
        self.target = end if end < self.upto else None
        if self.target is None:
            self.is_done.set()


class Rig:
    """A reader over fake consumers."""

    def __init__(self) -> None:
        self.logs: dict[TopicPartition, list[FakeRecord]] = {}
        self.consumers: list[FakeConsumer] = []
        self.log, self.said = silent_log()
        self.failures = 0
        self.read: list[int] = []
        self.reader = SweepReader(
            self._make, topic=NAMES.deliveries, log=self.log, on_read=self.read.append
        )

    def _make(self) -> FakeConsumer:
        self.consumers.append(FakeConsumer(self.logs))
        self.consumers[-1].failures, self.failures = self.failures, 0
        return self.consumers[-1]

    def fill(self, partition: int, count: int) -> None:
        """Append records to the log."""
        log = self.logs.setdefault(TopicPartition(NAMES.deliveries, partition), [])
        log += [FakeRecord(len(log) + n) for n in range(count)]


class TestSweepReaderLife(LifecycleContract):
    """It lives like every component."""

    @pytest.fixture
    def component(self) -> Component:
        """Give a reader without partitions."""
        return Rig().reader


async def test_it_reads_from_the_target() -> None:
    """Start and end come with the records, so the machine can judge the batch."""
    rig = Rig()
    rig.fill(3, 5)
    feed = Feed(2, upto=5)
    rig.reader.add(3, feed)

    await rig.reader.start()
    await asyncio.wait_for(feed.is_done.wait(), 5)
    await rig.reader.stop()

    assert feed.got == [([2, 3, 4], 2, 5)]
    assert rig.read == [3]
    assert rig.consumers[0].is_stopped


async def test_only_partitions_with_a_target_are_assigned() -> None:
    """An idle partition costs no fetch."""
    rig = Rig()
    rig.fill(1, 3)
    rig.fill(2, 3)
    feed, idle = Feed(0, upto=3), Feed(None, upto=3)
    rig.reader.add(1, feed)
    rig.reader.add(2, idle)

    await rig.reader.start()
    await asyncio.wait_for(feed.is_done.wait(), 5)
    await rig.reader.stop()

    assert rig.consumers[0].assigned == [[TopicPartition(NAMES.deliveries, 1)]]
    assert idle.got == []


async def test_a_wake_ends_the_rest() -> None:
    """A target that appears is read at once, not at the next look."""
    rig = Rig()
    rig.fill(1, 3)
    feed = Feed(None, upto=3)
    rig.reader.add(1, feed)
    await rig.reader.start()
    for _ in range(20):
        await asyncio.sleep(0)

    feed.target = 1
    rig.reader.wake()
    await asyncio.wait_for(feed.is_done.wait(), 0.9)
    await rig.reader.stop()

    assert feed.got == [([1, 2], 1, 3)]


async def test_a_new_target_elsewhere_is_sought() -> None:
    """Another pass begins where the machine says."""
    rig = Rig()
    rig.fill(1, 4)
    feed = Feed(2, upto=4)
    rig.reader.add(1, feed)
    await rig.reader.start()
    await asyncio.wait_for(feed.is_done.wait(), 5)

    feed.is_done.clear()
    feed.target = 0
    rig.reader.wake()
    await asyncio.wait_for(feed.is_done.wait(), 5)
    await rig.reader.stop()

    assert [start for _, start, _ in feed.got] == [2, 0]


async def test_a_partition_that_moved_away_is_asked_no_more() -> None:
    """Whatever its target was."""
    rig = Rig()
    rig.fill(1, 3)
    rig.fill(2, 1)
    feed, other = Feed(0, upto=3), Feed(0, upto=1)
    rig.reader.add(1, feed)
    rig.reader.add(2, other)

    rig.reader.remove(1)
    rig.reader.remove(1)
    await rig.reader.start()
    await asyncio.wait_for(other.is_done.wait(), 5)
    await rig.reader.stop()

    assert feed.got == []


async def test_a_failed_consumer_is_replaced() -> None:
    """The target is asked again, so nothing is skipped."""
    rig = Rig()
    rig.fill(1, 3)
    rig.failures = 1
    feed = Feed(1, upto=3)
    rig.reader.add(1, feed)

    await rig.reader.start()
    await asyncio.wait_for(feed.is_done.wait(), 5)
    await rig.reader.stop()

    assert feed.got == [([1, 2], 1, 3)]
    assert [entry["event"] for entry in rig.said.entries] == ["sweep.rebuilt"]


async def test_a_defect_is_reported() -> None:
    """Lanes that are never read again would look healthy."""
    rig = Rig()
    rig.reader.add(1, None)  # type: ignore[arg-type]

    assert isinstance(await rig.reader.wait_failed(), RuntimeError)
    await rig.reader.start()
    assert isinstance(await rig.reader.wait_failed(), AttributeError)
    await rig.reader.stop()
