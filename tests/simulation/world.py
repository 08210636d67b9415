"""The outside of one partition for the simulation: registry, fan-out, receivers, clock.

It is also the judge: it sees every request and every committed tick, and raises Broken when a
promise of CONTRACT §6 is not kept.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from deliverer.lease import LEASE_S, REGISTRY_SILENCE_S
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
from tests.simulation.broker import BAD, Broken, Broker, Entry
from tests.simulation.broker import Waiting as InTier
from tests.simulation.choices import Choices, Step
from tests.simulation.process import Processes
from tests.simulation.rules import Rules

SCHEDULES = ((2, 5, 9, 30, 60, 17), (14, 45, 7, 1, 20), (50, 13, 3), (1,), ())
RATES = (None, None, Rate(1.5, 1), Rate(2.5, 3), Rate(5.0, 2))
UNITS_PER_S = 4
"""The lease is production's, in seconds; everything else counts in these units."""
LEASE = LEASE_S * UNITS_PER_S
SILENCE = REGISTRY_SILENCE_S * UNITS_PER_S
RETENTION_SPARE = 250
"""How much longer than `max_age` records are kept: what a retry and its delays may add."""
STEADY = 150
"""Within so long an owner that nothing disturbs lets go of whatever is older than `max_age`."""


@dataclass
class World:
    """Everything outside the owners."""

    dice: Choices
    rules: Rules
    now: int = 1000
    broker: Broker = field(default_factory=Broker)
    policies: dict[str, SubscriptionPolicy] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    version: int = 0
    is_up: dict[str, bool] = field(default_factory=dict)
    quiet_since: dict[str, int] = field(default_factory=dict)
    dropped_at: dict[str, int] = field(default_factory=dict)
    first: dict[int, int] = field(default_factory=dict)
    acked: set[int] = field(default_factory=set)
    processes: Processes | None = None
    """Where owners remember what they saw succeed (C5); None: none does."""
    final: dict[int, str] = field(default_factory=dict)
    lost: set[int] = field(default_factory=set)
    due: dict[tuple[int, int], int] = field(default_factory=dict)
    earlier: dict[str, list[int]] = field(default_factory=dict)
    quarantined: set[int] = field(default_factory=set)
    steady_since: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    step: Step = field(default_factory=lambda: Step(""))

    def __post_init__(self) -> None:
        """Roll the dice of one run."""
        pick = self.dice.pick
        self.size = pick((6, 12, 24, 48))
        self.parts = pick((1, 1, 2))
        self.schedule = pick(SCHEDULES)
        self.slow = pick((0.0, 0.2))
        self.failing = pick((0.0, 0.05, 0.2))
        self.hurt = pick((0.0, 0.02, 0.1))
        self.slots = pick((50, 3, 1))
        self.max_age = pick((400, 400, 80))
        self.broker.retention = pick((None, self.max_age + RETENTION_SPARE))
        self.is_suspected = self.dice.chance(0.2)
        for index in range(pick((1, 2, 3))):
            name = f"sub_{index}"
            self.is_up[name] = True
            self.edit(name, modes={0: pick(("strict", "strict", "none"))})

    def note(self, text: str) -> None:
        """Say what became of the current step."""
        self.step.notes.append(text)

    def count(self, what: str, number: int = 1) -> None:
        """Count what a run met, so that a test can tell that it was met at all."""
        self.counts[what] = self.counts.get(what, 0) + number

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
            "max_age_ms": self.max_age,
            "max_in_flight": self.dice.pick((8, 2, 1)),
            "rate_limit": self.dice.pick(RATES),
        }
        if old is not None:
            fields = {key: getattr(old, key) for key in old.__struct_fields__}
        new = SubscriptionPolicy(**(fields | changes))  # type: ignore[arg-type]
        self.policies[name] = new
        if new.status == "active":
            self.quiet_since.pop(name, None)
        else:
            self.quiet_since.setdefault(name, self.now)
        if old is not None and new.drop_before > old.drop_before:
            self.dropped_at[name] = self.now
        self._publish(name)

    def _publish(self, name: str) -> None:
        self.version += 1
        self.versions[name] = self.version
        policy = self.policies.get(name)
        if policy is None:
            self.note(f"{name} deleted")
            return
        shown = f"{policy.status}, epoch {policy.lane_epoch} {policy.mode_of(policy.lane_epoch)}"
        self.note(f"{name} {shown}, drops before {policy.drop_before}")

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
        name = self.dice.pick(list(self.policies))
        old = self.policies[name]
        kind = self.dice.below(100)
        if kind < 25:
            if old.status != "disabled":
                self.edit(name, status="paused" if old.status == "active" else "active")
        elif kind < 50:
            self.disable(name)
        elif kind < 74:
            self.edit(name, status="active")
        elif kind < 87:
            epoch = old.lane_epoch + 1
            mode = self.dice.pick(("strict", "none"))
            self.edit(name, lane_epoch=epoch, modes={**old.modes, epoch: mode})
        elif kind < 97:
            self.edit(name, rate_limit=self.dice.pick(RATES))
        else:
            del self.policies[name]
            self.dropped_at[name] = self.now
            self._publish(name)

    def is_gone(self, entry: Entry) -> bool:
        """Ask whether a delivery was dropped by the registry."""
        policy = self.policies.get(entry.subscription)
        return policy is None or entry.epoch < policy.drop_before

    def _is_strict(self, entry: Entry) -> bool:
        policy = self.policies[entry.subscription]
        return policy.mode_of(entry.epoch) == "strict" and entry.kind != "test"

    # ---- fan-out

    def fan_out(self) -> None:
        """Append a few deliveries, a broken record or nothing, and the transaction's marker."""
        broker, dice = self.broker, self.dice
        if len(broker.log) >= self.size or not self.policies:
            return
        for _ in range(1 + dice.below(3)):
            if dice.chance(0.04):
                broker.append(BAD, self.now)
                continue
            name = dice.pick(list(self.policies))
            policy = self.policies[name]
            if policy.status == "disabled":
                continue
            part = dice.pick(("", "/7")) if self.parts > 1 else ""
            kind = "first"
            if dice.chance(0.05):
                part, kind = "/test", "test"
            lane = f"{name}/{policy.lane_epoch}{part}"
            offset = len(broker.log)
            self.earlier.setdefault(lane, []).append(offset)
            broker.append(Entry(offset, lane, name, kind, self.now, self.version), self.now)
            self.note(f"log[{offset}] = {lane}")
        for _ in range(1 + dice.pick((0, 0, 1, 2))):
            broker.append(None, self.now)

    def entries(self) -> Iterable[Entry]:
        """Yield every delivery that was ever in the log."""
        return (entry for entry in self.broker.log if isinstance(entry, Entry))

    # ---- receivers

    def judge_start(self, attempt: Attempt, *, is_current: bool, knows_all: bool) -> None:
        """Judge an attempt that begins."""
        sequence, number = attempt.delivery.sequence, attempt.number
        entry = self._entry(sequence)
        if is_current and knows_all and self.is_gone(entry):
            raise Broken("request of a dropped delivery")
        if is_current and self.now < self.due.get((sequence, number), -1):
            raise Broken("early")
        self._judge_quiet(entry)

    def receive(self, attempt: Attempt, *, owner: int, is_current: bool) -> None:
        """Judge a request whose bytes are about to be written, perhaps long after its start."""
        sequence, number = attempt.delivery.sequence, attempt.number
        entry = self._entry(sequence)
        self.note(f"POST {sequence}, attempt {number}" + ("" if is_current else ", by a zombie"))
        self.count("zombie posts", not is_current)
        if is_current and sequence in self.final:
            raise Broken("repeat after a durable end")
        if self.now - self.broker.proven_at[owner] > LEASE:
            raise Broken("request without a fresh proof of ownership")
        self.count("duplicates", sequence in self.acked)
        if sequence not in self.first:
            self.first[sequence] = self.now
            if not self.is_gone(entry) and self._is_strict(entry):
                self._judge_order(entry)

    def _judge_quiet(self, entry: Entry) -> None:
        """Judge P9: whoever starts it, nothing starts long after a pause, disable or delete."""
        name = entry.subscription
        since = self.dropped_at.get(name) if self.is_gone(entry) else None
        if since is None and entry.kind != "test":
            since = self.quiet_since.get(name)
        if since is not None and self.now - since > SILENCE:
            raise Broken("start long after the subscription was stopped")

    def _judge_order(self, entry: Entry) -> None:
        for earlier in self.earlier[entry.lane]:
            if earlier >= entry.sequence:
                return
            if not (earlier in self.acked or earlier in self.final or earlier in self.lost):
                raise Broken(f"order: {entry.sequence} before {earlier}")

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
                topic = self.broker.tiers[output.tier]
                topic.append(InTier(self.now, snapshot.term, output))
                written.add(output.tier)
            else:
                self._judge_final(output)
        for tier in written:
            self.broker.tiers[tier].append(None)
        for offset in quarantine:
            if offset in self.quarantined:
                raise Broken("quarantined twice")
            self.quarantined.add(offset)

    def write_state(self, snapshot: TickSnapshot) -> None:
        """Write the lane records and $window."""
        before, _ = self.broker.state()
        if before is not None and snapshot.window.w < before.window.w:
            raise Broken("the low mark went back")
        written = self.broker.write(snapshot)
        self.note(f"tick {written.mark} landed, w = {snapshot.window.w}")
        self._judge_durable()

    def _judge_final(self, output: Output) -> None:
        if isinstance(output, DeadLetter):
            end = output.reason.value
        elif isinstance(output, AttemptLog) and _is_end(output):
            end = output.outcome.value
        else:
            return
        sequence = output.delivery.sequence
        entry = self._entry(sequence)
        if sequence in self.final and not self.is_gone(entry):
            raise Broken(f"final twice: {sequence}")
        self.final[sequence] = end
        self.note(f"{sequence} is final: {end}")

    # ---- what is durable

    def _judge_durable(self) -> None:
        """Judge that a successor would find every delivery that is not final."""
        committed, lanes = self.broker.state()
        assert committed is not None
        window = committed.window
        for entry in self.entries():
            sequence = entry.sequence
            is_ahead = sequence >= window.w and not _is_in(sequence, window.done)
            if is_ahead or self._is_over(entry) or sequence in self.lost:
                continue
            if not self._is_findable(entry, lanes.get(entry.lane), window):
                raise Broken(f"lost: no successor would find {sequence}")

    def _is_findable(self, entry: Entry, record: LaneState | None, window: WindowState) -> bool:
        sequence = entry.sequence
        if record is not None and record.low <= sequence < window.w:
            is_done = _is_in(sequence, record.done) or _is_in(sequence, window.done)
            if not is_done and sequence >= self.broker.begin:
                return True
        for tier, offset, found in self.broker.find_waiting(sequence):
            w, done = window.tiers[tier]
            if offset < w or _is_in(offset, done):
                continue
            is_held = record is not None and record.held == (sequence, found.park.attempt)
            if is_held or not self._is_strict(entry):
                return True
        return False

    def let_retention_pass(self) -> None:
        """Delete old records; live ones among them only if no owner had the time to end them."""
        gone, waiting = self.broker.retain(self.now, self.dice)
        found = [entry for entry in gone if not self.broker.find_waiting(entry.sequence)]
        found += [entry for item in waiting if (entry := self._entry_of(item)) is not None]
        for entry in found:
            if self._is_over(entry) or entry.sequence in self.lost:
                continue
            if self.now - self.steady_since > STEADY:
                raise Broken(f"lost: retention overtook {entry.sequence}")
            self.lost.add(entry.sequence)
            self.count("lost to retention")
            self.note(f"retention took {entry.sequence}")

    def _entry_of(self, waiting: InTier) -> Entry | None:
        sequence = waiting.park.delivery.sequence
        return None if self.broker.find_waiting(sequence) else self._entry(sequence)

    def _entry(self, sequence: int) -> Entry:
        entry = self.broker.log[sequence]
        assert isinstance(entry, Entry)
        return entry

    def _is_over(self, entry: Entry) -> bool:
        is_old_test = entry.kind == "test" and self.now - entry.accepted_at > self.max_age
        return entry.sequence in self.final or self.is_gone(entry) or is_old_test

    # ---- the end

    def is_settled(self) -> bool:
        """Ask whether every delivery is final, dropped or lost, and nothing is left over."""
        if not all(self._is_over(entry) or entry.sequence in self.lost for entry in self.entries()):
            return False
        committed, lanes = self.broker.state()
        if lanes:
            return False
        if committed is None:
            return not self.broker.log
        ends = [w for w, _ in committed.window.tiers]
        is_read = committed.window.w == len(self.broker.log)
        return is_read and ends == [len(topic) for topic in self.broker.tiers]


def _is_in(offset: int, runs: Iterable[tuple[int, int]]) -> bool:
    return any(start <= offset < end for start, end in runs)


def _is_end(output: AttemptLog) -> bool:
    if output.kind == "test":
        return output.outcome.value not in {"cancelled", "local_fault"}
    return output.outcome.value == "delivered"
