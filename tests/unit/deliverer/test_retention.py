"""Tests of the watch over retention, with answers of our own."""

from collections.abc import Sequence

import pytest
import structlog
from prometheus_client import CollectorRegistry

from chassis.kafka import KafkaUnavailable
from chassis.lifecycle import Component
from deliverer.policy.machine import Machine
from deliverer.retention import RetentionWatch
from tests.contract.lifecycle import LifecycleContract
from tests.fakes.clock import ManualClock
from tests.unit.deliverer.policy.build import TIERS, delivery, feed, machine

TOPICS = ("t.deliveries", *(f"t.tier-{number}" for number in range(len(TIERS))))
LABELS = ("deliveries", *(f"tier-{number}" for number in range(len(TIERS))))
GAUGE = "hooklane_retention_endangered_lanes"


class FakeOffsets:
    """Answers with the same safe offset of `deliveries` for every partition, or not at all."""

    def __init__(self, safe: int | None) -> None:
        self.safe = safe
        self.is_away = False
        self.asked: list[tuple[list[int], int]] = []

    async def read(self, partitions: Sequence[int], now: int) -> dict[int, list[int | None]]:
        """Note the question."""
        self.asked.append((list(partitions), now))
        if self.is_away:
            raise KafkaUnavailable("nobody answers")
        return {partition: [self.safe, *[None] * len(TIERS)] for partition in partitions}


def _watch(
    offsets: FakeOffsets, owned: dict[int, Machine], registry: CollectorRegistry
) -> RetentionWatch:
    return RetentionWatch(
        offsets,
        registry,
        topics=TOPICS,
        labels=LABELS,
        owned=lambda: {partition: made.view for partition, made in owned.items()},
        clock=ManualClock(1_700_000_000_000),
        log=structlog.get_logger(),
    )


def _waiting() -> Machine:
    """Return a machine whose one lane waits from offset 3 on."""
    made = machine()
    feed(made, delivery(3))
    return made


class TestRetentionWatchLife(LifecycleContract):
    """It lives like every component."""

    @pytest.fixture
    def component(self) -> Component:
        """Give a watch that owns nothing."""
        return _watch(FakeOffsets(None), {}, CollectorRegistry())


async def test_a_lane_that_retention_nears_is_told_with_what_to_do() -> None:
    """The gauge counts the lanes of all partitions of the process."""
    registry = CollectorRegistry()
    offsets = FakeOffsets(4)
    watch = _watch(offsets, {2: _waiting(), 5: _waiting()}, registry)

    with structlog.testing.capture_logs() as lines:
        await watch.look()

    assert offsets.asked == [([2, 5], 1_700_000_000_000)]
    assert registry.get_sample_value(GAUGE, {"topic": "deliveries"}) == 2
    assert [(line["partition"], line["lane"]) for line in lines] == [(2, "s/0"), (5, "s/0")]
    assert lines[0]["log_level"] == "error"
    assert "raise retention.ms of t.deliveries" in lines[0]["advice"]
    assert "resume, mend or disable s" in lines[0]["advice"]


async def test_the_alarm_ends_when_the_records_are_safe() -> None:
    """Retention was raised, or the lane moved on."""
    registry = CollectorRegistry()
    offsets = FakeOffsets(4)
    watch = _watch(offsets, {0: _waiting()}, registry)
    await watch.look()

    offsets.safe = 0
    with structlog.testing.capture_logs() as lines:
        await watch.look()

    assert registry.get_sample_value(GAUGE, {"topic": "deliveries"}) == 0
    assert lines == []


async def test_brokers_that_are_away_leave_the_alarm_as_it_is() -> None:
    """Not knowing is no reason to call it safe."""
    registry = CollectorRegistry()
    offsets = FakeOffsets(4)
    watch = _watch(offsets, {0: _waiting()}, registry)
    await watch.look()

    offsets.is_away = True
    with structlog.testing.capture_logs() as lines:
        await watch.look()

    assert registry.get_sample_value(GAUGE, {"topic": "deliveries"}) == 1
    assert [line["event"] for line in lines] == ["retention.unknown"]


async def test_a_partition_that_was_lost_meanwhile_is_not_told() -> None:
    """Its new owner looks after it."""
    owned = {0: _waiting()}

    class Losing(FakeOffsets):
        async def read(self, partitions: Sequence[int], now: int) -> dict[int, list[int | None]]:
            owned.clear()
            return await super().read(partitions, now)

    registry = CollectorRegistry()
    watch = _watch(Losing(4), owned, registry)

    await watch.look()

    assert registry.get_sample_value(GAUGE, {"topic": "deliveries"}) == 0
