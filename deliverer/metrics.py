"""The deliverer's instruments (CONTRACT §7), one typed table; every child is resolved once."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from deliverer.fate import WAYS
from schemas.attempt import AttemptKind
from schemas.dead_letter import DeadLetterReason
from schemas.outcome import Outcome
from schemas.quarantine import QuarantineReason
from schemas.topics import TIERS

DURATION_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
DELAY_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0, 3600.0)
AGE_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 60.0, 600.0, 3600.0, 86400.0)
COMMIT_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 10.0)
TIER_NAMES = tuple(tier.name for tier in TIERS)
LANE_STATES = ("live", "held", "lagging")
BREAKER_STATES = ("open", "half_open")
COMMIT_RESULTS = ("committed", "lost")
DROP_REASONS = ("disabled", "deleted")
BLOCKED_REASONS = ("address", "dns", "scheme", "port")


class DelivererMetrics:
    """Everything the deliverer counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._make_attempts(registry)
        self._make_ends(registry)
        self._make_partitions(registry)

    def attempt(self, outcome: str, kind: str) -> Counter:
        """Return the counter of attempts that ended so."""
        return self._attempts[outcome, kind]

    def _make_attempts(self, registry: CollectorRegistry) -> None:
        attempts = Counter(
            "hooklane_delivery_attempts",
            "Attempts that ended under their owner.",
            ["outcome", "kind"],
            registry=registry,
        )
        self._attempts = {
            (outcome.value, kind.value): attempts.labels(outcome.value, kind.value)
            for outcome in Outcome
            for kind in AttemptKind
        }
        duration = Histogram(
            "hooklane_delivery_duration_seconds",
            "Duration of an attempt.",
            ["outcome"],
            buckets=DURATION_BUCKETS_S,
            registry=registry,
        )
        self.duration = {outcome: duration.labels(outcome.value) for outcome in Outcome}
        self.first_attempt_delay = Histogram(
            "hooklane_delivery_first_attempt_delay_seconds",
            "From the acceptance of an event to the start of a first attempt.",
            buckets=DELAY_BUCKETS_S,
            registry=registry,
        )
        self.end_to_end = Histogram(
            "hooklane_delivery_end_to_end_seconds",
            "From the acceptance of an event to its delivery.",
            buckets=AGE_BUCKETS_S,
            registry=registry,
        )
        self.in_flight = Gauge(
            "hooklane_delivery_in_flight", "Attempts in flight.", registry=registry
        )
        connections = Counter(
            "hooklane_delivery_connections",
            "Attempts by whether their connection was reused.",
            ["reused"],
            registry=registry,
        )
        self.connections = {
            True: connections.labels("true"),
            False: connections.labels("false"),
        }
        self.blocked = _children(
            registry, "hooklane_delivery_blocked", "Attempts refused by egress policy.",
            label="reason", values=BLOCKED_REASONS,
        )  # fmt: skip

    def _make_ends(self, registry: CollectorRegistry) -> None:
        self.dropped = _children(
            registry, "hooklane_deliveries_dropped", "Deliveries of a disabled or deleted one.",
            label="reason", values=DROP_REASONS,
        )  # fmt: skip
        self.retries = _children(
            registry, "hooklane_retry_scheduled", "Deliveries appended to a delay topic.",
            label="tier", values=TIER_NAMES,
        )  # fmt: skip
        self.dead_letters = _children(
            registry, "hooklane_dead_letters", "Deliveries given up.",
            label="reason", values=tuple(DeadLetterReason),
        )  # fmt: skip
        quarantined = Counter(
            "hooklane_quarantined",
            "Records set aside.",
            ["stage", "reason"],
            registry=registry,
        )
        self.quarantined = {
            reason: quarantined.labels("deliverer", reason.value) for reason in QuarantineReason
        }

    def _make_partitions(self, registry: CollectorRegistry) -> None:
        self.commits = _children(
            registry, "hooklane_commits", "Ticks by how they ended.",
            label="result", values=COMMIT_RESULTS,
        )  # fmt: skip
        self.commit_duration = Histogram(
            "hooklane_commit_duration_seconds",
            "Duration of a committed tick.",
            buckets=COMMIT_BUCKETS_S,
            registry=registry,
        )
        self.sweep_reads = Counter(
            "hooklane_sweep_read_records",
            "Records of the log read again for lanes that lag.",
            registry=registry,
        )
        self.rebalances = Counter(
            "hooklane_rebalances", "Assignments of the consumer group.", registry=registry
        )
        lag = Gauge(
            "hooklane_consumer_lag_records", "Deliveries not yet read.", ["topic"],
            registry=registry,
        )  # fmt: skip
        self.lag = lag.labels("deliveries")
        self.clock_skew = Gauge(
            "hooklane_clock_skew_seconds",
            "Append time of the broker minus our clock, at the last tick.",
            registry=registry,
        )

        lanes = Gauge("hooklane_lanes", "Lanes in memory by state.", ["state"], registry=registry)
        self.lanes = {state: lanes.labels(state) for state in LANE_STATES}
        breakers = Gauge(
            "hooklane_breakers",
            "Breakers of subscriptions that are open, or have a probe out.",
            ["state"],
            registry=registry,
        )
        fate = Gauge(
            "hooklane_shared_fate",
            "1 while so many fail in this way that the fault seems to be ours.",
            ["outcome"],
            registry=registry,
        )
        self.shared_fate = {way: fate.labels(way.value) for way in sorted(WAYS)}
        self.breakers = {state: breakers.labels(state) for state in BREAKER_STATES}
        self.registry_records = Gauge(
            "hooklane_registry_records", "Records of the registry in memory.", registry=registry
        )
        self.registry_lag = Gauge(
            "hooklane_registry_lag_seconds",
            "Seconds since a broker answered the registry's reader.",
            registry=registry,
        )


def _children(
    registry: CollectorRegistry, name: str, text: str, *, label: str, values: Iterable[str]
) -> dict[str, Counter]:
    counter = Counter(name, text, [label], registry=registry)
    return {value: counter.labels(value) for value in values}
