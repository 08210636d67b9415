"""Tests of the lag of the fan-out."""

from collections.abc import Sequence

import pytest
from aiokafka import TopicPartition

from chassis.kafka import KafkaUnavailable
from chassis.lifecycle import Component
from fanout.components import Reading
from fanout.lag import LagWatch
from tests.contract.lifecycle import LifecycleContract


class FakeEnds:
    """Answers end offsets."""

    def __init__(self) -> None:
        self.end = 10
        self.asked: list[TopicPartition] = []

    async def start(self) -> None:
        """Connect."""

    async def end_offsets(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the same end for all."""
        self.asked = list(places)
        return dict.fromkeys(places, self.end)


def _unreachable() -> FakeEnds:
    raise KafkaUnavailable("no broker")


class TestLagWatchLife(LifecycleContract):
    """The watch has the life of a reader, also while no broker answers."""

    @pytest.fixture
    def component(self) -> Component:
        """Give a watch that finds nobody."""
        return Reading([LagWatch(_unreachable, topic="p.events", stands_at=lambda: {0: 1})])


async def test_the_lag_is_the_sum_over_the_partitions_here() -> None:
    """A committed offset beyond the last answer counts as none."""
    ends = FakeEnds()
    committed = {0: 4, 1: 10}
    watch = LagWatch(lambda: ends, topic="p.events", stands_at=lambda: committed)

    await watch.ask()
    assert watch.records() == 6

    committed[0] = 12
    assert watch.records() == 0
    assert TopicPartition("p.events", 1) in ends.asked


async def test_partitions_that_left_no_longer_count() -> None:
    """Their lag is shown by their new owner."""
    ends = FakeEnds()
    committed = {0: 4}
    watch = LagWatch(lambda: ends, topic="p.events", stands_at=lambda: committed)
    await watch.ask()

    committed.clear()
    await watch.ask()

    assert watch.records() == 0


async def test_a_broker_out_of_reach_keeps_the_last_answer() -> None:
    """A scrape must not fail because Kafka does."""
    watch = LagWatch(_unreachable, topic="p.events", stands_at=lambda: {0: 4})

    await watch.ask()

    assert watch.records() == 0
