"""Keep the ticks of one partition: when one is due, what it carries, what follows from its end."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from deliverer.arrivals import Quarantined
from deliverer.endpoints import PartitionEndpoints
from deliverer.lease import Lease
from deliverer.metrics import TIER_NAMES
from deliverer.parts import Parts
from deliverer.policy.items import AttemptLog, DeadLetter, Disable, Park, TickSnapshot
from deliverer.policy.machine import Machine
from deliverer.records import tick_records
from deliverer.sampling import DropCounter
from deliverer.ticking import Committed, Lost, Tick, Ticker

SPACING_S = 0.1
"""A tick costs milliseconds of CPU, here and three times as many at the brokers, whatever it holds.
Successes wait for none, but those since the last one are repeated after a crash."""
FEW_SPACING_S = 0.4
FEW_OUTPUTS = 128
"""As long as so few wait, a tick may take longer: it costs each partition the same, however little
it holds, and a crash repeats no more for it than a full tick."""
TOLD_SPACING_S = 1.0
"""The group's offset is there for tools only, `$window` is the authority: so it goes with one tick
a second. It is two of five requests of a transaction, and one more partition that gets a marker."""
AWAITED_SPACING_S = 0.005
OUTPUTS_MAX = 256
"""So many records end the wait early: what a crash repeats is bounded in number, not only in time.
"""
IDLE_S = 3600.0


class Commits:
    """Begin ticks and settle their ends, one at a time (C1)."""

    def __init__(
        self,
        partition: int,
        parts: Parts,
        ticker: Ticker,
        *,
        machine: Machine,
        endpoints: PartitionEndpoints,
        lease: Lease,
        ended: Callable[[Lost | None], None],
    ) -> None:
        self._partition = partition
        self._parts = parts
        self._ticker = ticker
        self._machine = machine
        self._endpoints = endpoints
        self._lease = lease
        self._ended = ended
        self._drops = DropCounter(parts.metrics)
        self._aside: list[Quarantined] = []
        self._notices: list[Disable] = []
        self._began_at = parts.clock.monotonic()
        self._told_at = self._began_at - TOLD_SPACING_S
        self._told: int | None = None
        self._task: asyncio.Task[Committed | Lost] | None = None
        self.is_in_doubt = False

    def describe(self, now_s: float) -> dict[str, object]:
        """Return what `/debug` shows of the ticks."""
        return {
            "is_open": self.is_open,
            "is_in_doubt": self.is_in_doubt,
            "last_began_s_ago": round(now_s - self._began_at, 2),
        }

    @property
    def is_open(self) -> bool:
        """Tell whether a tick is under way."""
        return self._task is not None

    @property
    def has_output(self) -> bool:
        """Tell whether there is something to write, or to tell the group."""
        return self._has_news or self._told != self._machine.low_mark

    @property
    def _has_news(self) -> bool:
        return bool(self._aside) or self._machine.has_output

    def set_aside(self, records: list[Quarantined]) -> None:
        """Write records to the quarantine with the next tick."""
        self._aside += records

    def note(self, notice: Disable) -> None:
        """Disable a subscription once the next tick is committed (R4)."""
        self._notices.append(notice)

    def due_in(self, now: float) -> float:
        """Return in how many seconds a tick should begin: group commit, the more the sooner."""
        count = self._machine.output_count
        pause_s = FEW_SPACING_S if self._has_news else IDLE_S
        if count >= OUTPUTS_MAX or self._notices or self._machine.is_tick_awaited:
            pause_s = AWAITED_SPACING_S
        elif count >= FEW_OUTPUTS:
            pause_s = SPACING_S
        elif self._told != self._machine.low_mark:
            pause_s = min(pause_s, TOLD_SPACING_S)
        return self._began_at + pause_s - now

    def begin(self) -> None:
        """Begin a tick, also one without news: it renews the lease (C6)."""
        clock = self._parts.clock
        now_ms, self._began_at = clock.now_ms(), clock.monotonic()
        tells_group = not self._has_news or self._began_at - self._told_at >= TOLD_SPACING_S
        self._told_at = self._began_at if tells_group else self._told_at
        snapshot = self._machine.begin_tick(now_ms)
        aside, self._aside = self._aside, []
        notices, self._notices = self._notices, []
        records = tick_records(
            snapshot, partition=self._partition, topics=self._parts.topics, now_ms=now_ms
        )
        records += [item.record for item in aside]
        tick = Tick(
            mark=(snapshot.term, snapshot.tick),
            records=records,
            position=snapshot.window.w,
            tells_group=tells_group,
        )
        task = asyncio.create_task(self._ticker.commit(tick, on_doubt=self._doubt), name="tick")
        self._task = task
        told = snapshot.window.w if tells_group else self._told
        task.add_done_callback(
            lambda done: self._done(done, snapshot, aside, notices=notices, told=told)
        )

    async def wait(self) -> None:
        """Wait until the tick under way ended."""
        if self._task is not None:
            await asyncio.wait({self._task})

    async def cancel(self) -> None:
        """Give up the tick under way; whether it lands is for the successor to read."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.wait({task})

    def _doubt(self) -> None:
        self.is_in_doubt = True
        self._parts.metrics.commits["lost"].inc()

    def _done(
        self,
        task: asyncio.Task[Committed | Lost],
        snapshot: TickSnapshot,
        aside: list[Quarantined],
        *,
        notices: list[Disable],
        told: int | None,
    ) -> None:
        if task is not self._task:
            return  # cancelled, or of a life before
        self._task = None
        if task.cancelled():
            self._ended(Lost(needs_takeover=True, cause="cancelled"))
            return
        fault = task.exception()
        if fault is not None:
            self._parts.log.error("tick.failed", partition=self._partition, exc_info=fault)
            self._ended(Lost(needs_takeover=True, cause=type(fault).__name__))
            return
        result = task.result()
        if isinstance(result, Lost):
            self._ended(result)
            return
        self._told = told
        self._landed(result, snapshot, aside, notices)
        self._ended(None)

    def _landed(
        self,
        committed: Committed,
        snapshot: TickSnapshot,
        aside: list[Quarantined],
        notices: list[Disable],
    ) -> None:
        parts = self._parts
        self._machine.committed(parts.clock.now_ms())
        self._lease.prove(committed.proven_at)
        self.is_in_doubt = False
        parts.metrics.commits["committed"].inc()
        parts.metrics.commit_duration.observe(parts.clock.monotonic() - self._began_at)
        if committed.append_skew_ms is not None:
            parts.metrics.clock_skew.set(committed.append_skew_ms / 1000)
        self._count(snapshot, aside)
        for notice in notices:
            key = self._endpoints.key_of(notice.subscription)
            if key is not None:
                parts.disabling.disable(self._partition, key, reason=notice.reason)

    def _count(self, snapshot: TickSnapshot, aside: list[Quarantined]) -> None:
        """Count what the tick wrote: counters and records agree, whatever became of other ticks."""
        metrics = self._parts.metrics
        self._drops.note(self._machine.counts)
        attempts: dict[tuple[str, str], int] = {}
        for output in snapshot.outputs:
            if isinstance(output, AttemptLog):
                ended = (output.outcome, output.kind)
                attempts[ended] = attempts.get(ended, 0) + 1
            elif isinstance(output, Park):
                metrics.retries[TIER_NAMES[output.tier]].inc()
            elif isinstance(output, DeadLetter):
                metrics.dead_letters[output.reason].inc()
        for (outcome, kind), count in attempts.items():
            metrics.attempt(outcome, kind).inc(count)
        for item in aside:
            metrics.quarantined[item.reason].inc()
