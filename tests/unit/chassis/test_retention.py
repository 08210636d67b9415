"""Tests of the watch over retention, with answers of our own."""

from collections.abc import Mapping, Sequence

import msgspec
import pytest
import structlog
from prometheus_client import CollectorRegistry

from chassis.kafka import KafkaUnavailable
from chassis.lifecycle import Component
from chassis.retention import RetentionWatch, horizon
from tests.contract.lifecycle import LifecycleContract
from tests.fakes.clock import ManualClock

NOW = 1_700_000_000_000
HOUR = 3_600_000
GAUGE = "hooklane_retention_endangered_lanes"


class FakeOffsets:
    """Answers with the same safe offset of the first log for every partition, or not at all."""

    def __init__(self, safe: int | None) -> None:
        self.safe = safe
        self.is_away = False
        self.asked: list[tuple[list[int], int]] = []

    async def read(self, partitions: Sequence[int], now: int) -> dict[int, list[int | None]]:
        """Note the question."""
        self.asked.append((list(partitions), now))
        if self.is_away:
            raise KafkaUnavailable("nobody answers")
        return {partition: [self.safe, None] for partition in partitions}


class Mark(msgspec.Struct, frozen=True):
    """Something that waits at an offset of the first log."""

    lowest: int
    marks: int = 1
    lane: str | None = "s/0"
    remedy: str = "do something"


def _compare(mark: Mark, safe: Sequence[int | None]) -> list[Mark | None]:
    return [mark if safe[0] is not None and mark.lowest < safe[0] else None, None]


def _watch(
    offsets: FakeOffsets, owned: Mapping[int, Mark], registry: CollectorRegistry
) -> RetentionWatch[Mark]:
    return RetentionWatch(
        offsets,
        registry,
        topics=("t.deliveries", "t.tier"),
        labels=("deliveries", "tier"),
        owned=lambda: owned,
        endangered=_compare,
        clock=ManualClock(NOW),
        log=structlog.get_logger(),
    )


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
    watch = _watch(offsets, {2: Mark(3), 5: Mark(3)}, registry)

    with structlog.testing.capture_logs() as lines:
        await watch.look()

    assert offsets.asked == [([2, 5], NOW)]
    assert registry.get_sample_value(GAUGE, {"topic": "deliveries"}) == 2
    assert [(line["partition"], line["lane"]) for line in lines] == [(2, "s/0"), (5, "s/0")]
    assert lines[0]["log_level"] == "error"
    assert lines[0]["advice"] == (
        "raise retention.ms of t.deliveries now; what it removes is never delivered; "
        "then do something"
    )


async def test_the_alarm_ends_when_the_records_are_safe() -> None:
    """Retention was raised, or the lane moved on."""
    registry = CollectorRegistry()
    offsets = FakeOffsets(4)
    watch = _watch(offsets, {0: Mark(3)}, registry)
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
    watch = _watch(offsets, {0: Mark(3)}, registry)
    await watch.look()

    offsets.is_away = True
    with structlog.testing.capture_logs() as lines:
        await watch.look()

    assert registry.get_sample_value(GAUGE, {"topic": "deliveries"}) == 1
    assert [line["event"] for line in lines] == ["retention.unknown"]


async def test_a_partition_that_was_lost_meanwhile_is_not_told() -> None:
    """Its new owner looks after it."""
    owned = {0: Mark(3)}

    class Losing(FakeOffsets):
        async def read(self, partitions: Sequence[int], now: int) -> dict[int, list[int | None]]:
            owned.clear()
            return await super().read(partitions, now)

    registry = CollectorRegistry()
    watch = _watch(Losing(4), owned, registry)

    await watch.look()

    assert registry.get_sample_value(GAUGE, {"topic": "deliveries"}) == 0


def test_half_a_day_before_its_end_a_record_is_endangered() -> None:
    """The horizon is an append time."""
    assert horizon(168 * HOUR, 1_000 * HOUR) == (1_000 - 168 + 12) * HOUR


def test_a_short_retention_is_told_at_half_of_it() -> None:
    """Else everything would be endangered from the start."""
    assert horizon(8 * HOUR, 1_000 * HOUR) == 996 * HOUR


def test_what_is_kept_for_ever_is_never_endangered() -> None:
    """Kafka spells it -1."""
    assert horizon(-1, NOW) is None
