"""Tests of the lag of the fan-out."""

from collections.abc import Callable, Mapping, Sequence

import pytest
import structlog
from aiokafka import TopicPartition
from structlog.testing import capture_logs

from chassis.clock import Clock
from chassis.kafka import KafkaUnavailable
from chassis.lifecycle import Component
from fanout.components import Reading
from fanout.lag import LagWatch
from tests.contract.lifecycle import LifecycleContract
from tests.fakes.clock import ManualClock


class FakeEnds:
    """Answers end offsets."""

    def __init__(self, end: int = 10) -> None:
        self.end = end
        self.asked: list[TopicPartition] = []

    async def start(self) -> None:
        """Connect."""

    async def end_offsets(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the same end for all."""
        self.asked = list(places)
        return dict.fromkeys(places, self.end)

    async def stop(self) -> None:
        """Disconnect."""


def _unreachable() -> FakeEnds:
    raise KafkaUnavailable("no broker")


def _watch(
    stands_at: Mapping[int, int],
    *,
    committed: Callable[[], FakeEnds],
    every: Callable[[], FakeEnds] | None = None,
    clock: Clock | None = None,
) -> LagWatch:
    return LagWatch(
        committed,
        every or committed,
        topic="p.events",
        stands_at=lambda: stands_at,
        clock=clock or ManualClock(),
        log=structlog.get_logger(),
    )


class TestLagWatchLife(LifecycleContract):
    """The watch has the life of a reader, also while no broker answers."""

    @pytest.fixture
    def component(self) -> Component:
        """Give a watch that finds nobody."""
        return Reading([_watch({0: 1}, committed=_unreachable)])


async def test_the_lag_is_the_sum_over_the_partitions_here() -> None:
    """A committed offset beyond the last answer counts as none."""
    ends = FakeEnds()
    committed = {0: 4, 1: 10}
    watch = _watch(committed, committed=lambda: ends)

    await watch.ask()
    assert watch.records() == 6

    committed[0] = 12
    assert watch.records() == 0
    assert TopicPartition("p.events", 1) in ends.asked


async def test_partitions_that_left_no_longer_count() -> None:
    """Their lag is shown by their new owner."""
    ends = FakeEnds()
    committed = {0: 4}
    watch = _watch(committed, committed=lambda: ends)
    await watch.ask()

    committed.clear()
    await watch.ask()

    assert watch.records() == 0


async def test_a_broker_out_of_reach_keeps_the_last_answer() -> None:
    """A scrape must not fail because Kafka does."""
    watch = _watch({0: 4}, committed=_unreachable)

    await watch.ask()

    assert watch.records() == 0


async def test_what_waits_behind_an_open_transaction_is_lag_and_told_once() -> None:
    """Until it ends, also when no record of its own is left to read."""
    clock, stable = ManualClock(), FakeEnds(10)
    watch = _watch({3: 8}, committed=lambda: stable, every=lambda: FakeEnds(25), clock=clock)
    await watch.ask()
    assert (watch.records(), watch.held_s()) == (17, 0)

    with capture_logs() as said:
        for _ in range(3):
            clock.advance(4)
            await watch.ask()
    assert watch.held_s() == 12
    assert [
        (line["event"], line["partition"], line["offset"], line["held_s"]) for line in said
    ] == [("fanout.held_by_transaction", 3, 10, 8.0)]

    stable.end = 25
    await watch.ask()
    assert (watch.records(), watch.held_s()) == (17, 0)
