"""An owner of the partition: the very Machine, driven by random single steps instead of a shell."""

from collections.abc import Callable
from dataclasses import dataclass

from deliverer.lease import Lease
from deliverer.policy.items import (
    Attempt,
    AttemptReport,
    Delivery,
    Extent,
    Limits,
    Parked,
    RecoveredState,
    SubscriptionPolicy,
)
from deliverer.policy.machine import Machine
from schemas.outcome import Outcome
from tests.simulation import sabotage
from tests.simulation.broker import BAD, TIERS, Broken, Entry
from tests.simulation.restraint import OURS, Restraint
from tests.simulation.table import Table
from tests.simulation.ticks import Phase, Ticks
from tests.simulation.world import UNITS_PER_S, World

SIZE = 10
RETURNED_MAX = 8
"""Attempts cut short go back to the queue (A6): as many as a subscription has out."""
ACTIONS = {
    "read_head": 0.16,
    "start": 0.20,
    "finish": 0.18,
    "read_tier": 0.10,
    "wake": 0.08,
    "refresh": 0.08,
    "disable": 0.02,
    "sweep": 0.08,
    "tick": 0.10,
}
GROWING = {"read_head", "sweep", "finish", "wake"}
OFFLINE = {"start", "finish", "wake"}
"""What an owner can do that is cut off from the brokers."""


@dataclass
class Running:
    """An attempt that is out; without a report its bytes are not written yet."""

    attempt: Attempt
    is_slow: bool
    report: AttemptReport | None = None


class Owner:
    """One owner of the partition, from its takeover until it is dead or replaced.

    `is_cut`: no broker answers it, receivers do.
    """

    def __init__(self, world: World, limits: Limits, number: int) -> None:
        self.world = world
        self.limits = limits
        self.number = number
        self.process = None if world.processes is None else world.processes.of(number)
        self.is_dead = False
        self.is_cut = False
        self.delivered: set[int] = set()
        self.running: list[Running] = []
        self.disabling: list[str] = []
        self.not_before: dict[str, int] = {}
        self._machine: Machine | None = None
        self._actions = {action: getattr(self, f"_{action}") for action in ACTIONS}
        self._fetch: tuple[int, int] | None = None
        self._wants_lease = False
        self._claimed_at = world.now
        self._claim = 0
        if world.rules.is_claim_first:
            self._claim = world.broker.init_producer(number, world.now)
        else:
            self._take_over()

    # ---- the takeover

    def _take_over(self) -> None:
        """Read what the former owner committed, after the claim."""
        world = self.world
        self._table = Table(world)
        committed, lanes = world.broker.state()
        broker = world.broker
        state = RecoveredState(
            term=0 if committed is None else committed.term,
            tick=0 if committed is None else committed.tick,
            window=None if committed is None else committed.window,
            lanes=lanes,
            failing=broker.failing(),
            deliveries=self._extent(broker.begin, len(broker.log)),
            tiers=tuple(
                self._extent(begin, len(topic))
                for begin, topic in zip(broker.tier_begins, broker.tiers, strict=True)
            ),
        )
        sabotage.recovered(world.rules, state)
        machine = Machine(
            partition_state=state,
            subscriptions=self,
            limits=self.limits,
            tiers=TIERS,
            jitter=lambda: world.dice.below(5) / 4,
            fate=world,
        )
        self._judge_losses(machine, state)
        self.restraint = Restraint(world, self.limits, broker.failing())
        self._machine = machine
        self.ticks = Ticks(world, self.number, machine, committed)
        self.ticks.claim = self._claim
        self.ticks.proven_at = self._claimed_at
        sabotage.taken_over(world, machine)
        self.head = machine.head_position
        self.tier_at = [machine.tier_position(tier) for tier in range(len(TIERS))]
        self.running, self._fetch = [], None
        world.note(f"term {machine.term} begins at {self.head}")

    def _extent(self, begin: int, end: int) -> Extent:
        return Extent(begin if self.world.rules.raises_marks else 0, end)

    def _judge_losses(self, machine: Machine, state: RecoveredState) -> None:
        """Judge that what retention took is counted, for the alarm."""
        if state.window is None:
            return
        broker, counts = self.world.broker, machine.counts
        lost = max(0, broker.begin - state.window.w)
        in_tiers = sum(
            max(0, begin - w)
            for begin, (w, _) in zip(broker.tier_begins, state.window.tiers, strict=True)
        )
        if (counts.lost_offsets, counts.lost_tier_offsets) != (lost, in_tiers):
            raise Broken("what retention took was not counted")
        self.world.count("takeovers behind retention", bool(lost or in_tiers or counts.lost_lows))

    @property
    def machine(self) -> Machine:
        """Return the machine of an owner that has taken over."""
        assert self._machine is not None, "it has taken over"
        return self._machine

    @property
    def is_quiet(self) -> bool:
        """Ask whether nothing is out and no tick is under way."""
        return self._machine is not None and not self.running and self.ticks.phase is Phase.NONE

    def policy(self, subscription: str) -> SubscriptionPolicy | None:
        """Answer the machine from this owner's registry table."""
        policy = self._table.policies.get(subscription)
        return None if policy is None else sabotage.policy(self.world.rules, policy)

    # ---- one step

    def do(self, action: str) -> None:
        """Do one thing, and judge the bounds after what can break them."""
        if self.is_cut and (self._machine is None or action not in OFFLINE):
            return
        if self._machine is None:
            self._take_over()
        else:
            self._actions[action]()
            if action in GROWING:
                self._judge_bounds()

    def die_in_a_tick(self) -> None:
        """End with a tick on its way: it may still land, or not."""
        if self._machine is None or self.ticks.phase is not Phase.SENT:
            return
        if self.world.dice.chance(0.5):
            self.ticks.land()

    def lose(self) -> None:
        """End as a worker does that lost its partition: its process keeps what nobody committed."""
        self.is_dead = True
        if self.process is not None and self._machine is not None:
            self.process.keep(self._machine.unwritten, self.world.now)

    def _wake(self) -> None:
        self.machine.wake(self.world.now)

    def _tick(self) -> None:
        ticks = self.ticks
        ticks.step(is_forced=self._wants_lease and self.world.rules.renews_lease)
        self._wants_lease = False
        self.is_dead = self.is_dead or ticks.is_refused
        if ticks.needs_reload:
            self._claim = ticks.claim
            self._take_over()

    def _judge_bounds(self) -> None:
        machine, limits = self.machine, self.limits
        if machine.in_flight != len(self.running):
            raise Broken("attempts miscounted")
        if machine.head_position - machine.low_mark > limits.window_offsets + 8:
            raise Broken("window beyond its bound")
        for lane in machine._state.lanes.values():
            if len(lane.queue) > limits.lane_queue_max + RETURNED_MAX:
                raise Broken("a queue beyond its bound")
        if machine.counts.stale:
            raise Broken("a record of a delay topic was not the held one")

    # ---- readers

    def _read_head(self) -> None:
        """Read a few records of the log, sometimes again from further back (H1)."""
        world, machine = self.world, self.machine
        if not machine.can_read_head():
            return
        if world.dice.chance(0.05):
            self.head = machine.low_mark
        end = min(len(world.broker.log), self.head + 1 + world.dice.below(5))
        batch: list[Delivery] = []
        for offset, found in world.broker.read(self.head, end):
            if isinstance(found, Entry):
                if found.registry_version > self._table.version:
                    self._learn(self._table.catch_up)  # R1
                batch.append(_delivery(found))
            elif found == BAD:
                self._hand_over(batch, offset)
                batch = []
                if machine.skip_head(offset):
                    self.ticks.quarantine.append(offset)
        self._hand_over(batch, end)
        self.head = end

    def _hand_over(self, batch: list[Delivery], end: int) -> None:
        batch = sabotage.head(self.world.rules, self.machine, batch)
        self.machine.read_head(batch, end=end, now=self.world.now)

    def _read_tier(self) -> None:
        """Read a few records of a delay topic; stop for ever when a successor wrote one."""
        world, rules = self.world, self.world.rules
        tier = world.dice.below(len(TIERS))
        if not self.machine.can_read_tier(tier):
            return
        topic = world.broker.tiers[tier]
        at = max(self.tier_at[tier], world.broker.tier_begins[tier])
        end = min(len(topic), at + 1 + world.dice.below(4))
        records = []
        for offset in range(at, end):
            found = topic[offset]
            if found is None:
                continue
            park = found.park
            records.append(
                Parked(
                    park.delivery,
                    tier,
                    offset,
                    found.appended_at,
                    park.attempt,
                    park.due_at if rules.waits_until_due else 0,
                    found.term if rules.keeps_terms else 0,
                    park.first_attempt_at,
                    park.last_outcome,
                    park.last_status,
                    park.last_attempt_at,
                )
            )
        if self.machine.read_tier(tier, records, end=end, now=world.now):
            self.tier_at[tier] = end
        else:
            world.count("zombies stopped by a later term")
            self.is_dead = True

    def _sweep(self) -> None:
        """Read the log again for lagging lanes; a fetch may come back after other steps."""
        world, fetch = self.world, self._fetch
        if fetch is not None:
            start, end = fetch
            self._fetch = None
            found = world.broker.read(start, end)
            batch = [_delivery(entry) for _, entry in found if isinstance(entry, Entry)]
            batch = sabotage.sweep(world.rules, self.machine, batch)
            self.machine.read_sweep(batch, start=start, end=end, now=world.now)
            return
        target = self.machine.sweep_target(world.now)
        if target is not None:
            end = min(len(world.broker.log), target + 1 + world.dice.below(8))
            self._fetch = target, end
            if not world.dice.chance(0.2):
                self._sweep()

    def _refresh(self) -> None:
        """Let the registry's reader get an answer."""
        self._learn(self._table.refresh)

    def _learn(self, read: Callable[[], list[str]]) -> None:
        old = self._table.policies
        for name in read():
            self.restraint.edited(name, old.get(name), self._table.policies.get(name))
            self.machine.registry_changed(name, self.world.now)

    # ---- attempts

    def _may_start(self) -> bool:
        """Ask what the worker asks before it lets anything start (C4, C6)."""
        world, rules = self.world, self.world.rules
        if self.ticks.is_in_doubt and rules.holds_in_doubt:
            return False
        if rules.needs_registry and not Lease.is_registry_fresh(self._table.silence_s):
            return False
        if self._has_lease() or not rules.obeys_lease:
            return True
        self._wants_lease = self._wants_start()
        world.count("starts that waited for a lease", self._wants_lease)
        return False

    def _has_lease(self) -> bool:
        lease = Lease(self.ticks.proven_at / UNITS_PER_S)
        return lease.is_fresh(self.world.now / UNITS_PER_S)

    def _wants_start(self) -> bool:
        is_wanted = False

        def refuse(_is_suspect: bool) -> bool:
            nonlocal is_wanted
            is_wanted = True
            return False

        self.machine.next_start(self.world.now, admits=refuse)
        return is_wanted

    def _start(self) -> None:
        """Start an attempt when a slot is free; its answer is rolled at once."""
        world = self.world
        if len(self.running) >= world.slots or not self._may_start():
            return
        attempt = self.machine.next_start(world.now, admits=lambda _: not world.dice.chance(0.1))
        if attempt is None:
            return
        self._judge_start(attempt)
        world.judge_start(
            attempt,
            is_current=self.ticks.is_current,
            knows_all=self._table.version == world.version,
        )
        past = None if self.process is None else self.process.recall(attempt)
        if past is not None:
            self._end(attempt, past)
            world.count("recalled")
            return
        running = Running(attempt, is_slow=world.dice.chance(world.slow))
        self.running.append(running)
        if not world.dice.chance(0.1):
            self._write(running)

    def _write(self, running: Running) -> None:
        """Write the request; the lease is asked once more, as that may be long after the start."""
        world, attempt = self.world, running.attempt
        is_asked = world.rules.obeys_lease and world.rules.asks_before_writing
        if is_asked and not self._has_lease():
            running.report = self._report(Outcome.CANCELLED)
            world.count("requests not written")
            return
        report = running.report = self._answer(attempt)
        if report.outcome is Outcome.LOCAL_FAULT:
            return
        if self.process is not None:
            self.process.judge(attempt.delivery.sequence)
        world.receive(attempt, owner=self.number, is_current=self.ticks.is_current)
        if report.outcome is Outcome.DELIVERED or report.detail == "answer lost":
            world.acked.add(attempt.delivery.sequence)

    def _judge_start(self, attempt: Attempt) -> None:
        delivery = attempt.delivery
        policy = self._table.policies.get(delivery.subscription)
        if delivery.sequence in self.delivered:
            raise Broken("repeat by the same owner")
        if any(item.attempt.delivery.sequence == delivery.sequence for item in self.running):
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
        """Roll what comes of a request; most receivers are up and well."""
        world = self.world
        if world.dice.chance(world.hurt):
            return self._trouble(world.dice.below(8))
        if world.is_up[attempt.delivery.subscription]:
            return self._report(Outcome.DELIVERED, status=200)
        return self._report(Outcome.HTTP_5XX, status=500)

    def _trouble(self, kind: int) -> AttemptReport:
        if kind == 0:
            return self._report(Outcome.LOCAL_FAULT)
        if kind == 1:
            return self._report(Outcome.CANCELLED)
        if kind == 2:
            wait_ms = self.world.dice.below(30)
            return self._report(Outcome.HTTP_429, status=429, retry_after_ms=wait_ms)
        if kind == 3:
            return self._report(Outcome.HTTP_5XX, status=500, wants_abort=True)
        if kind == 4 and self.world.dice.chance(0.2):
            return self._report(Outcome.HTTP_410, status=410)
        if kind == 5 and self.world.dice.chance(0.2):
            return self._report(Outcome.DELIVERED, status=200, wants_disable=True)
        return self._report(Outcome.TIMEOUT, detail="answer lost")

    def _report(self, outcome: Outcome, **fields: object) -> AttemptReport:
        now = self.world.now
        times = {"started_at": now, "finished_at": now, "duration_ms": 0}
        return AttemptReport(outcome=outcome, **(times | fields))  # type: ignore[arg-type]

    def _finish(self) -> None:
        """Hand one answer to the machine; slow ones take their time."""
        if not self.running:
            return
        world = self.world
        index = world.dice.below(len(self.running))
        running = self.running[index]
        if running.report is None:
            if world.dice.chance(0.2):
                self._write(running)
            return
        if running.is_slow and not world.dice.chance(0.05):
            return
        del self.running[index]
        self._end(running.attempt, running.report)

    def _end(self, attempt: Attempt, report: AttemptReport) -> None:
        world, name = self.world, attempt.delivery.subscription
        if report.outcome is Outcome.DELIVERED:
            self.delivered.add(attempt.delivery.sequence)
            if self.process is not None:
                self.process.saw(attempt.delivery.sequence)
        elif not (report.outcome in OURS or world.charges_nobody(report.outcome)):
            back_off = report.retry_after_ms or 0
            world.fail(attempt, back_off=back_off)
            self.not_before[name] = max(self.not_before.get(name, 0), world.now + back_off)
        self.restraint.finished(attempt, report)
        notices = self.machine.finish(attempt, report, world.now)
        world.note(f"{attempt.delivery.sequence} ended: {report.outcome}")
        has_failed = report.outcome is Outcome.HTTP_5XX
        sabotage.finished(world, self.machine, name, has_failed=has_failed)
        self.disabling += [notice.subscription for notice in notices]

    def _disable(self) -> None:
        for name in self.disabling:
            self.world.disable(name)
        self.disabling = []


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
