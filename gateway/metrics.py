"""The instruments of the gateway; every label is a closed set."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from chassis.instruments import Distributions, Tallies
from gateway.limits import LIMITS
from gateway.problems import Code

ROUTES: Final = (
    "events",
    "batch",
    "subscriptions",
    "subscribers",
    "event_types",
    "keys",
    "filters",
    "documents",
)
RESULTS: Final = ("accepted", "invalid", "too_large", "throttled", "unavailable")
_DURATION_BUCKETS_S: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_RESULT_OF: Final = {
    Code.TOO_LARGE: "too_large",
    Code.QUOTA_EXCEEDED: "throttled",
    Code.UNAVAILABLE: "unavailable",
    Code.UNKNOWN: "unavailable",
    Code.INTERNAL: "unavailable",
}


class GatewayMetrics:
    """One per process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._events = Tallies(
            "hooklane_ingest_events_total",
            "Events that came in over HTTP, by what became of them.",
            label="result",
            values=RESULTS,
            registry=registry,
        ).tallies
        self.duration_of = Distributions(
            "hooklane_ingest_request_duration_seconds",
            "Time from a request's head to its answer.",
            label="route",
            values=ROUTES,
            buckets=_DURATION_BUCKETS_S,
            registry=registry,
        ).distributions
        violations = Counter(
            "hooklane_schema_violations_total",
            "Events whose data breaks the schema of their type, each counted once: by the gateway "
            "that refuses it, else by fan-out.",
            ["mode"],
            registry=registry,
        )
        self.schema_violations = violations.labels("enforce")
        self.registry_records = Gauge(
            "hooklane_registry_records",
            "Records of the registry in memory.",
            registry=registry,
        )
        self.registry_broken = Counter(
            "hooklane_registry_broken_records",
            "Records of the registry that could not be read; the last good ones stay.",
            registry=registry,
        )
        self.tombstones = Counter(
            "hooklane_registry_tombstones_total",
            "Deleted records of the registry that were forgotten for good.",
            registry=registry,
        )
        self.vault_closed = Gauge(
            "hooklane_vault_closed_subscriptions",
            "Subscriptions that are paused because no vault key of this process opens them.",
            registry=registry,
        )
        limits = Counter(
            "hooklane_gateway_limit_hits_total",
            "How often a bound was met, by the bound.",
            ["limit"],
            registry=registry,
        )
        self.limit_hits = {name: limits.labels(name) for name in LIMITS}
        self.registry_lag = Gauge(
            "hooklane_registry_lag_seconds",
            "Seconds for which a change of the registry may be unknown here.",
            registry=registry,
        )

    def count(self, problem: Code | None, events: int = 1) -> None:
        """Count events: accepted, or refused for a reason."""
        result = _RESULT_OF.get(problem, "invalid") if problem else "accepted"
        self._events[result].value += events
