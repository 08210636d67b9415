"""Tell people that subscriptions wait because their host has all it may hold of this process."""

from prometheus_client import CollectorRegistry, Counter, Gauge
from structlog.typing import FilteringBoundLogger

from chassis.clock import Clock
from deliverer.hosts import HostSlots

QUIET_S = 60.0


class HostAlarm:
    """Counts each wait; one log line a minute at most. Hosts are sealed, so it names none."""

    def __init__(
        self,
        hosts: HostSlots,
        registry: CollectorRegistry,
        *,
        clock: Clock,
        log: FilteringBoundLogger,
    ) -> None:
        self._max_per_host = hosts.max_per_host
        self._clock = clock
        self._log = log
        self._told_at = -QUIET_S
        self._waits = Counter(
            "hooklane_delivery_host_waits",
            "Times a subscription had to wait because its host held all it may.",
            registry=registry,
        )
        full = Gauge(
            "hooklane_delivery_hosts_full",
            "Hosts that hold all they may, and subscriptions wait for them.",
            registry=registry,
        )
        full.set_function(lambda: hosts.full)

    def __call__(self, subscription: str) -> None:
        """Note that a subscription begins to wait for its host."""
        self._waits.inc()
        now = self._clock.monotonic()
        if now - self._told_at >= QUIET_S:
            self._told_at = now
            self._log.warning("host.full", subscription=subscription, cap=self._max_per_host)
