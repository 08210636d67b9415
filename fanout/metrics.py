"""The fan-out's instruments (CONTRACT §7), one typed table; every child is resolved once."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from chassis.instruments import Distributions
from chassis.ownership_metrics import OwnershipMetrics
from fanout.plan import Result
from schemas.event_types import SchemaMode
from schemas.quarantine import QuarantineReason

DELAY_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0, 3600.0)
COMMIT_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 10.0)
COMMIT_RESULTS = ("committed", "lost")
SCHEMA_MODES: tuple[SchemaMode, ...] = ("warn", "enforce")
FAULTS = ("filter_broken", "filter_costly", "schema_broken")
EVENTS = "events"


class FanoutMetrics:
    """Everything the fan-out counts; events are counted when their tick is committed."""

    def __init__(self, registry: CollectorRegistry) -> None:
        events = Counter(
            "hooklane_fanout_events", "Events by what became of them.", ["result"],
            registry=registry,
        )  # fmt: skip
        self.events = {result: events.labels(result.value) for result in Result}
        self.deliveries = Counter(
            "hooklane_fanout_deliveries", "Delivery records written.", registry=registry
        )
        self.delay = Distributions(
            "hooklane_fanout_delay_seconds",
            "From the acceptance of an event to its committed deliveries.",
            buckets=DELAY_BUCKETS_S,
            registry=registry,
        ).distributions[""]
        quarantined = Counter(
            "hooklane_quarantined",
            "Records that break their contract, written to the quarantine.",
            ["stage", "reason"],
            registry=registry,
        )
        self.quarantined = {
            reason: quarantined.labels("fanout", reason.value) for reason in QuarantineReason
        }
        commits = Counter(
            "hooklane_commits",
            "Transactions of partitions by their end.",
            ["result"],
            registry=registry,
        )
        self.commits = {result: commits.labels(result) for result in COMMIT_RESULTS}
        self.commit_duration = Histogram(
            "hooklane_commit_duration_seconds",
            "From the begin of a transaction to its commit.",
            buckets=COMMIT_BUCKETS_S,
            registry=registry,
        )
        lost = Counter(
            "hooklane_records_lost",
            "What retention took although it was wanted: offsets of the log and of delay topics, "
            "lanes that stood there, heads whose retry is gone; stale = a retry of no head.",
            ["kind"],
            registry=registry,
        )
        self.lost = lost.labels(EVENTS)
        self.ownership = OwnershipMetrics(registry, lost=self.lost)
        self.clock_skew = Gauge(
            "hooklane_clock_skew_seconds",
            "The broker's clock minus ours, as seen at the last transaction.",
            registry=registry,
        )
        self._rules(registry)
        self._gauges(registry)

    def _rules(self, registry: CollectorRegistry) -> None:
        violations = Counter(
            "hooklane_schema_violations",
            "Events whose data breaks the schema of their type, each counted once: by the gateway "
            "that refuses it, else by fan-out.",
            ["mode"],
            registry=registry,
        )
        self.schema_violations = {mode: violations.labels(mode) for mode in SCHEMA_MODES}
        faults = Counter(
            "hooklane_fanout_rule_faults",
            "Filters and schemas read that do not compile; events too costly for a filter.",
            ["kind"],
            registry=registry,
        )
        self.rule_faults = {kind: faults.labels(kind) for kind in FAULTS}
        self.registry_broken = Counter(
            "hooklane_registry_broken_records",
            "Records of the registry that could not be read; the last good ones stay.",
            registry=registry,
        )

    def _gauges(self, registry: CollectorRegistry) -> None:
        self._lag = Gauge(
            "hooklane_consumer_lag_records",
            "Records not read of the partitions of this process, worked on or not.",
            ["topic"],
            registry=registry,
        )
        self._held = Gauge(
            "hooklane_fanout_held_by_transaction_seconds",
            "How long a producer's open transaction has held up a partition of this process.",
            registry=registry,
        )
        self._registry_records = Gauge(
            "hooklane_registry_records", "Records of the registry in memory.", registry=registry
        )
        self._registry_lag = Gauge(
            "hooklane_registry_lag_seconds",
            "Seconds for which a change of the registry may be unknown here.",
            registry=registry,
        )

    def watch(
        self,
        *,
        lag_records: Callable[[], float],
        held_s: Callable[[], float],
        registry_records: Callable[[], float],
        registry_lag_s: Callable[[], float],
    ) -> None:
        """Read these gauges at each scrape."""
        self._lag.labels(EVENTS).set_function(lag_records)
        self._held.set_function(held_s)
        self._registry_records.set_function(registry_records)
        self._registry_lag.set_function(registry_lag_s)
