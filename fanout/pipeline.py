"""The actor of one partition of `events`: queue, plan, commit.

One task plans events into a draft while the tick before it commits; the draft becomes a tick as
soon as no commit is under way (group commit: ticks grow with the load, and without load an event
waits for nobody). A tick holds its deliveries and the input offset behind them, all or nothing.

The authority is the group offset of events[p], which moves only inside ticks. After any error of
the producer nobody knows whether the tick landed, and the dedupe window holds events that may not
have been written: so the actor dies, and its successor claims, reads the committed offset, rebuilds
the window and goes on from there (PROTOCOL F1).
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Literal

from chassis.kafka import KafkaUnavailable
from chassis.tick import CommitInfo, ProducerLost
from fanout.dedupe import DedupeWindow
from fanout.draft import Draft
from fanout.event_log import Bounds
from fanout.parts import Parts, Place
from fanout.plan import Plan, Planner
from fanout.received import Received, size_of
from fanout.settings import FanoutLimits
from fanout.traces import LOST, EventTraces, end_all

REGISTRY_S_MAX = 5.0
REGISTRY_PAUSE_S = 0.2
OFFSET_ONLY_AFTER_S = 1.0
"""How long a position that moved without records (transaction markers) may stay uncommitted."""
PLANNED_AT_ONCE = 100
PLANNING_S_MAX = 0.02
"""How long planning may hold the event loop before others come (one event may take longer)."""
IDLE_TICK_S = 3600.0
"""While idle, one tick an hour keeps the transactional id alive."""


class PartitionFanout:
    """Implements chassis.ownership.Actor."""

    def __init__(self, place: Place, parts: Parts, *, limits: FanoutLimits) -> None:
        self._place = place
        self._parts = parts
        self._limits = limits
        self._planner: Planner | None = None
        self._queue: deque[tuple[Received, int]] = deque()
        self._queue_bytes = 0
        self._position = 0
        self._planned_to = 0
        self._committed = 0
        self._current_to = 0
        self._draft = self._new_draft()
        self._commit: asyncio.Task[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._awake = asyncio.Event()
        self._quiet = asyncio.Event()
        self._is_draining = False
        self._is_dead = False
        self._traces = (
            None
            if parts.tracing is None
            else EventTraces(parts.tracing, topic=place.events_topic, group=place.group)
        )

    @property
    def position(self) -> int:
        """Return the next input offset it wants; of a dead one its successor's."""
        return self._committed if self._is_dead else self._position

    @property
    def committed(self) -> int:
        """Return the input offset of the last committed tick."""
        return self._committed

    @property
    def is_dead(self) -> bool:
        """Whether it gave up; its successor starts from the committed offset."""
        return self._is_dead

    @property
    def needs_takeover(self) -> bool:
        """Whether a successor is wanted as soon as the group confirms us: always (F1)."""
        return True

    def describe(self) -> dict[str, object]:
        """Return what `/debug` shows of it."""
        return {
            "partition": self._place.partition,
            "is_running": self.is_running,
            "position": self._position,
            "planned_to": self._planned_to,
            "committed": self._committed,
            "registry_position": self._parts.registry.position(self._place.partition),
            "queued": len(self._queue),
            "queued_bytes": self._queue_bytes,
            "drafted": self._draft.events,
            "is_committing": self._commit is not None,
            "is_draining": self._is_draining,
            "remembered": 0 if self._planner is None else self._planner.remembered,
        }

    @property
    def is_running(self) -> bool:
        """Whether the takeover ended and nothing went wrong since."""
        return self._task is not None and not self._is_dead

    async def take_over(self) -> int:
        """Claim, then read registry, committed offset and dedupe window; start to work."""
        partition, limits = self._place.partition, self._limits
        began = self._parts.clock.monotonic()
        await self._parts.producer.claim()
        directory = await self._parts.registry.take_over(partition)
        window = DedupeWindow(
            span_ms=int(limits.dedupe_s * 1000),
            events_max=limits.dedupe_events,
            bytes_max=limits.dedupe_bytes,
        )
        planner = Planner(
            partition=partition,
            partitions=self._place.partitions,
            topic_of=self._place.topic_of,
            directory=directory,
            event_types=self._parts.registry.event_types,
            window=window,
        )
        offset = await self._resume_point()
        bounds = Bounds(
            span_ms=int(limits.dedupe_s * 1000),
            events_max=limits.dedupe_events,
            bytes_max=limits.dedupe_bytes,
        )
        seen = await self._parts.log_reader.recall(
            partition, offset, bounds=bounds, digest=planner.fingerprint_of
        )
        for fingerprint in seen:
            planner.remember(fingerprint)
        self._planner = planner
        self._position = self._planned_to = self._committed = self._current_to = offset
        self._parts.log.info(
            "fanout.taken_over",
            partition=partition,
            offset=offset,
            remembered=len(window),
            took_s=round(self._parts.clock.monotonic() - began, 3),
        )
        self._task = asyncio.create_task(self._work(), name=f"fanout-{partition}")
        return offset

    async def _resume_point(self) -> int:
        """Return from where to plan; it is committed before anything else is.

        So whoever finds deliveries and no offset knows that it was lost: a first tick that failed
        leaves aborted records behind, too.
        """
        place = self._place
        offset, is_committed = await self._parts.log_reader.resume_point(place.partition)
        if not is_committed:
            offsets = {(place.events_topic, place.partition): offset}
            await self._parts.producer.commit([], offsets=offsets, group=place.group)
        return offset

    def feed(self, records: Sequence[Received], end: int) -> None:
        """Take records; `end` is the offset behind them, beyond transaction markers."""
        for record in records:
            if record.offset >= self._position:
                size_bytes = size_of(record)
                self._queue.append((record, size_bytes))
                self._queue_bytes += size_bytes
        self._position = max(self._position, end)
        self._awake.set()

    def has_room(self) -> bool:
        """Whether the queue takes more."""
        return (
            not self._is_dead
            and len(self._queue) < self._limits.queue_records
            and self._queue_bytes < self._limits.queue_bytes
        )

    async def drain(self, deadline_s: float) -> None:
        """Plan nothing more, and commit what is planned within `deadline_s`."""
        self._is_draining = True
        self._quiet.clear()
        self._awake.set()
        if not self.is_running:
            return
        try:
            async with asyncio.timeout(deadline_s):
                await self._quiet.wait()
        except TimeoutError:
            self._parts.log.warning("fanout.drain_late", partition=self._place.partition)

    def resume(self) -> None:
        """Go on after a rebalance that left the partition here."""
        self._is_draining = False
        self._awake.set()

    async def close(self, reason: Literal["lost", "stop", "dead"]) -> None:
        """End; what is not committed is the successor's."""
        self._is_dead = True
        for task in (self._task, self._commit):
            if task is not None and not task.done():
                task.cancel()
                await asyncio.wait({task})
        await self._parts.producer.retire()
        await self._parts.registry.disown(self._place.partition)
        self._queue.clear()
        self._planner = None  # with window and directory, whoever still knows the actor
        self._draft = self._new_draft()
        self._commit = None
        self._parts.log.info("fanout.closed", partition=self._place.partition, reason=reason)

    async def _work(self) -> None:
        try:
            while True:
                await self._step()
        except ProducerLost as error:
            self._parts.metrics.commits["lost"].inc()
            self._parts.log.warning(
                "fanout.producer_lost",
                partition=self._place.partition,
                is_fenced=error.fenced,
                error=str(error),
            )
        except Exception:  # one partition's bug stays its own, and is shown
            self._parts.log.exception("fanout.crashed", partition=self._place.partition)
        self._is_dead = True
        self._quiet.set()
        self._parts.wake()

    async def _step(self) -> None:
        """Do the next thing there is to do, or wait for one."""
        if self._commit is not None and self._commit.done():
            finished, self._commit = self._commit, None
            finished.result()
        if self._commit is None and self._draft.events:
            self._start_commit()
        if self._queue and not self._is_draining and not self._draft.is_full:
            await self._plan_some()
        else:
            await self._wait()

    async def _wait(self) -> None:
        """Wait until something happens; commit a position that moved without records."""
        is_quiet = self._commit is None and not self._draft.events
        if is_quiet:
            self._quiet.set()
        is_idle = is_quiet and not self._queue
        has_moved = self._position > self._committed
        timeout_s = OFFSET_ONLY_AFTER_S if is_idle and has_moved else IDLE_TICK_S
        try:
            async with asyncio.timeout(timeout_s):
                await self._awake.wait()
        except TimeoutError:
            if is_idle and not self._queue and not self._is_draining:
                self._planned_to = self._position
                self._start_commit()
        self._awake.clear()

    async def _plan_some(self) -> None:
        """Plan queued events until the draft is full, against a registry that is up to date."""
        if self._queue[0][0].offset >= self._current_to and not await self._catch_up():
            return
        if self._is_draining or self._planner is None:
            return
        had_room = self.has_room()
        registry_offset = self._parts.registry.position(self._place.partition)
        monotonic, plan_one = self._parts.clock.monotonic, self._planner.plan
        queue, draft, traces = self._queue, self._draft, self._traces
        until = monotonic() + PLANNING_S_MAX
        for _ in range(PLANNED_AT_ONCE):
            if not queue or draft.is_full or monotonic() > until:
                break
            record, size_bytes = queue[0]
            if record.offset >= self._current_to:
                break
            queue.popleft()
            self._queue_bytes -= size_bytes
            plan = plan_one(record, registry_offset=registry_offset, size_bytes=size_bytes)
            if traces is not None:
                plan = self._traced(traces, record, plan)
            draft.add(record, plan)
            self._planned_to = record.offset + 1
        if not self._queue:
            self._planned_to = self._position
        if self.has_room() and not had_room:
            self._parts.wake()
        await asyncio.sleep(0)  # planning costs CPU; heartbeats and other partitions come between

    def _traced(self, traces: EventTraces, record: Received, plan: Plan) -> Plan:
        plan, span = traces.begin(record, plan, started_ms=self._parts.clock.now_ms())
        self._draft.spans.append(span)
        return plan

    async def _catch_up(self) -> bool:
        """Bring the registry up to date for all that is queued now (PROTOCOL R3)."""
        queued_to = self._position
        try:
            is_current = await self._parts.registry.catch_up(
                self._place.partition, timeout_s=REGISTRY_S_MAX
            )
        except KafkaUnavailable as error:
            self._parts.log.warning(
                "fanout.registry_unreachable", partition=self._place.partition, error=str(error)
            )
            await asyncio.sleep(REGISTRY_PAUSE_S)
            return False
        if is_current:
            self._current_to = queued_to
        else:
            self._parts.log.error("fanout.registry_behind", partition=self._place.partition)
        return is_current

    def _start_commit(self) -> None:
        draft, self._draft = self._draft, self._new_draft()
        self._commit = asyncio.create_task(self._commit_tick(draft, self._planned_to))
        self._commit.add_done_callback(self._on_committed)

    def _on_committed(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            task.exception()  # taken here, too, in case the actor is closed before it looks
        self._awake.set()

    async def _commit_tick(self, draft: Draft, offset: int) -> None:
        began = self._parts.clock.monotonic()
        place = self._place
        error: str | None = LOST
        try:
            info = await self._parts.producer.commit(
                draft.records,
                offsets={(place.events_topic, place.partition): offset},
                group=place.group,
                size_bytes=draft.size_bytes,
            )
            error = None
        finally:
            end_all(draft.spans, error=error)
        self._committed = offset
        self._count(draft, info, self._parts.clock.monotonic() - began)

    def _count(self, draft: Draft, info: CommitInfo, duration_s: float) -> None:
        metrics = self._parts.metrics
        metrics.commits["committed"].inc()
        metrics.commit_duration.observe(duration_s)
        metrics.deliveries.inc(draft.deliveries)
        for result, count in draft.results.items():
            metrics.events[result].inc(count)
        for reason, count in draft.reasons.items():
            metrics.quarantined[reason].inc(count)
        for mode, count in draft.schema_modes.items():
            metrics.schema_violations[mode].inc(count)
        if draft.costly_events:
            metrics.rule_faults["filter_costly"].inc(draft.costly_events)
            self._parts.log.error(
                "fanout.filter_costly",
                partition=self._place.partition,
                events=draft.costly_events,
            )
        now_ms = self._parts.clock.now_ms()
        for accepted_at, count in draft.accepted_at.items():
            metrics.delay.observe_many(max(0, now_ms - accepted_at) / 1000, count)
        if info.append_skew_ms is not None:
            metrics.clock_skew.set(info.append_skew_ms / 1000)

    def _new_draft(self) -> Draft:
        limits = self._limits
        return Draft(records_max=limits.tick_records, bytes_max=limits.tick_bytes)
