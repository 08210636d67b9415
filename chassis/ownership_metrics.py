"""What every service that owns partitions counts of them."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge

from chassis.seats import Actor, OwnershipHooks

Closed = Callable[[int, Actor], None]
"""Hears that the actor of a partition was closed, so that it can be let go."""


class OwnershipMetrics(OwnershipHooks):
    """The hooks of one `Ownership`; `watch` it as well."""

    def __init__(self, registry: CollectorRegistry, *, lost: Counter) -> None:
        """`lost` counts records that a running partition could not read any more."""
        self._lost = lost
        self._closed: Closed | None = None
        self._rebalances = Counter(
            "hooklane_rebalances",
            "Assignments of partitions by the consumer group.",
            registry=registry,
        )
        self._takeovers_failed = Counter(
            "hooklane_takeovers_failed",
            "Takeovers of a partition that failed; each is tried again.",
            registry=registry,
        )
        self._assigned = Gauge(
            "hooklane_partitions_assigned",
            "Partitions that the consumer group gave to this process.",
            registry=registry,
        )
        self._running = Gauge(
            "hooklane_partitions_running",
            "Of these, those that are taken over and worked on.",
            registry=registry,
        )

    def watch(
        self, *, assigned: Callable[[], float], running: Callable[[], float], closed: Closed
    ) -> None:
        """Read these gauges at each scrape, and pass on who was closed."""
        self._closed = closed
        self._assigned.set_function(assigned)
        self._running.set_function(running)

    def on_assigned(self, owned: int, *, gained: int, lost: int) -> None:
        """Count an assignment of the group."""
        self._rebalances.inc()

    def on_takeover_failed(self) -> None:
        """Count a takeover that failed."""
        self._takeovers_failed.inc()

    def on_closed(self, partition: int, actor: Actor) -> None:
        """Pass it on."""
        if self._closed is not None:
            self._closed(partition, actor)

    def on_records_lost(self, offsets: int) -> None:
        """Count what retention took before it was read."""
        self._lost.inc(offsets)
