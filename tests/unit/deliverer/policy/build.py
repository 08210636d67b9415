"""Build machines, deliveries and reports with short names for the tests of the policy."""

from collections.abc import Sequence
from typing import TypeVar

from deliverer.policy.items import (
    Attempt,
    AttemptReport,
    Delivery,
    Extent,
    Fate,
    Limits,
    Notice,
    OwnFate,
    Park,
    Parked,
    RecoveredState,
    SubscriptionPolicy,
    TickSnapshot,
)
from deliverer.policy.machine import Machine
from schemas.outcome import Outcome

T = TypeVar("T")
TIERS = (5_000, 30_000, 300_000)
NOW = 1_000_000
DAY = 86_400_000
STRICT = SubscriptionPolicy(modes={0: "strict"}, schedule_ms=(5_000, 300_000), max_age_ms=DAY)
LOOSE = SubscriptionPolicy(modes={0: "none"}, schedule_ms=(5_000, 300_000), max_age_ms=DAY)


class Registry(dict[str, SubscriptionPolicy]):
    """A registry table: a dict that answers the machine."""

    def policy(self, subscription: str) -> SubscriptionPolicy | None:
        """Return the policy of a subscription."""
        return self.get(subscription)


def state(end: int = 1000, **changes: object) -> RecoveredState:
    """Return what a takeover of a fresh partition finds."""
    fields: dict[str, object] = {
        "deliveries": Extent(0, end),
        "tiers": tuple(Extent(0, end) for _ in TIERS),
    }
    return RecoveredState(**(fields | changes))  # type: ignore[arg-type]


def machine(
    registry: Registry | None = None,
    *,
    recovered: RecoveredState | None = None,
    limits: Limits | None = None,
    is_confirmed: bool = True,
    fate: Fate | None = None,
) -> Machine:
    """Return a machine whose first tick has landed."""
    made = Machine(
        partition_state=recovered or state(),
        subscriptions=registry if registry is not None else Registry(s=STRICT),
        limits=limits or Limits(),
        tiers=TIERS,
        jitter=lambda: 0.0,
        fate=fate or OwnFate(),
    )
    if is_confirmed:
        tick(made)
    return made


def tick(made: Machine, now: int = NOW) -> TickSnapshot:
    """Run one tick that lands."""
    snapshot = made.begin_tick(now)
    made.committed(now)
    return snapshot


def delivery(sequence: int, lane: str = "s/0", **changes: object) -> Delivery:
    """Return a delivery of 10 bytes, accepted just now."""
    fields: dict[str, object] = {
        "sequence": sequence,
        "lane": lane,
        "subscription": lane.partition("/")[0],
        "webhook_id": f"msg_{sequence}",
        "kind": "test" if lane.endswith("/test") else "first",
        "accepted_at": NOW,
        "registry_offset": 0,
        "size": 10,
        "record": None,
    }
    return Delivery(**(fields | changes))  # type: ignore[arg-type]


def feed(made: Machine, *deliveries: Delivery, end: int | None = None) -> None:
    """Read deliveries from the log."""
    last = deliveries[-1].sequence + 1 if deliveries else 0
    made.read_head(deliveries, end=end if end is not None else last, now=NOW)


def report(outcome: Outcome = Outcome.DELIVERED, **changes: object) -> AttemptReport:
    """Return how an attempt ended."""
    fields: dict[str, object] = {
        "outcome": outcome,
        "started_at": NOW,
        "finished_at": NOW,
        "duration_ms": 3,
    }
    return AttemptReport(**(fields | changes))  # type: ignore[arg-type]


def start(made: Machine, now: int = NOW) -> Attempt:
    """Start the next attempt; there must be one."""
    attempt = made.next_start(now)
    assert attempt is not None
    return attempt


def end(
    made: Machine, attempt: Attempt, outcome: Outcome = Outcome.DELIVERED, **changes: object
) -> Sequence[Notice]:
    """Finish an attempt."""
    return made.finish(attempt, report(outcome, **changes), NOW)


def failing(made: Machine, now: int = NOW) -> Park:
    """Start the next attempt, let it fail, commit; returns where the delivery was parked."""
    made.finish(start(made, now), report(Outcome.HTTP_5XX, status=500), now)
    return next(o for o in tick(made, now).outputs if isinstance(o, Park))


def parked(park: Park, offset: int, *, appended_at: int = NOW, term: int = 1) -> Parked:
    """Return the record of a delay topic that a Park became."""
    return Parked(
        park.delivery,
        park.tier,
        offset,
        appended_at,
        park.attempt,
        park.due_at,
        term,
        park.first_attempt_at,
        park.last_outcome,
        park.last_status,
        park.last_attempt_at,
    )


def read_back(made: Machine, park: Park, offset: int = 0, *, now: int = NOW) -> None:
    """Read a parked delivery back from its delay topic."""
    assert made.read_tier(park.tier, [parked(park, offset)], end=offset + 1, now=now)


def outputs(snapshot: TickSnapshot, kind: type[T]) -> list[T]:
    """Return the outputs of one kind."""
    return [output for output in snapshot.outputs if isinstance(output, kind)]


def sweep(made: Machine, *log: Delivery, now: int = NOW) -> None:
    """Let the sweep read what it wants of a log, whose offsets need not be its indices."""
    target = made.sweep_target(now)
    assert target is not None
    rest = [one for one in log if one.sequence >= target]
    made.read_sweep(rest, start=target, end=rest[-1].sequence + 1, now=now)
