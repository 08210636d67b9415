"""The outside of one partition for the simulation: log, delay topics, registry, receivers, clock.

It is also the judge: it sees every request and every committed tick, and raises Broken when a
promise of CONTRACT §6 is not kept. Offsets that hold None are transaction markers.
"""

from dataclasses import dataclass, field
from random import Random  # noqa: TID251  the seeded source of a reproducible run

from deliverer.policy.items import (
    Attempt,
    AttemptLog,
    DeadLetter,
    LaneState,
    Output,
    Park,
    SubscriptionPolicy,
    TickSnapshot,
    WindowState,
)
from deliverer.policy.limiter import Rate
from schemas.outcome import Outcome

TIERS = (4, 12, 40)
SCHEDULES = ((2, 5, 9, 30, 60, 17), (14, 45, 7, 1, 20), (50, 13, 3), (1,), ())
RATES = (None, None, Rate(1.5, 1), Rate(2.5, 3), Rate(5.0, 2))
MAX_AGE = 400
BAD = "bad"


class Broken(Exception):
    """A promise was not kept."""


@dataclass
class Rules:
    """What the world enforces; a test switches one off to see that the judge would notice."""

    is_fenced: bool = True
    is_atomic: bool = True
    is_claim_first: bool = True
    does_resend: bool = True
    does_read_mark: bool = True
    keeps_done: bool = True
    keeps_tier_done: bool = True
    keeps_held: bool = True
    keeps_terms: bool = True
    does_confirm: bool = True
    does_wait_for_dead: bool = True
    does_drop: bool = True
    keeps_cursors: bool = True
    keeps_lane_done: bool = True
    skips_lagging: bool = True
    puts_cursor_back: bool = True
    keeps_live_records: bool = True
    keeps_rate: bool = True
    keeps_breaker: bool = True


@dataclass
class Entry:
    """One delivery in the log; `sequence` is its offset."""

    sequence: int
    lane: str
    subscription: str
    kind: str
    accepted_at: int
    registry_version: int


@dataclass
class Committed:
    """What `lanes` holds of the last committed tick."""

    term: int
    tick: int
    window: WindowState


@dataclass
class World:
    """Everything outside the owners."""

    r: Random
    rules: Rules
    now: int = 1000
    claim: int = 0
    log: list[Entry | str | None] = field(default_factory=list)
    tiers: list[list[tuple[int, int, Park] | None]] = field(
        default_factory=lambda: [[] for _ in TIERS]
    )
    lanes: dict[str, LaneState] = field(default_factory=dict)
    committed: Committed | None = None
    policies: dict[str, SubscriptionPolicy] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    version: int = 0
    is_up: dict[str, bool] = field(default_factory=dict)
    first: dict[int, int] = field(default_factory=dict)
    acked: set[int] = field(default_factory=set)
    final: dict[int, str] = field(default_factory=dict)
    due: dict[tuple[int, int], int] = field(default_factory=dict)
    earlier: dict[str, list[int]] = field(default_factory=dict)
    quarantined: set[int] = field(default_factory=set)
    zombie_posts: int = 0
    duplicates: int = 0
    limited: int = 0
    opened: int = 0
    closed: int = 0

    def __post_init__(self) -> None:
        """Roll the dice of one run."""
        r = self.r
        self.size = r.choice((6, 12, 24, 48))
        self.parts = r.choice((1, 1, 2))
        self.schedule = r.choice(SCHEDULES)
        self.slow = r.choice((0.0, 0.2))
        self.failing = r.choice((0.0, 0.0, 0.05))
        self.hurt = r.choice((0.0, 0.02, 0.1))
        self.slots = r.choice((1, 3, 50))
        self.is_suspected = r.random() < 0.2
        for index in range(r.choice((1, 2, 3))):
            name = f"sub_{index}"
            self.is_up[name] = True
            self.edit(name, modes={0: r.choice(("strict", "strict", "none"))})

    def charges_nobody(self, outcome: Outcome) -> bool:
        """Say whether a failure of this kind is everybody's, so ours (a world-long outage)."""
        return self.is_suspected and outcome is Outcome.TIMEOUT

    # ---- registry

    def edit(self, name: str, **changes: object) -> None:
        """Write a new version of a subscription."""
        old = self.policies.get(name)
        fields: dict[str, object] = {
            "modes": {},
            "schedule_ms": self.schedule,
            "max_age_ms": MAX_AGE,
            "max_in_flight": self.r.choice((1, 2, 8)),
            "rate_limit": self.r.choice(RATES),
        }
        if old is not None:
            fields = {key: getattr(old, key) for key in old.__struct_fields__}
        self.policies[name] = SubscriptionPolicy(**(fields | changes))  # type: ignore[arg-type]
        self.version += 1
        self.versions[name] = self.version

    def disable(self, name: str) -> None:
        """Disable a subscription: a new lane epoch, and what waits is dropped (R2)."""
        old = self.policies.get(name)
        if old is None:
            return
        epoch = old.lane_epoch + 1
        modes = {**old.modes, epoch: old.modes[old.lane_epoch]}
        self.edit(name, status="disabled", lane_epoch=epoch, drop_before=epoch, modes=modes)

    def edit_something(self) -> None:
        """Pause, resume, disable, re-enable, change the ordering or delete a subscription."""
        if not self.policies:
            return
        name = self.r.choice(list(self.policies))
        old = self.policies[name]
        dice = self.r.random()
        if dice < 0.1:
            self.edit(name, rate_limit=self.r.choice(RATES))
        elif dice < 0.35:
            if old.status != "disabled":
                self.edit(name, status="paused" if old.status == "active" else "active")
        elif dice < 0.6:
            self.disable(name)
        elif dice < 0.84:
            self.edit(name, status="active")
        elif dice < 0.97:
            epoch = old.lane_epoch + 1
            mode = self.r.choice(("strict", "none"))
            self.edit(name, lane_epoch=epoch, modes={**old.modes, epoch: mode})
        else:
            del self.policies[name]
            self.version += 1
            self.versions[name] = self.version

    def is_gone(self, entry: Entry) -> bool:
        """Ask whether a delivery was dropped by the registry."""
        policy = self.policies.get(entry.subscription)
        return policy is None or _epoch(entry) < policy.drop_before

    def is_strict(self, entry: Entry) -> bool:
        """Ask whether a delivery's lane keeps its order."""
        policy = self.policies[entry.subscription]
        return policy.mode_of(_epoch(entry)) == "strict" and not entry.lane.endswith("/test")

    # ---- fan-out

    def fan_out(self) -> None:
        """Append a few deliveries, a broken record or nothing, and the transaction's marker."""
        if len(self.log) >= self.size or not self.policies:
            return
        for _ in range(self.r.randrange(1, 4)):
            if self.r.random() < 0.04:
                self.log.append(BAD)
                continue
            name = self.r.choice(list(self.policies))
            policy = self.policies[name]
            if policy.status == "disabled":
                continue
            part = self.r.choice(("", "/7")) if self.parts > 1 else ""
            kind = "first"
            if self.r.random() < 0.05:
                part, kind = "/test", "test"
            lane = f"{name}/{policy.lane_epoch}{part}"
            offset = len(self.log)
            self.earlier.setdefault(lane, []).append(offset)
            self.log.append(Entry(offset, lane, name, kind, self.now, self.version))
        self.log.extend([None] * self.r.choice((1, 1, 2, 3)))

    def entries(self) -> list[Entry]:
        """Return the deliveries of the log."""
        return [entry for entry in self.log if isinstance(entry, Entry)]

    # ---- receivers

    def receive(self, attempt: Attempt, *, is_current: bool, knows_drop: bool) -> None:
        """Judge a request that is about to reach its receiver."""
        sequence, number = attempt.delivery.sequence, attempt.number
        entry = self.log[sequence]
        assert isinstance(entry, Entry)
        if not is_current:
            self.zombie_posts += 1
        if is_current and sequence in self.final:
            raise Broken("repeat after a durable end")
        if is_current and self.is_gone(entry) and knows_drop:
            raise Broken("request of a dropped delivery")
        if is_current and self.now < self.due.get((sequence, number), -1):
            raise Broken("early")
        self.duplicates += sequence in self.acked
        if sequence not in self.first:
            self.first[sequence] = self.now
            if not self.is_gone(entry) and self.is_strict(entry):
                self._judge_order(entry)

    def _judge_order(self, entry: Entry) -> None:
        for earlier in self.earlier[entry.lane]:
            if earlier >= entry.sequence:
                return
            if earlier not in self.acked and earlier not in self.final:
                raise Broken("order")

    def fail(self, attempt: Attempt, *, back_off: int) -> None:
        """Note the earliest time at which the next attempt may come."""
        number = attempt.number
        if number <= len(self.schedule):
            key = (attempt.delivery.sequence, number + 1)
            due = self.now + max(self.schedule[number - 1], back_off)
            self.due[key] = min(due, self.due.get(key, due))

    # ---- the tick

    def append_outputs(self, snapshot: TickSnapshot, quarantine: list[int]) -> None:
        """Append what a transaction produces: delay topics, dead letters, attempts, quarantine."""
        written = set()
        for output in snapshot.outputs:
            if isinstance(output, Park):
                self.tiers[output.tier].append((self.now, snapshot.term, output))
                written.add(output.tier)
            else:
                self._judge_final(output)
        for tier in written:
            self.tiers[tier].append(None)
        for offset in quarantine:
            if offset in self.quarantined:
                raise Broken("quarantined twice")
            self.quarantined.add(offset)

    def write_state(self, snapshot: TickSnapshot) -> None:
        """Write the lane records and $window."""
        if self.committed is not None and snapshot.window.w < self.committed.window.w:
            raise Broken("the low mark went back")
        for key, state in snapshot.lanes:
            if state is None:
                self.lanes.pop(key, None)
            else:
                self.lanes[key] = state
        self.committed = Committed(snapshot.term, snapshot.tick, snapshot.window)

    def _judge_final(self, output: Output) -> None:
        if isinstance(output, DeadLetter):
            end = output.reason.value
        elif isinstance(output, AttemptLog) and _is_end(output):
            end = output.outcome.value
        else:
            return
        sequence = output.delivery.sequence
        entry = self.log[sequence]
        assert isinstance(entry, Entry)
        if sequence in self.final and not self.is_gone(entry):
            raise Broken("final twice")
        self.final[sequence] = end

    # ---- the end

    def _is_final(self, entry: Entry) -> bool:
        is_old_test = entry.kind == "test" and self.now - entry.accepted_at > MAX_AGE
        return entry.sequence in self.final or self.is_gone(entry) or is_old_test

    def is_settled(self) -> bool:
        """Ask whether every delivery is final or dropped, and nothing durable is left over."""
        if not all(self._is_final(entry) for entry in self.entries()):
            return False
        if self.lanes:
            return False
        if self.committed is None:
            return not self.log
        window = self.committed.window
        tiers = [w for w, _ in window.tiers]
        return window.w == len(self.log) and tiers == [len(topic) for topic in self.tiers]


def _is_end(output: AttemptLog) -> bool:
    if output.kind == "test":
        return output.outcome.value not in {"cancelled", "local_fault"}
    return output.outcome.value == "delivered"


def _epoch(entry: Entry) -> int:
    return int(entry.lane.split("/")[1])
