"""Run one partition: feed the machine, carry out what it decides, commit. Decides nothing itself.

Everything of a partition happens on the event loop in `_step`, which is called soon after whatever
may have changed something: records, the end of an attempt or a tick, a timer, the registry, a free
slot. A step hands over what arrived, wakes what is due, starts what may start, and begins a tick
when there is something to write.

States: *running*; *drained* (revoked: starts no attempt and begins no tick until `resume`); *in
doubt* (the fate of a tick is unknown: starts nothing, PROTOCOL C4); *dead* (not ours any more:
attempts cut, results dropped, but for successes: it remembers those).
"""

import asyncio
from collections.abc import Sequence

from chassis.kafka_seam import Fetched
from chassis.seats import DRAIN_MAX_S, CloseReason
from deliverer.arrivals import Arrivals, SweepArrivals, TierArrivals
from deliverer.life import Life, take_over
from deliverer.parts import Group, Parts
from deliverer.policy.items import Attempt, AttemptReport
from deliverer.policy.view import MachineView
from deliverer.records import received
from deliverer.report import cut_off
from deliverer.running import AT_ONCE_MAX, RunningAttempts
from deliverer.step_timer import StepTimer
from deliverer.ticking import Lost, Ticker
from schemas.outcome import Outcome
from schemas.topics import TIERS

STEP_S_MAX = 1.0
"""A step comes at least so often: bounds what a jumping clock or a silent registry can delay."""
REGISTRY_WAIT_S = 5.0
LAST_TICK_S = 5.0
DRAIN_ENDS_S = DRAIN_MAX_S - 1
"""A drain ends itself before the rebalance cuts it, so that what it leaves is told."""


class PartitionWorker:
    """The actor of one partition of `deliveries`."""

    def __init__(self, partition: int, parts: Parts, group: Group) -> None:
        self._partition = partition
        self._parts = parts
        self._group = group
        self._ticker = Ticker(
            partition,
            make_writer=parts.make_writer,
            reader=parts.reader,
            ask_group=group.ask_group,
            topic=parts.topics.deliveries,
            group=parts.group_id,
            clock=parts.clock,
            log=parts.log,
        )
        self._arrivals = Arrivals(parts.topics)
        self._tier_arrivals = TierArrivals(parts.topics)
        self._sweep_arrivals = SweepArrivals()
        self._sweep_target: int | None = None
        self._running = RunningAttempts(
            parts.attempts.prepare, finished=self._ended, fail=self._attempt_failed
        )
        self._life: Life | None = None
        self._registry_wait: asyncio.Task[None] | None = None
        self._timer = StepTimer(self._poke)
        self._is_poked = False
        self._had_room = True
        self._may_start = True
        self._is_leaving = False
        self._is_drained = False
        self.is_dead = False
        self.needs_takeover = False

    # ---- the actor (chassis.ownership)

    async def take_over(self) -> int:
        """Claim, read what the former owner committed, and stand where its last tick ended."""
        life = await take_over(
            self._partition, self._parts, self._ticker, ended=self._tick_ended, wake=self._poke
        )
        self._life = life
        life.endpoints.listen(self._registry_changed)
        positions = [life.machine.tier_position(tier) for tier in range(len(TIERS))]
        self._parts.delays.add(self._partition, positions, self)
        self._parts.sweeps.add(self._partition, self)
        self._poke()
        return life.machine.head_position

    @property
    def position(self) -> int:
        """Return the next offset of `deliveries` this partition wants."""
        if self._life is None:
            return 0
        return max(self._life.machine.head_position, self._arrivals.end)

    def has_room(self) -> bool:
        """Tell whether more of `deliveries` may come; not while a batch waits for the registry."""
        self._had_room = self._has_room()
        return self._had_room

    def feed(self, records: list[Fetched], end: int) -> None:
        """Take records of `deliveries`; `end` is the consumer's position after them."""
        if not self.is_dead:
            self._arrivals.add(records, end)
            self._poke()

    async def drain(self, deadline_s: float) -> None:
        """Start nothing more, wait for what runs, commit what ended, also with the time left."""
        self._may_start = False
        loop = asyncio.get_running_loop()
        end = loop.time() + min(deadline_s + LAST_TICK_S, DRAIN_ENDS_S)
        try:
            await self._running.wait(deadline_s)
            await self._last_ticks(end - loop.time())
        finally:
            self._is_drained = True

    def resume(self) -> None:
        """Go on after a rebalance that left the partition here."""
        self._may_start = not self._is_leaving
        self._is_drained = False
        self._poke()

    async def leave(self, deadline_s: float) -> None:
        """Start nothing more for good, wait for what runs: the process is about to end."""
        self._is_leaving = True
        self._may_start = False
        await self._running.wait(deadline_s)

    async def close(self, reason: CloseReason) -> None:
        """End; `stop` cuts what still runs, counts it as cancelled and commits that."""
        self._may_start = False
        try:
            if reason == "stop" and not self.is_dead:
                self._running.cut()
                await self._last_ticks(LAST_TICK_S)
        finally:
            self._die(needs_takeover=self.needs_takeover)
            await self._release(is_moving=reason != "stop")

    async def _release(self, *, is_moving: bool) -> None:
        """Let go of everything; disables of a partition that stays here may still finish."""
        self._running.cut()
        if self._life is not None:
            await self._life.commits.cancel()
        await self._ticker.retire()
        if is_moving:
            await self._parts.disabling.forget(self._partition)
            await self._parts.registry.disown(self._partition)

    # ---- the delay topics (deliverer.delays.TierFeed)

    def can_read_tier(self, tier: int) -> bool:
        """Tell whether more of a delay topic may come."""
        if self._life is None or self.is_dead or self._tier_arrivals.has(tier):
            return False
        return self._life.machine.can_read_tier(tier)

    def feed_tier(self, tier: int, records: Sequence[Fetched], end: int) -> None:
        """Take records of a delay topic."""
        if not self.is_dead:
            self._tier_arrivals.add(tier, records, end)
            self._poke()

    # ---- the sweep (deliverer.sweep.SweepFeed)

    def sweep_target(self) -> int | None:
        """Return from where the log is to be read again; None = nowhere, or one is on its way."""
        if self.is_dead or self._is_drained or not self._sweep_arrivals.is_empty:
            return None
        return self._sweep_target

    def feed_sweep(self, records: Sequence[Fetched], *, start: int, end: int) -> None:
        """Take what was read again of `deliveries`."""
        if not self.is_dead:
            self._sweep_arrivals.add(records, start=start, end=end)
            self._poke()

    @property
    def partition(self) -> int:
        """Return its number."""
        return self._partition

    def describe(self) -> dict[str, object]:
        """Return what `/debug` shows of it."""
        life = self._life
        row: dict[str, object] = {"partition": self._partition, "is_running": life is not None}
        if life is not None:
            row |= life.describe(self._parts.clock.monotonic())
            row |= {"is_drained": self._is_drained, "may_start": self._may_start}
        return row

    @property
    def view(self) -> MachineView | None:
        """Look at the lanes, for the gauges."""
        return None if self._life is None else self._life.machine.view

    # ---- the step

    def _poke(self) -> None:
        if not self._is_poked and not self.is_dead:
            self._is_poked = True
            asyncio.get_running_loop().call_soon(self._run_step)

    def _run_step(self) -> None:
        self._is_poked = False
        life = self._life
        if self.is_dead or life is None:
            return
        try:
            self._step(life)
        except Exception:  # noqa: BLE001 - a defect ends this partition, not the others
            self._break()

    def _break(self) -> None:
        self._parts.log.exception("worker.failed", partition=self._partition)
        self._die(needs_takeover=True)

    def _step(self, life: Life) -> None:
        now_ms = self._parts.clock.now_ms()
        if not self._take_arrivals(life, now_ms):
            self._parts.log.error("worker.zombie", partition=self._partition)
            self._die(needs_takeover=False)
            return
        life.machine.wake(now_ms)
        wants_lease = self._start(life, now_ms)
        tick_s = self._tick(life, is_forced=wants_lease)
        self._sweep_target = life.machine.sweep_target(now_ms)
        if self._sweep_target is not None:
            self._parts.sweeps.wake()
        if not self._had_room and self._has_room():
            self._had_room = True
            self._group.wake()
        wake_ms = life.machine.next_wake_at
        wake_s = STEP_S_MAX if wake_ms is None else (wake_ms - now_ms) / 1000
        self._timer.arm(min(wake_s, tick_s, STEP_S_MAX))

    def _take_arrivals(self, life: Life, now_ms: int) -> bool:
        reached = self._parts.registry.position(self._partition)
        life.commits.set_aside(self._arrivals.hand_over(life.machine, reached=reached, now=now_ms))
        if not self._arrivals.is_empty and self._registry_wait is None:
            self._registry_wait = asyncio.create_task(self._wait_for_registry())
        aside = self._tier_arrivals.hand_over(life.machine, now=now_ms)
        if aside is None:
            return False
        life.commits.set_aside(aside)
        self._sweep_arrivals.hand_over(life.machine, now=now_ms)
        return True

    def _start(self, life: Life, now_ms: int) -> bool:
        """Start what may start; return whether something waits for a fresh lease (C6)."""
        is_ours = self._may_start and not life.commits.is_in_doubt
        silence_s = self._parts.registry.silence_s(self._partition)
        if not is_ours or not life.lease.is_registry_fresh(silence_s):
            life.doors.step_aside()
            return False
        if not life.lease.is_fresh(self._parts.clock.monotonic()):
            life.doors.step_aside()
            return life.wants_start(now_ms)
        machine, doors = life.machine, life.doors
        doors.open()
        while chosen := self._choose(life, now_ms):
            self._running.start(chosen, life.endpoints, now_ms=now_ms)
        doors.settle(machine.full_hosts)
        if doors.has_refused or machine.has_sated:
            self._parts.slots.wait(self._poke)
        return False

    def _choose(self, life: Life, now_ms: int) -> list[Attempt]:
        """Let the policy choose some attempts; each holds its slot. Empty = no more may start."""
        machine, doors = life.machine, life.doors
        chosen: list[Attempt] = []
        try:
            while len(chosen) < AT_ONCE_MAX:
                attempt = machine.next_start(now_ms, admits=doors.admits, hosts=doors)
                if attempt is None:
                    break
                past = self._parts.recollections.recall(self._partition, attempt)
                if past is not None:
                    self._conclude(life, attempt, past, now_ms=now_ms)
                    continue
                doors.enter(attempt.host, is_suspect=attempt.is_suspect)
                chosen.append(attempt)
        except Exception:
            for attempt in chosen:
                doors.go(attempt.host, is_suspect=attempt.is_suspect)
            raise
        return chosen

    def _tick(self, life: Life, *, is_forced: bool) -> float:
        """Begin a tick if one is due; return in how many seconds the next one may be."""
        if self._is_drained or life.commits.is_open:
            return STEP_S_MAX
        due_s = 0.0 if is_forced else life.commits.due_in(self._parts.clock.monotonic())
        if due_s > 0:
            return due_s
        life.commits.begin()
        return STEP_S_MAX

    # ---- what happens meanwhile

    def _ended(self, attempt: Attempt, report: AttemptReport | None, started_at: int) -> None:
        """Take the end of an attempt; a report of None is one that was cut off (A6).

        The slot is free before anything can break; a defect is caught here, nobody above sees it.
        """
        parts, life = self._parts, self._life
        assert life is not None
        try:
            life.doors.go(attempt.host, is_suspect=attempt.is_suspect)
            if report is not None:
                name, subscriber = attempt.delivery.subscription, received(attempt.delivery).key
                parts.fate.note(name, subscriber or b"", report.outcome, report.finished_at)
            if self.is_dead:
                return
            if report is None:
                now_ms = parts.clock.now_ms()
                report = cut_off(Outcome.CANCELLED, started_at=started_at, finished_at=now_ms)
                parts.attempts.tell_unmade(attempt, report)
            self._conclude(life, attempt, report, now_ms=report.finished_at)
        except Exception:  # noqa: BLE001 - as in a step
            self._break()

    def _conclude(
        self, life: Life, attempt: Attempt, report: AttemptReport, *, now_ms: int
    ) -> None:
        for notice in life.machine.finish(attempt, report, now_ms):
            life.commits.note(notice)
        if report.outcome is Outcome.DELIVERED:
            # The tick that tells it writes ids only, and may be far away while the brokers are.
            received(attempt.delivery).value = None
        if attempt.breaker is not None:
            name = attempt.delivery.subscription
            self._parts.log.info(f"breaker.{attempt.breaker}", subscription=name)
        self._poke()

    def _attempt_failed(self, fault: BaseException) -> None:
        self._parts.log.error("attempt.crashed", partition=self._partition, exc_info=fault)

    def _registry_changed(self, subscription: str) -> None:
        if self._life is not None and not self.is_dead:
            now_ms = self._parts.clock.now_ms()
            self._life.machine.registry_changed(subscription, now_ms)
            self._poke()

    async def _wait_for_registry(self) -> None:
        """Wait until the table reaches what the next batch asks for (R1), then step again."""
        needed = self._arrivals.needs_registry
        registry = self._parts.registry
        try:
            if not await registry.wait_for(self._partition, needed, timeout_s=REGISTRY_WAIT_S):
                self._parts.log.error(
                    "worker.registry_behind", partition=self._partition, needed=needed
                )
        finally:
            self._registry_wait = None
            self._poke()

    def _tick_ended(self, lost: Lost | None) -> None:
        if lost is None:
            self._poke()
            return
        self._parts.log.error("worker.lost", partition=self._partition, cause=lost.cause)
        self._die(needs_takeover=lost.needs_takeover)

    async def _last_ticks(self, deadline_s: float) -> None:
        """Commit what is left, bounded; what does not land is repeated by the next owner."""
        if self._life is not None:
            await self._life.commits.finish(deadline_s, is_over=lambda: self.is_dead)

    def _die(self, *, needs_takeover: bool) -> None:
        """Stop being the owner: no start, no result, no tick from here on."""
        if self.is_dead:
            return
        self.is_dead = True
        self.needs_takeover = needs_takeover
        self._timer.cancel()
        if self._registry_wait is not None:
            self._registry_wait.cancel()
        if (life := self._life) is not None:
            life.endpoints.listen(None)
            now = self._parts.clock.now_ms()
            self._parts.recollections.keep(self._partition, life.commits.give_up(), now=now)
            life.doors.step_aside()
        self._running.cut()
        self._parts.delays.remove(self._partition)
        self._parts.sweeps.remove(self._partition)
        self._parts.slots.leave(self._poke)
        self._group.wake()

    def _has_room(self) -> bool:
        life = self._life
        if life is None or self.is_dead or not self._arrivals.is_empty:
            return False
        return life.machine.can_read_head()
