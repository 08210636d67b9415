"""What is counted of the partitions of a process."""

from prometheus_client import CollectorRegistry, Counter

from chassis.metrics import make_registry
from chassis.ownership_metrics import OwnershipMetrics
from tests.fakes.actor import RecordingActor


def _metrics(registry: CollectorRegistry) -> OwnershipMetrics:
    return OwnershipMetrics(registry, lost=Counter("hooklane_records_lost", "…", registry=registry))


def test_assignments_failures_and_what_is_worked_on_are_told() -> None:
    """Counters from zero on; gauges ask at each scrape."""
    registry = make_registry("fanout")
    metrics = _metrics(registry)
    running = [2]
    metrics.watch(assigned=lambda: 3, running=lambda: running[0], closed=lambda _p, _a: None)

    metrics.on_assigned(3, gained=3, lost=0)
    metrics.on_takeover_failed()
    metrics.on_takeover_failed()

    def value(name: str) -> float | None:
        return registry.get_sample_value(f"hooklane_{name}")

    assert value("rebalances_total") == 1
    assert value("takeovers_failed_total") == 2
    assert (value("partitions_assigned"), value("partitions_running")) == (3, 2)
    running[0] = 3
    assert value("partitions_running") == 3


def test_who_was_closed_is_passed_on() -> None:
    """To whoever watches; before that there is nobody to let go of it."""
    metrics, closed = _metrics(make_registry("fanout")), []
    actor = RecordingActor(0, journal=[])

    metrics.on_closed(0, actor)
    metrics.watch(assigned=lambda: 0, running=lambda: 0, closed=lambda p, a: closed.append((p, a)))
    metrics.on_closed(1, actor)

    assert closed == [(1, actor)]


def test_records_that_nobody_could_read_are_counted() -> None:
    """By the counter of the service."""
    registry = make_registry("fanout")

    _metrics(registry).on_records_lost(7)

    assert registry.get_sample_value("hooklane_records_lost_total") == 7
