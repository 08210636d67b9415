"""The vocabulary of the policy: what the shell hands in, and what comes out.

All times are epoch milliseconds, all sizes bytes. `gc=False`: hundreds of thousands of these are
alive at a time and none is part of a cycle; the collector need not look at them. Values that go out
are plain data; the shell turns them into records.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from deliverer.policy.limiter import Rate
from deliverer.policy.window import Run
from schemas.dead_letter import DeadLetterReason
from schemas.outcome import Outcome

MIB = 1_048_576

Mode = Literal["strict", "none"]
AttemptLabel = Literal["first", "retry", "test", "replay"]


class Delivery(msgspec.Struct, eq=False, gc=False):
    """One event for one subscription; `sequence` is its offset in `deliveries`.

    `size` is what it counts in the byte budget, `record` the shell's own, never looked at here.
    `is_unhindered`: its receiver was free when it was read, so what it waited for is all ours.
    """

    sequence: int
    lane: str
    subscription: str
    webhook_id: str
    kind: str
    accepted_at: int
    registry_offset: int
    size: int
    record: object
    is_unhindered: bool = False


class Parked(msgspec.Struct, eq=False, gc=False):
    """A record of a delay topic; `attempt` is the number of the attempt that comes."""

    delivery: Delivery
    tier: int
    offset: int
    appended_at: int
    attempt: int
    due_at: int
    term: int
    first_attempt_at: int | None = None
    last_outcome: str | None = None
    last_status: int | None = None
    last_attempt_at: int | None = None


class Attempt(msgspec.Struct, eq=False, gc=False):
    """An attempt to make now; `source` is (tier, offset) when it came from a delay topic.

    `due_at`: when it was due, None of one that did not come from there.
    `is_suspect`: the last attempt of its subscription failed, so it takes a suspect's slot. `host`
    is where it takes a place, None when that is unknown. `breaker` tells, once it was finished,
    what its end did to the breaker of its subscription.
    """

    delivery: Delivery
    number: int
    source: tuple[int, int] | None = None
    first_attempt_at: int | None = None
    last_outcome: str | None = None
    last_status: int | None = None
    last_attempt_at: int | None = None
    is_suspect: bool = False
    host: str | None = None
    breaker: Literal["opened", "closed"] | None = None
    due_at: int | None = None


class AttemptReport(msgspec.Struct, kw_only=True, gc=False):
    """How an attempt ended, as the shell saw it."""

    outcome: Outcome
    status: int | None = None
    retry_after_ms: int | None = None
    wants_abort: bool = False
    wants_disable: bool = False
    started_at: int
    finished_at: int
    duration_ms: int
    response: bytes = b""
    detail: str | None = None


class SubscriptionPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What the registry says about one subscription; one value per version of its record.

    `modes` names the mode of each lane epoch that can still hold deliveries, the current one too.
    """

    status: Literal["active", "paused", "disabled"] = "active"
    lane_epoch: int = 0
    drop_before: int = 0
    modes: Mapping[int, Mode]
    schedule_ms: tuple[int, ...]
    max_age_ms: int
    max_in_flight: int = 8
    rate_limit: Rate | None = None

    def mode_of(self, epoch: int) -> Mode:
        """Return the mode of a lane epoch; an unknown one is strict, which promises more."""
        return self.modes.get(epoch, "strict")


class Subscriptions(Protocol):
    """What the machine asks the registry."""

    def policy(self, subscription: str) -> SubscriptionPolicy | None:
        """Return the current policy; None = deleted (the shell waited for R1)."""


class Fate(Protocol):
    """What the machine asks about the whole process: whose fault a failure is."""

    @property
    def is_suspected(self) -> bool:
        """Ask whether many fail alike just now: nobody is disabled meanwhile."""

    def charges_nobody(self, outcome: Outcome) -> bool:
        """Ask whether an attempt that ended so counts as a fault of ours (A6)."""


class Hosts(Protocol):
    """What the machine asks about the hosts of the receivers; it knows them as texts only."""

    @property
    def host_of(self) -> Callable[[str], str | None]:
        """Name the host and port of a subscription; None = unknown, and nothing bounds it."""

    @property
    def spare(self) -> int:
        """Say how many may start in this process before only those without attempts may."""

    def calls(self) -> Sequence[str]:
        """Return, once each, the full hosts that have room for one more attempt."""

    def has_room(self, host: str) -> bool:
        """Ask whether one more attempt to a host may start."""

    def waits(self, subscription: str) -> None:
        """Note that a subscription begins to wait for its host."""


class OwnFate:
    """Everyone answers for themselves."""

    is_suspected = False

    def charges_nobody(self, outcome: Outcome) -> bool:
        """Say no."""
        return False


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds of one partition: they stop a reader or postpone a start, never lose a delivery.

    `buffer_bytes` is the partition's share of the process's budget. A tier other than the lowest
    holds at most `tier_read_ahead` records (and `tier_ahead_bytes`) whose wake lies ahead; the
    rests that wait in memory hold at most `rest_heap_bytes`. A lane queues `lane_queue` deliveries,
    `lane_queue_max` while half of the budget is free, and keeps at most about `lane_done` settled
    offsets above an unsettled one. After a pass of the sweep that read much in vain, the next one
    waits: a second for each `sweep_vain_per_s` such records, at most `sweep_rest_ms`; a pass of at
    most `sweep_near` records waits never. A wait for a rate limit up to `short_wait_ms` lets
    a lane go on reading. The rest is the breaker's (CONTRACT §5, DESIGN 8.5); a subscription
    without success for `failing_ms` and `failing_attempts` is disabled.
    """

    window_offsets: int = 16_384
    lane_queue: int = 64
    lane_queue_max: int = 1_024
    lane_done: int = 4_096
    buffer_bytes: int = 96 * MIB
    tier_read_ahead: int = 100
    tier_ahead_bytes: int = MIB
    rest_heap_bytes: int = 8 * MIB
    slot_wait_ms: int = 10_000
    pause_repark_ms: int = 30_000
    local_fault_pause_ms: int = 1_000
    local_fault_pause_max_ms: int = 30_000
    short_wait_ms: int = 1_000
    breaker_failures: int = 10
    probe_ms: int = 30_000
    probe_max_ms: int = 900_000
    failing_ms: int = 5 * 86_400_000
    failing_attempts: int = 20
    sweep_rest_ms: int = 5_000
    sweep_vain_per_s: int = 10_000
    sweep_near: int = 300


class Park(msgspec.Struct, gc=False):
    """Append a delivery to a delay topic; the shell adds the term of the snapshot."""

    delivery: Delivery
    tier: int
    attempt: int
    due_at: int
    first_attempt_at: int | None
    last_outcome: str | None
    last_status: int | None
    last_attempt_at: int | None = None


class DeadLetter(msgspec.Struct, gc=False):
    """Give a delivery up; `attempts` counts those made, `response` is the last one's."""

    delivery: Delivery
    reason: DeadLetterReason
    attempts: int
    first_attempt_at: int | None
    last_attempt_at: int | None
    last_outcome: str | None
    last_status: int | None
    response: bytes = b""


class AttemptLog(msgspec.Struct, gc=False):
    """Record one attempt that ended."""

    delivery: Delivery
    attempt: int
    kind: AttemptLabel
    outcome: Outcome
    status: int | None
    started_at: int
    duration_ms: int
    next_attempt_at: int | None
    detail: str | None


Output = Park | DeadLetter | AttemptLog


class Disable(msgspec.Struct, frozen=True):
    """Ask the shell to disable a subscription: after the tick, until it succeeds (R4)."""

    subscription: str
    reason: Literal["gone", "receiver", "failing"]


Notice = Disable


class LaneState(msgspec.Struct, frozen=True):
    """The durable state of a lane that is held or lags; `held` is (offset, attempt)."""

    low: int
    done: list[Run]
    held: tuple[int, int] | None
    since: int


class FailingState(msgspec.Struct, frozen=True):
    """The durable state of a subscription that only fails, or asked for a long wait.

    `failures` in a row since the time `since`; nothing starts before `not_before`.
    """

    since: int
    failures: int
    not_before: int = 0


class WindowState(msgspec.Struct, frozen=True):
    """The durable state of the partition: marks and settled runs of the log and the tiers."""

    w: int
    done: list[Run]
    tiers: list[tuple[int, list[Run]]]


class TickSnapshot(msgspec.Struct):
    """Everything one transaction writes; None for a lane or a subscription is a tombstone."""

    tick: int
    term: int
    outputs: list[Output]
    lanes: list[tuple[str, LaneState | None]]
    window: WindowState
    failing: list[tuple[str, FailingState | None]] = msgspec.field(default_factory=list)


class Extent(msgspec.Struct, frozen=True):
    """The offsets a log still has: from `begin` to before `end`."""

    begin: int
    end: int


class RecoveredState(msgspec.Struct, kw_only=True):
    """What a takeover read, after InitProducerId: the former owner's last tick and the logs.

    `term` and `tick` are those of the last `$window` (0 without one).
    """

    term: int = 0
    tick: int = 0
    window: WindowState | None = None
    lanes: dict[str, LaneState] = msgspec.field(default_factory=dict)
    failing: dict[str, FailingState] = msgspec.field(default_factory=dict)
    deliveries: Extent
    tiers: tuple[Extent, ...]
    has_group_offset: bool = False


class Counts(msgspec.Struct):
    """What happened since the takeover, for the shell's metrics; only ever grows."""

    dropped_disabled: int = 0
    dropped_deleted: int = 0
    stale: int = 0
    hops: int = 0
    reparks: int = 0
    lost_offsets: int = 0
    lost_tier_offsets: int = 0
    lost_lows: int = 0
    lost_heads: int = 0
