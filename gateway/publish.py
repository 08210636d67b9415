"""Append records to Kafka for many requests at once, and say honestly what became of each.

Each partition has a line of waiting records. Whoever puts the first record into a line starts its
batcher, which takes what is there (up to one batch), appends it, resolves the waiters and looks
again; so batches grow with the load and nobody waits without it. One batch per partition is under
way at a time, which keeps the order of requests.

A producer that failed once may fail for ever (an idempotent one cannot roll its sequence back), so
any failure gives it up and a keeper task builds another, backing off while the brokers are away.
Every record has a deadline of its own. What had not been handed to a producer by then was certainly
not written (`unavailable`); what had been may have been (`unknown`).
The bound on memory is not here: `gateway.intake` holds the bytes of a request until its answer.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from structlog.typing import FilteringBoundLogger

from chassis.kafka import BATCH_BYTES, KafkaUnavailable, Record, record_bytes
from gateway.problems import Code

BACKOFF_MIN_S = 0.1
BACKOFF_MAX_S = 2.0


@dataclass(frozen=True, slots=True)
class Published:
    """The record is on all in-sync replicas at this place."""

    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class NotPublished:
    """The record was not acknowledged in time."""

    was_tried: bool

    @property
    def code(self) -> Code:
        """`unknown` when it may have been written nevertheless."""
        return Code.UNKNOWN if self.was_tried else Code.UNAVAILABLE


class Publisher(Protocol):
    """What handlers need of this module."""

    async def publish(self, records: Sequence[Record]) -> Sequence[Published | NotPublished]:
        """Append records, in order within a partition; all answers come within the deadline."""
        ...


class Appender(Protocol):
    """One producer, from its start to its end."""

    async def start(self) -> None:
        """Connect; raises KafkaUnavailable."""
        ...

    async def append(self, records: Sequence[Record]) -> int:
        """Append records of one partition as one batch; gives the offset of the first one.

        Raises KafkaUnavailable on any failure; the appender is then of no more use.
        """
        ...

    async def retire(self) -> None:
        """End within a bounded time; never raises."""
        ...


Outcome = Published | NotPublished


class _Waiter:
    """One record of a request, until its outcome is known; the first outcome counts."""

    __slots__ = ("is_tried", "outcome", "record", "request")

    def __init__(self, record: Record, request: "_Request") -> None:
        self.record = record
        self.request = request
        self.is_tried = False
        self.outcome: Outcome | None = None

    def resolve(self, outcome: Outcome) -> None:
        if self.outcome is None:
            self.outcome = outcome
            self.request.left -= 1
            if self.request.left == 0:
                self.request.expire()


class _Request:
    """Counts down to the moment when all its records have an outcome."""

    __slots__ = ("done", "left")

    def __init__(self, left: int) -> None:
        self.left = left
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def expire(self) -> None:
        """Wait no longer: all is known, or the deadline has passed."""
        if not self.done.done():
            self.done.set_result(None)


class _Line:
    """The records that wait for one partition, first come first served."""

    __slots__ = ("task", "waiters")

    def __init__(self) -> None:
        self.waiters: dict[int, _Waiter] = {}
        self.task: asyncio.Task[None] | None = None

    def take(self, bytes_max: int) -> list[_Waiter]:
        """Remove what fits into one batch; a record that is larger goes alone."""
        taken: list[_Waiter] = []
        size = 0
        for waiter in self.waiters.values():
            size += record_bytes(waiter.record)
            if taken and size > bytes_max:
                break
            taken.append(waiter)
        for waiter in taken:
            del self.waiters[id(waiter)]
        return taken


class BatchingPublisher:
    """Component: the lines, their batchers, and the producer of the moment."""

    def __init__(
        self,
        make_appender: Callable[[], Appender],
        *,
        deadline_s: float,
        log: FilteringBoundLogger,
        backoff_s: float = BACKOFF_MIN_S,
    ) -> None:
        self._make_appender = make_appender
        self._deadline_s = deadline_s
        self._backoff_s = backoff_s
        self._log = log
        self._lines: dict[int, _Line] = {}
        self._appender: Appender | None = None
        self._is_available = asyncio.Event()
        self._is_wanted = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._endings: set[asyncio.Task[None]] = set()
        self._failure: asyncio.Future[BaseException] | None = None

    @property
    def is_healthy(self) -> bool:
        """Tell whether a producer is connected, for readiness."""
        return self._appender is not None

    async def start(self) -> None:
        """Begin to keep a producer; does not wait for the brokers."""
        if self._keeper is None:
            self._failure = asyncio.get_running_loop().create_future()
            self._keeper = asyncio.create_task(self._keep_appender(), name="keep-producer")
            self._keeper.add_done_callback(self._note_crash)

    async def drain(self, deadline_s: float) -> None:
        """Wait until all lines are empty; their own deadlines end them in any case."""
        tasks = [line.task for line in self._lines.values() if line.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=deadline_s)

    async def stop(self) -> None:
        """End the batchers and the producer; what still waits is answered."""
        keeper, self._keeper = self._keeper, None
        tasks = [line.task for line in self._lines.values() if line.task is not None]
        tasks += [keeper] if keeper is not None else []
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for line in self._lines.values():
            for waiter in line.waiters.values():
                waiter.resolve(NotPublished(was_tried=False))
            line.waiters.clear()
        appender, self._appender = self._appender, None
        if appender is not None:
            await appender.retire()
        if self._endings:
            await asyncio.wait(self._endings)

    async def wait_failed(self) -> BaseException:
        """Wait until a background task crashes; gives what ended it."""
        if self._failure is None:
            return RuntimeError("the publisher is not started")
        return await asyncio.shield(self._failure)

    async def publish(self, records: Sequence[Record]) -> Sequence[Outcome]:
        """Append records, in order within a partition; all answers come within the deadline."""
        if not records:
            return []
        request = _Request(len(records))
        waiters = [_Waiter(record, request) for record in records]
        for waiter in waiters:
            self._enqueue(waiter)
        timer = asyncio.get_running_loop().call_later(self._deadline_s, request.expire)
        try:
            await request.done
        finally:
            timer.cancel()
            for waiter in waiters:
                if waiter.outcome is None:
                    self._lines[waiter.record.partition].waiters.pop(id(waiter), None)
        return [one.outcome or NotPublished(one.is_tried) for one in waiters]

    def _enqueue(self, waiter: _Waiter) -> None:
        partition = waiter.record.partition
        line = self._lines.get(partition)
        if line is None:
            line = self._lines[partition] = _Line()
        line.waiters[id(waiter)] = waiter
        if line.task is None:
            line.task = asyncio.create_task(
                self._work_off(line, partition), name=f"batcher-{partition}"
            )
            line.task.add_done_callback(self._note_crash)

    async def _work_off(self, line: _Line, partition: int) -> None:
        try:
            while line.waiters:
                await self._is_available.wait()
                appender = self._appender
                batch = line.take(BATCH_BYTES)
                if appender is not None and batch:
                    await self._append(appender, batch, partition)
        finally:
            line.task = None

    async def _append(self, appender: Appender, batch: list[_Waiter], partition: int) -> None:
        for waiter in batch:
            waiter.is_tried = True
        try:
            async with asyncio.timeout(self._deadline_s):
                base_offset = await appender.append([waiter.record for waiter in batch])
        except (KafkaUnavailable, TimeoutError) as error:
            self._log.warning("gateway.produce_failed", partition=partition, error=repr(error))
            self._give_up(appender)
        else:
            for index, waiter in enumerate(batch):
                waiter.resolve(Published(partition, base_offset + index))
        finally:
            for waiter in batch:  # those of a batch that failed or was cut off by a stop
                waiter.resolve(NotPublished(was_tried=True))

    def _give_up(self, appender: Appender) -> None:
        """Retire a producer once, beside whatever comes after it."""
        if self._appender is not appender:
            return
        self._appender = None
        self._is_available.clear()
        self._is_wanted.set()
        ending = asyncio.create_task(appender.retire(), name="retire-producer")
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)

    async def _keep_appender(self) -> None:
        while True:
            self._is_wanted.clear()
            self._appender = await self._started_appender()
            self._is_available.set()
            await self._is_wanted.wait()

    async def _started_appender(self) -> Appender:
        """Make producers until one starts; says once that it waits, and once that it is over."""
        backoff_s = self._backoff_s
        failures = 0
        while True:
            appender = self._make_appender()
            try:
                await appender.start()
            except KafkaUnavailable as error:
                if not failures:
                    self._log.warning("gateway.producer_unavailable", error=str(error))
                failures += 1
                await asyncio.sleep(backoff_s)
                backoff_s = min(BACKOFF_MAX_S, 2 * backoff_s)
                continue
            if failures:
                self._log.info("gateway.producer_available", failures=failures)
            return appender

    def _note_crash(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or self._failure is None or self._failure.done():
            return
        error = task.exception()
        if error is not None:
            self._failure.set_result(error)
