"""The deliverer's instruments (CONTRACT §7), one typed table; every child is resolved once."""

from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from chassis.instruments import Distribution, Distributions, Tallies
from chassis.ownership_metrics import OwnershipMetrics
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
RECOLLECTIONS = ("recalled", "forgotten")
DROP_REASONS = ("disabled", "deleted")
LOSSES = ("deliveries", "retries", "lanes", "heads", "stale")
MOVES = ("hop", "repark")
BLOCKED_REASONS = ("address", "dns", "scheme", "port")


class DelivererMetrics:
    """Everything the deliverer counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._make_attempts(registry)
        self._make_slots(registry)
        self._make_ends(registry)
        self._make_partitions(registry)
        self._make_restraints(registry)
        self._make_waiting(registry)

    def attempt(self, outcome: str, kind: str) -> Counter:
        """Return the counter of attempts that ended so."""
        return self._attempts[outcome, kind]

    def connected(self, is_reused: bool) -> None:
        """Count a connection that carries an attempt."""
        self._connections[is_reused].value += 1

    def recollected(self, result: str) -> None:
        """Count what became of a success that a lost partition had not committed."""
        self._recollections[result].inc()

    def _make_attempts(self, registry: CollectorRegistry) -> None:
        attempts = Counter(
            "hooklane_delivery_attempts",
            "Attempts that ended under their owner, by outcome and kind.",
            ["outcome", "kind"],
            registry=registry,
        )
        self._attempts = {
            (outcome.value, kind.value): attempts.labels(outcome.value, kind.value)
            for outcome in Outcome
            for kind in AttemptKind
        }
        self.duration = Distributions(
            "hooklane_delivery_duration_seconds",
            "From the start of an attempt to its end.",
            buckets=DURATION_BUCKETS_S,
            registry=registry,
            label="outcome",
            values=list(Outcome),
        ).distributions
        self.first_attempt_delay = _distribution(
            registry, "hooklane_delivery_first_attempt_delay_seconds",
            "From the acceptance of an event to a first attempt, whatever it waited for.",
            buckets=DELAY_BUCKETS_S,
        )  # fmt: skip
        self.own_delay = _distribution(
            registry, "hooklane_delivery_own_delay_seconds",
            "From acceptance to a first attempt that its receiver did not hold up: all ours.",
            buckets=DELAY_BUCKETS_S,
        )  # fmt: skip
        self.end_to_end = _distribution(
            registry, "hooklane_delivery_end_to_end_seconds",
            "From the acceptance of an event to the end of the attempt that delivered it.",
            buckets=AGE_BUCKETS_S,
        )  # fmt: skip
        connections = Tallies(
            "hooklane_delivery_connections",
            "Connections that carried an attempt, by whether they were open already.",
            label="reused",
            values=("true", "false"),
            registry=registry,
        ).tallies
        self._connections = (connections["false"], connections["true"])
        self.blocked = _children(
            registry, "hooklane_delivery_blocked", "Attempts that egress policy refused.",
            label="reason", values=BLOCKED_REASONS,
        )  # fmt: skip

    def _make_slots(self, registry: CollectorRegistry) -> None:
        self.in_flight = Gauge(
            "hooklane_delivery_in_flight", "Attempts in flight now.", registry=registry
        )
        self.suspects_in_flight = Gauge(
            "hooklane_delivery_suspects_in_flight",
            "Of these, those of subscriptions whose last attempt failed: a fifth at most.",
            registry=registry,
        )
        self.in_flight_limit = Gauge(
            "hooklane_delivery_in_flight_limit",
            "How many attempts may be in flight: HOOKLANE_DELIVERER__MAX_IN_FLIGHT, "
            "less where descriptors are short.",
            registry=registry,
        )

    def _make_ends(self, registry: CollectorRegistry) -> None:
        self.dropped = _children(
            registry, "hooklane_deliveries_dropped", "Deliveries whose subscription ended.",
            label="reason", values=DROP_REASONS,
        )  # fmt: skip
        self.retries = _children(
            registry, "hooklane_retry_scheduled", "Deliveries appended to a delay topic.",
            label="tier", values=TIER_NAMES,
        )  # fmt: skip
        self.moves = _children(
            registry, "hooklane_retry_moved",
            "Retries appended to a delay topic again without an attempt: hop = not due yet; "
            "repark = due, but its lane or the process may not start it.",
            label="reason", values=MOVES,
        )  # fmt: skip
        self.lost = _children(
            registry, "hooklane_records_lost",
            "What retention took although it was wanted: offsets of the log and of delay topics, "
            "lanes that stood there, heads whose retry is gone; stale = a retry of no head.",
            label="kind", values=LOSSES,
        )  # fmt: skip
        self.retry_lateness = Histogram(
            "hooklane_retry_lateness_seconds",
            "From the time a retry was due to its start.",
            buckets=DELAY_BUCKETS_S,
            registry=registry,
        )
        self.dead_letters = _children(
            registry, "hooklane_dead_letters",
            "Deliveries given up, written to the dead letters; too_large is reserved.",
            label="reason", values=tuple(DeadLetterReason),
        )  # fmt: skip
        quarantined = Counter(
            "hooklane_quarantined",
            "Records that break their contract, written to the quarantine.",
            ["stage", "reason"],
            registry=registry,
        )
        self.quarantined = {
            reason: quarantined.labels("deliverer", reason.value) for reason in QuarantineReason
        }

    def _make_partitions(self, registry: CollectorRegistry) -> None:
        self.commits = _children(
            registry, "hooklane_commits", "Transactions of partitions by their end.",
            label="result", values=COMMIT_RESULTS,
        )  # fmt: skip
        self._recollections = _children(
            registry, "hooklane_delivery_recollections",
            "Successes that a lost partition had not committed: recalled = not sent again; "
            "forgotten = above the limit.",
            label="result", values=RECOLLECTIONS,
        )  # fmt: skip
        self.commit_duration = Histogram(
            "hooklane_commit_duration_seconds",
            "From the begin of a transaction to its commit.",
            buckets=COMMIT_BUCKETS_S,
            registry=registry,
        )
        self.sweep_reads = Counter(
            "hooklane_sweep_read_records",
            "Records of the log read again for lanes that lag.",
            registry=registry,
        )
        self.ownership = OwnershipMetrics(registry, lost=self.lost["deliveries"])
        lag = Gauge(
            "hooklane_consumer_lag_records",
            "Records not read of the partitions of this process, worked on or not.",
            ["topic"],
            registry=registry,
        )
        self.lag = lag.labels("deliveries")
        self.clock_skew = Gauge(
            "hooklane_clock_skew_seconds",
            "The broker's clock minus ours, as seen at the last transaction.",
            registry=registry,
        )
        self.registry_records = Gauge(
            "hooklane_registry_records", "Records of the registry in memory.", registry=registry
        )
        self.registry_lag = Gauge(
            "hooklane_registry_lag_seconds",
            "Seconds for which a change of the registry may be unknown here.",
            registry=registry,
        )
        self.registry_broken = Counter(
            "hooklane_registry_broken_records",
            "Records of the registry that could not be read; the last good ones stay.",
            registry=registry,
        )
        self.vault_closed = Gauge(
            "hooklane_vault_closed_subscriptions",
            "Subscriptions that are paused because no vault key of this process opens them.",
            registry=registry,
        )

    def _make_restraints(self, registry: CollectorRegistry) -> None:
        lanes = Gauge(
            "hooklane_lanes",
            "Lanes in memory; held: the head waits for its retry; lagging: behind the log.",
            ["state"],
            registry=registry,
        )
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

    def _make_waiting(self, registry: CollectorRegistry) -> None:
        due = Gauge(
            "hooklane_retry_due_records",
            "Retries whose time has come and that have not started, by delay topic.",
            ["tier"],
            registry=registry,
        )
        oldest_due = Gauge(
            "hooklane_retry_oldest_due_seconds",
            "How long the oldest retry whose time has come has been due, by delay topic.",
            ["tier"],
            registry=registry,
        )
        self.due = [due.labels(tier) for tier in TIER_NAMES]
        self.oldest_due = [oldest_due.labels(tier) for tier in TIER_NAMES]
        self.oldest = Gauge(
            "hooklane_lane_oldest_seconds",
            "Age of the oldest delivery that waits in a lane; a dead receiver's wait for days.",
            registry=registry,
        )


def _distribution(
    registry: CollectorRegistry, name: str, text: str, *, buckets: Sequence[float]
) -> Distribution:
    family = Distributions(name, text, buckets=buckets, registry=registry)
    return family.distributions[""]


def _children(
    registry: CollectorRegistry, name: str, text: str, *, label: str, values: Iterable[str]
) -> dict[str, Counter]:
    counter = Counter(name, text, [label], registry=registry)
    return {value: counter.labels(value) for value in values}
