"""The gauges that describe the process."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from chassis.lifecycle import Component
from deliverer.metrics import DelivererMetrics
from deliverer.policy.items import Counts
from deliverer.sampling import Growth, Sampler
from schemas.topics import TIERS
from tests.contract.lifecycle import LifecycleContract
from tests.fakes.clock import ManualClock

NOW = 1_700_000_000_000


class FakeTable:
    """A table with three records."""

    records = 3

    def lag_s(self) -> float:
        """Return a lag."""
        return 1.5


class FakePartition:
    """A partition with lanes, of which one waits since five seconds."""

    def oldest_queued_at(self) -> int | None:
        """Return when."""
        return NOW - 5_000

    def due_by_tier(self, now: int) -> list[tuple[int, int | None]]:
        """Return two retries of the lowest tier."""
        return [(2, NOW - 3_000), *[(0, None)] * (len(TIERS) - 1)]

    def lanes_by_state(self) -> dict[str, int]:
        """Return some."""
        return {"live": 2, "held": 1, "lagging": 0}

    def breakers_by_state(self) -> dict[str, int]:
        """Return some."""
        return {"open": 3, "half_open": 1}


def sampler(registry: CollectorRegistry) -> Sampler:
    """Return a sampler over two partitions."""
    return Sampler(
        DelivererMetrics(registry),
        clock=ManualClock(NOW),
        partitions=lambda: [FakePartition(), FakePartition()],
        lag_records=lambda: 17,
        table=FakeTable(),
    )


class TestSamplerLife(LifecycleContract):
    """It lives like every component."""

    @pytest.fixture
    def component(self) -> Component:
        """Give a sampler."""
        return sampler(CollectorRegistry())


async def test_it_samples_as_soon_as_it_starts() -> None:
    """A first scrape sees no zeros."""
    registry = CollectorRegistry()
    component = sampler(registry)

    await component.start()
    await asyncio.sleep(0)
    await component.stop()

    assert registry.get_sample_value("hooklane_lanes", {"state": "live"}) == 4
    assert registry.get_sample_value("hooklane_lanes", {"state": "held"}) == 2
    assert registry.get_sample_value("hooklane_breakers", {"state": "open"}) == 6
    assert registry.get_sample_value("hooklane_breakers", {"state": "half_open"}) == 2
    lowest = {"tier": "5s"}
    assert registry.get_sample_value("hooklane_retry_due_records", lowest) == 4
    assert registry.get_sample_value("hooklane_retry_oldest_due_seconds", lowest) == 3
    assert registry.get_sample_value("hooklane_retry_due_records", {"tier": "6h"}) == 0
    assert registry.get_sample_value("hooklane_lane_oldest_seconds") == 5
    assert registry.get_sample_value("hooklane_consumer_lag_records", {"topic": "deliveries"}) == 17
    assert registry.get_sample_value("hooklane_registry_records") == 3
    assert registry.get_sample_value("hooklane_registry_lag_seconds") == 1.5


async def test_a_crash_is_reported() -> None:
    """A silent sampler would show an old picture for ever."""
    registry = CollectorRegistry()
    component = Sampler(
        DelivererMetrics(registry),
        clock=ManualClock(NOW),
        partitions=lambda: [None],  # type: ignore[list-item]
        lag_records=lambda: 0,
        table=FakeTable(),
    )

    assert isinstance(await component.wait_failed(), RuntimeError)
    await component.start()
    assert isinstance(await component.wait_failed(), AttributeError)
    await component.stop()


def test_counts_of_a_machine_are_counted_as_differences() -> None:
    """They only grow; each growth is counted once."""
    registry = CollectorRegistry()
    growth = Growth(DelivererMetrics(registry))

    growth.note(Counts(dropped_disabled=2, dropped_deleted=1, hops=1))
    growth.note(Counts(dropped_disabled=5, dropped_deleted=1, hops=1, reparks=4))

    name = "hooklane_deliveries_dropped_total"
    assert registry.get_sample_value(name, {"reason": "disabled"}) == 5
    assert registry.get_sample_value(name, {"reason": "deleted"}) == 1
    name = "hooklane_retry_moved_total"
    assert registry.get_sample_value(name, {"reason": "hop"}) == 1
    assert registry.get_sample_value(name, {"reason": "repark"}) == 4


def test_whatever_a_machine_counts_is_shown() -> None:
    """A count that nobody reads alarms nobody; what was lost is told, once, with its kind."""
    registry = CollectorRegistry()
    growth = Growth(DelivererMetrics(registry))
    fields = Counts.__struct_fields__
    counts = Counts(**{field: number for number, field in enumerate(fields, 1)})

    lost = growth.note(counts)

    shown = [
        sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name.endswith("_total") and sample.value
    ]
    assert sorted(shown) == list(range(1, len(fields) + 1))
    assert lost == {
        "deliveries": counts.lost_offsets,
        "retries": counts.lost_tier_offsets,
        "lanes": counts.lost_lows,
        "heads": counts.lost_heads,
        "stale": counts.stale,
    }
    assert growth.note(counts) == {}
