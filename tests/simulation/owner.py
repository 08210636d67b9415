"""An owner of the partition: the very Machine, driven by random single steps instead of a shell."""

from collections.abc import Callable

import msgspec

from deliverer.policy.items import (
    Attempt,
    AttemptReport,
    Delivery,
    Extent,
    LaneState,
    Limits,
    Parked,
    RecoveredState,
    SubscriptionPolicy,
    TickSnapshot,
    WindowState,
)
from deliverer.policy.machine import Machine
from schemas.outcome import Outcome
from tests.simulation.restraint import OURS, Restraint
from tests.simulation.world import BAD, TIERS, Broken, Entry, World

SIZE = 10
WAITING, SENT, LANDED = "waiting", "sent", "landed"


class Owner:
    """One takeover of the partition, until it is dead or replaced."""

    def __init__(self, world: World, limits: Limits) -> None:
        self.world = world
        self.limits = limits
        self.is_dead = False
        self.delivered: set[int] = set()
        self.is_claimed = world.rules.is_claim_first
        if self.is_claimed:
            world.claim += 1
        self.claim = world.claim
        self._load()

    def _load(self) -> None:
        world = self.world
        self.phase = WAITING
        self.snapshot: TickSnapshot | None = None
        self.half_done = False
        self.running: list[tuple[Attempt, AttemptReport, bool]] = []
        self.quarantine: list[int] = []
        self.sent_quarantine: list[int] = []
        self.disable: list[str] = []
        self.fetch: tuple[int, int] | None = None
        self.not_before: dict[str, int] = {}
        self.restraint = Restraint(world, self.limits)
        self.view: dict[str, SubscriptionPolicy] = dict(world.policies)
        self.version = world.version
        self.last = world.committed
        self.machine = self._take_over()
        if not world.rules.does_confirm:
            self.machine._state.is_confirmed = True
            self.machine._state.is_dirty = False
        self.head = self.machine.head_position
        self.tier_at = [self.machine.tier_position(tier) for tier in range(len(TIERS))]

    def policy(self, subscription: str) -> SubscriptionPolicy | None:
        """Answer the machine from this owner's registry table."""
        policy = self.view.get(subscription)
        if policy is None or self.world.rules.does_drop:
            return policy
        return msgspec.structs.replace(policy, drop_before=0)

    def _take_over(self) -> Machine:
        world, rules = self.world, self.world.rules
        found = world.committed
        window = None if found is None else found.window
        if window is not None:
            done = window.done if rules.keeps_done else []
            tiers = [(w, runs if rules.keeps_tier_done else []) for w, runs in window.tiers]
            window = WindowState(window.w, done, tiers)
        lanes = dict(world.lanes)
        if not rules.keeps_held:
            lanes = {k: LaneState(s.low, s.done, None, s.since) for k, s in lanes.items()}
        if not rules.keeps_cursors:
            lanes = {key: lane for key, lane in lanes.items() if lane.held is not None}
        if not rules.keeps_lane_done:
            lanes = {k: LaneState(s.low, [], s.held, s.since) for k, s in lanes.items()}
        state = RecoveredState(
            term=0 if found is None else found.term,
            tick=0 if found is None else found.tick,
            window=window,
            lanes=lanes,
            deliveries=Extent(0, len(world.log)),
            tiers=tuple(Extent(0, len(topic)) for topic in world.tiers),
        )
        return Machine(
            partition_state=state,
            subscriptions=self,
            limits=self.limits,
            tiers=TIERS,
            jitter=world.r.random,
            fate=world,
        )

    # ---- one step

    def step(self) -> None:
        """Do one randomly chosen thing."""
        world = self.world
        steps: list[tuple[float, Callable[[], object]]] = [
            (0.20, self.read_head),
            (0.38, self.start),
            (0.56, self.finish),
            (0.66, lambda: self.read_tier(world.r.randrange(len(TIERS)))),
            (0.76, lambda: self.machine.wake(world.now)),
            (0.80, self.refresh),
            (0.82, self._write_disable),
            (0.90 if self.limits.sweep else 0.82, self.sweep),
            (1.00, self._tick),
        ]
        dice = world.r.random()
        next(do for share, do in steps if dice < share)()
        self._judge_bounds()

    def _tick(self) -> None:
        if self.phase == WAITING:
            self.begin()
        elif self.phase == SENT:
            self._send()
        else:
            self._acknowledge()

    def _judge_bounds(self) -> None:
        machine = self.machine
        if machine.in_flight != len(self.running):
            raise Broken("attempts miscounted")
        if machine.head_position - machine.low_mark > self.limits.window_offsets + 8:
            raise Broken("window beyond its bound")
        if any(len(lane.queue) > self._queue_max for lane in machine._state.lanes.values()):
            raise Broken("a queue beyond its bound")
        if machine.counts.stale:
            raise Broken("a record of a delay topic was not the held one")

    @property
    def _queue_max(self) -> int:
        limits = self.limits
        return limits.lane_queue_max + 8 if limits.sweep else limits.window_offsets + 8

    # ---- readers

    def read_head(self) -> None:
        """Read a few records of the log, sometimes again from further back (H1)."""
        world, machine = self.world, self.machine
        if not machine.can_read_head():
            return
        if world.r.random() < 0.05:
            self.head = machine.low_mark
        end = min(len(world.log), self.head + world.r.randrange(1, 6))
        batch: list[Delivery] = []
        for offset in range(self.head, end):
            found = world.log[offset]
            if isinstance(found, Entry):
                if found.registry_version > self.version:
                    self.refresh()  # R1
                batch.append(_delivery(found))
            elif found == BAD:
                self._hand_over(batch, offset)
                batch = []
                if machine.skip_head(offset):
                    self.quarantine.append(offset)
        self._hand_over(batch, end)
        self.head = end

    def _hand_over(self, batch: list[Delivery], end: int) -> None:
        if not self.world.rules.skips_lagging:
            self._forget_cursors()
        self.machine.read_head(batch, end=end, now=self.world.now)

    def _forget_cursors(self) -> None:
        """Break the machine: lagging lanes forget where they must go on (an ablation)."""
        for lane in list(self.machine._state.sweep.lagging):
            lane.cur = None
            self.machine._state.sweep.forget(lane)

    def read_tier(self, tier: int) -> None:
        """Read a few records of a delay topic; stop for ever when a successor wrote one."""
        world = self.world
        if not self.machine.can_read_tier(tier):
            return
        topic = world.tiers[tier]
        at = self.tier_at[tier]
        end = min(len(topic), at + world.r.randrange(1, 5))
        records = []
        for offset in range(at, end):
            found = topic[offset]
            if found is None:
                continue
            appended_at, term, park = found
            records.append(
                Parked(
                    park.delivery,
                    tier,
                    offset,
                    appended_at,
                    park.attempt,
                    park.due_at,
                    term if world.rules.keeps_terms else 0,
                    park.first_attempt_at,
                    park.last_outcome,
                    park.last_status,
                    park.last_attempt_at,
                )
            )
        if self.machine.read_tier(tier, records, end=end, now=world.now):
            self.tier_at[tier] = end
        else:
            self.is_dead = True

    def sweep(self) -> None:
        """Read the log again for lagging lanes; a fetch may come back after other steps."""
        world, fetch = self.world, self.fetch
        if fetch is not None:
            start, end = fetch
            self.fetch = None
            found = [world.log[offset] for offset in range(start, end)]
            batch = [_delivery(entry) for entry in found if isinstance(entry, Entry)]
            self.machine.read_sweep(batch, start=start, end=end, now=world.now)
            return
        target = self.machine.sweep_target(world.now)
        if target is not None:
            self.fetch = target, min(len(world.log), target + world.r.randrange(1, 9))
            if world.r.random() < 0.8:
                self.sweep()

    def refresh(self) -> None:
        """Let the registry table catch up."""
        world = self.world
        changed = [name for name, version in world.versions.items() if version > self.version]
        old = self.view
        self.view = dict(world.policies)
        self.version = world.version
        for name in changed:
            self.restraint.edited(name, old.get(name), self.view.get(name))
            self.machine.registry_changed(name, world.now)

    # ---- attempts

    def start(self) -> None:
        """Start an attempt when a slot is free; its answer is rolled at once."""
        world = self.world
        if len(self.running) >= world.slots:
            return
        attempt = self.machine.next_start(world.now, admits=lambda _: world.r.random() < 0.9)
        if attempt is None:
            return
        self._judge_start(attempt)
        is_slow = world.r.random() < world.slow
        report = self._answer(attempt)
        if report.outcome is not Outcome.LOCAL_FAULT:
            world.receive(
                attempt,
                is_current=self.claim == world.claim,
                knows_drop=self.version == world.version,
            )
            if report.outcome is Outcome.DELIVERED or report.detail == "answer lost":
                world.acked.add(attempt.delivery.sequence)
        self.running.append((attempt, report, is_slow))

    def _judge_start(self, attempt: Attempt) -> None:
        delivery = attempt.delivery
        policy = self.view.get(delivery.subscription)
        if delivery.sequence in self.delivered:
            raise Broken("repeat by the same owner")
        if any(a.delivery.sequence == delivery.sequence for a, _, _ in self.running):
            raise Broken("two attempts of one delivery")
        if self.world.now < self.not_before.get(delivery.subscription, 0):
            raise Broken("Retry-After was not obeyed")
        if policy is None:
            raise Broken("request of a deleted subscription")
        self.restraint.started(attempt, policy)
        if delivery.kind == "test":
            if attempt.number != 1:
                raise Broken("a test was retried")
            return
        if policy.status != "active":
            raise Broken("started although paused")
        if self.world.now - delivery.accepted_at > policy.max_age_ms:
            raise Broken("started although too old")

    def _answer(self, attempt: Attempt) -> AttemptReport:
        world, now = self.world, self.world.now
        dice = world.r.random()
        outcome, status, retry_after, detail = Outcome.HTTP_5XX, 500, None, None
        abort = disable = False
        if dice < world.hurt:
            kind = world.r.randrange(7)
            if kind == 0:
                outcome = Outcome.LOCAL_FAULT
            elif kind == 1:
                outcome = Outcome.CANCELLED
            elif kind == 2:
                outcome, status, retry_after = Outcome.HTTP_429, 429, world.r.randrange(30)
            elif kind == 3:
                abort = True
            elif kind == 4 and world.r.random() < 0.2:
                outcome, status = Outcome.HTTP_410, 410
            elif kind == 5 and world.r.random() < 0.2:
                outcome, status, disable = Outcome.DELIVERED, 200, True
            else:
                outcome, detail = Outcome.TIMEOUT, "answer lost"
        elif world.is_up[attempt.delivery.subscription]:
            outcome, status = Outcome.DELIVERED, 200
        return AttemptReport(
            outcome=outcome,
            status=status,
            retry_after_ms=retry_after,
            wants_abort=abort,
            wants_disable=disable,
            started_at=now,
            finished_at=now,
            duration_ms=0,
            detail=detail,
        )

    def finish(self) -> None:
        """Hand one answer to the machine; slow ones take their time."""
        if not self.running:
            return
        world = self.world
        index = world.r.randrange(len(self.running))
        attempt, report, is_slow = self.running[index]
        if is_slow and world.r.random() < 0.95:
            return
        del self.running[index]
        if report.outcome is Outcome.DELIVERED:
            self.delivered.add(attempt.delivery.sequence)
        elif not self._is_ours(report.outcome):
            back_off = report.retry_after_ms or 0
            world.fail(attempt, back_off=back_off)
            name = attempt.delivery.subscription
            self.not_before[name] = max(self.not_before.get(name, 0), world.now + back_off)
        self.restraint.finished(attempt, report)
        notices = self.machine.finish(attempt, report, world.now)
        self._break_restraint(attempt.delivery.subscription)
        if not world.rules.puts_cursor_back and report.outcome is Outcome.HTTP_5XX:
            self._forget_cursors()
        self.disable += [notice.subscription for notice in notices]
        if not world.rules.does_wait_for_dead:
            state = self.machine._state
            for lane in state.settling:
                state.settling[lane] = 0
            if state.open_tick is None and state.settling:
                saved = state.outputs
                self.machine.begin_tick(world.now)
                state.window.advance(state.window.low)
                self.machine.committed(world.now)
                state.outputs = saved

    def _is_ours(self, outcome: Outcome) -> bool:
        return outcome in OURS or self.world.charges_nobody(outcome)

    def _break_restraint(self, name: str) -> None:
        """Break the machine: it forgets what it must remember of a subscription (ablations)."""
        seat = self.machine._state.seats.get(name)
        if seat is None:
            return
        if not self.world.rules.keeps_breaker:
            seat.health = None
        if not self.world.rules.keeps_rate and seat.bucket is not None:
            seat.bucket.full_at = 0

    def _write_disable(self) -> None:
        for name in self.disable:
            self.world.disable(name)
        self.disable = []

    # ---- the tick

    def begin(self) -> None:
        """Take the machine's state into a transaction."""
        world = self.world
        if not self.machine.has_output and not self.quarantine:
            return
        if not self.is_claimed:
            world.claim += 1
            self.claim, self.is_claimed = world.claim, True
        self.snapshot = self.machine.begin_tick(world.now)
        if not world.rules.keeps_live_records:
            self._drop_live_records(self.snapshot)
        self.sent_quarantine, self.quarantine = self.quarantine, []
        self.phase, self.half_done = SENT, False

    def _drop_live_records(self, snapshot: TickSnapshot) -> None:
        """Break the machine: a lane's record goes as soon as it is live (an ablation)."""
        lanes = self.machine._state.lanes
        live = {key for key, lane in lanes.items() if lane.cur is None and lane.held is None}
        snapshot.lanes = [(k, None if k in live else state) for k, state in snapshot.lanes]

    def apply(self) -> None:
        """Let the broker commit the open transaction, or refuse it to a fenced owner."""
        world, snapshot = self.world, self.snapshot
        assert snapshot is not None
        if self.claim != world.claim and world.rules.is_fenced:
            self.is_dead = True
            return
        if not self.half_done:
            world.append_outputs(snapshot, self.sent_quarantine)
        if not world.rules.is_atomic and not self.half_done:
            self.half_done = True
            return
        world.write_state(snapshot)
        self.phase = LANDED

    def _send(self) -> None:
        world = self.world
        if world.r.random() < world.failing:
            self._recover()
        elif self.claim == world.claim or world.r.random() < 0.1:
            self.apply()

    def _recover(self) -> None:
        """The producer failed in mid-tick: claim again, and look whether the tick landed (C5)."""
        world, snapshot = self.world, self.snapshot
        assert snapshot is not None
        if world.r.random() < 0.5:
            self.apply()
        if self.is_dead or self.half_done:
            return
        if self.claim != world.claim and world.rules.is_fenced:
            self.is_dead = True  # C4: the group refuses
            return
        world.claim += 1
        self.claim = world.claim
        if not world.rules.does_resend:
            self._load()
            return
        self.phase = SENT
        mark = world.committed
        if mark is not None and (mark.term, mark.tick) == (snapshot.term, snapshot.tick):
            self.phase = LANDED
        elif mark is not self.last and world.rules.does_read_mark:
            self.is_dead = True

    def _acknowledge(self) -> None:
        self.machine.committed(self.world.now)
        self.last = self.world.committed
        self.phase, self.snapshot = WAITING, None


def _delivery(entry: Entry) -> Delivery:
    return Delivery(
        entry.sequence,
        entry.lane,
        entry.subscription,
        f"msg_{entry.sequence}",
        entry.kind,
        entry.accepted_at,
        0,
        SIZE,
        None,
    )
