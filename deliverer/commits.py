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
from deliverer.policy.pacing import pause_s, tells_group
from deliverer.records import tick_records
from deliverer.sampling import Growth
from deliverer.ticking import Committed, Lost, Tick, Ticker
from schemas.outcome import Outcome


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
        self._growth = Growth(parts.metrics)
        self._aside: list[Quarantined] = []
        self._notices: list[Disable] = []
        self._began_at = parts.clock.monotonic()
        self._told_at = self._began_at
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

    def count_growth(self, told_as: str = "worker.records_lost") -> None:
        """Count what the machine counted since the last call, and alarm what was lost.

        Not only what a tick wrote: a takeover that is done again finds, and counts, its loss again.
        """
        lost = self._growth.note(self._machine.counts)
        if lost:
            self._parts.log.error(told_as, partition=self._partition, **lost)

    def due_in(self, now: float) -> float:
        """Return in how many seconds a tick should begin."""
        machine = self._machine
        pause = pause_s(
            has_news=self._has_news,
            outputs=machine.output_count,
            share=machine.output_share,
            is_awaited=bool(self._notices) or machine.is_tick_awaited,
            is_told=self._told == machine.low_mark,
        )
        return self._began_at + pause - now

    def begin(self) -> None:
        """Begin a tick, also one without news: it renews the lease (C6)."""
        clock, has_news = self._parts.clock, self._has_news
        now_ms, self._began_at = clock.now_ms(), clock.monotonic()
        snapshot = self._machine.begin_tick(now_ms)
        aside, self._aside = self._aside, []
        notices, self._notices = self._notices, []
        tick = self._tick(snapshot, aside, has_news=has_news, now_ms=now_ms)
        self._told_at = self._began_at if tick.tells_group else self._told_at
        task = asyncio.create_task(self._ticker.commit(tick, on_doubt=self._doubt), name="tick")
        self._task = task
        told = tick.position if tick.tells_group else self._told
        task.add_done_callback(
            lambda done: self._done(done, snapshot, aside, notices=notices, told=told)
        )

    def _tick(
        self, snapshot: TickSnapshot, aside: list[Quarantined], *, has_news: bool, now_ms: int
    ) -> Tick:
        records = tick_records(
            snapshot, partition=self._partition, topics=self._parts.topics, now_ms=now_ms
        )
        records += [item.record for item in aside]
        position = snapshot.window.w
        return Tick(
            mark=(snapshot.term, snapshot.tick),
            records=records,
            position=position,
            tells_group=tells_group(
                has_news=has_news,
                moved=None if self._told is None else position - self._told,
                silence_s=self._began_at - self._told_at,
            ),
        )

    async def wait(self) -> None:
        """Wait until the tick under way ended."""
        if self._task is not None:
            await asyncio.wait({self._task})

    async def finish(self, deadline_s: float, *, is_over: Callable[[], bool]) -> None:
        """Commit until nothing is left, at most so long; what is left then is told.

        A step begins ticks as well, and one that is under way holds what `has_output` asks for.
        """
        try:
            async with asyncio.timeout(deadline_s):
                while (self.is_open or self.has_output) and not is_over():
                    if not self.is_open:
                        self.begin()
                    await self.wait()
        except TimeoutError:
            self._parts.log.warning("tick.late", deadline_s=round(deadline_s, 1), **self._left())

    def give_up(self) -> list[AttemptLog]:
        """Return the ends of attempts that no tick is known to carry, and tell how many."""
        unwritten = self._machine.unwritten
        if unwritten or self.is_open:
            self._parts.log.warning("worker.uncommitted", **self._left())
        return unwritten

    def _left(self) -> dict[str, object]:
        ended = self._machine.unwritten
        delivered = sum(log.outcome is Outcome.DELIVERED for log in ended)
        return {
            "partition": self._partition,
            "attempts": len(ended),
            "delivered": delivered,
            "is_tick_open": self.is_open,
        }

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
        # A doubt asks the group by a commit of the position before, which sets its offset back.
        self._told = None if self.is_in_doubt else told
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
        self.count_growth()
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
