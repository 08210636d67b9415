"""Append records to Kafka for many requests at once, and say honestly what became of each.

What waits stands in one line per partition (`gateway.lines`); a round takes a batch from each line
and appends them all, so that they travel in one request per broker; when the next round goes is
`gateway.pace`'s business. A partition has one batch under way at a time, which keeps the order of
requests, and one that is slow to be answered holds up the others for the linger and no longer.

A producer that failed once may fail for ever (an idempotent one cannot roll its sequence back), so
any failure gives it up and a keeper task builds another, backing off while the brokers are away.
Every request has a deadline of its own. What had not been handed to a producer by then was
certainly not written (`unavailable`); what had been may have been (`unknown`).
The bound on memory is not here: `gateway.intake` holds the bytes of a request until its answer.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from structlog.typing import FilteringBoundLogger

from chassis.kafka import BATCH_BYTES, KafkaUnavailable, Record
from gateway.lines import Batch, Done, Line, NotPublished, Outcome, Published, Submission
from gateway.pace import Pace

__all__ = ["Appender", "BatchingPublisher", "NotPublished", "Outcome", "Published", "Publisher"]

BACKOFF_MIN_S = 0.1
BACKOFF_MAX_S = 2.0


class Publisher(Protocol):
    """What handlers need of this module."""

    async def publish(self, records: Sequence[Record]) -> Sequence[Outcome]:
        """Append records, in order within a partition; all answers come within the deadline."""
        ...

    def submit(self, records: Sequence[Record], on_done: Done) -> None:
        """Do the same without a task that waits.

        `on_done` gets the answers once, never before this returned, and must not raise: the others
        of its batch are told after it.
        """
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


class BatchingPublisher:
    """Component: the lines, their rounds, and the producer of the moment."""

    def __init__(
        self,
        make_appender: Callable[[], Appender],
        *,
        deadline_s: float,
        log: FilteringBoundLogger,
        linger_s: float,
        backoff_s: float = BACKOFF_MIN_S,
    ) -> None:
        self._make_appender = make_appender
        self._deadline_s = deadline_s
        self._backoff_s = backoff_s
        self._log = log
        self._pace = Pace(linger_s)
        self._lines: dict[int, Line] = {}
        self._filled: dict[int, Line] = {}
        self._is_behind = False
        self._requests: deque[Submission] = deque()
        self._turn: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._expiry: asyncio.TimerHandle | None = None
        self._emptied: asyncio.Future[None] | None = None
        self._appender: Appender | None = None
        self._is_wanted = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._appends: set[asyncio.Task[None]] = set()
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
        """Wait until all requests are answered; their own deadlines end them in any case."""
        if self._requests:
            self._emptied = asyncio.get_running_loop().create_future()
            await asyncio.wait({self._emptied}, timeout=deadline_s)

    async def stop(self) -> None:
        """End the appends and the producer; what still waits is answered."""
        keeper, self._keeper = self._keeper, None
        appender, self._appender = self._appender, None
        tasks = [*self._appends, *([keeper] if keeper is not None else [])]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._expire(until=float("inf"))
        for handle in (self._turn, self._timer, self._expiry):
            if handle is not None:
                handle.cancel()
        self._turn = self._timer = self._expiry = None
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
        done: asyncio.Future[Sequence[Outcome]] = asyncio.get_running_loop().create_future()

        def tell(outcomes: Sequence[Outcome]) -> None:
            if not done.done():
                done.set_result(outcomes)

        submission = self._enter(records, tell)
        try:
            return await done
        finally:
            self._leave(submission)
            self._forget_answered()

    def submit(self, records: Sequence[Record], on_done: Done) -> None:
        """Do the same without a task that waits: `on_done` gets the answers, once."""
        self._enter(records, on_done)

    def _enter(self, records: Sequence[Record], on_done: Done) -> Submission:
        """Put a request into the lines; what comes in this turn of the loop can go together."""
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        submission = Submission(records, now_s + self._deadline_s, on_done)
        for part in submission.parts:
            line = self._lines.get(part.partition)
            if line is None:
                line = self._lines[part.partition] = Line(part.partition)
            line.parts.append(part)
            self._filled[part.partition] = line
        self._requests.append(submission)
        if self._expiry is None:
            self._expiry = loop.call_at(submission.deadline, self._expire_due)
        self._pace.arrive(now_s)
        if self._timer is None or self._wait_s(now_s) <= 0:
            self._consider_soon()
        return submission

    def _wait_s(self, now_s: float) -> float:
        """Return how long what waits should go on waiting; what did not fit a batch goes next."""
        is_under_way = bool(self._appends)
        if self._is_behind and not is_under_way:
            return 0.0
        return self._pace.wait_s(now_s, is_under_way=is_under_way)

    def _consider_soon(self) -> None:
        if self._turn is None:
            self._turn = asyncio.get_running_loop().call_soon(self._consider)

    def _consider(self) -> None:
        """Begin a round, or come back when it is time."""
        self._turn = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._appender is None or not self._filled:
            return
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        if (wait_s := self._wait_s(now_s)) > 0:
            self._timer = loop.call_later(wait_s, self._consider)
            return
        self._pace.begin(now_s)
        self._begin_round(self._appender)

    def _begin_round(self, appender: Appender) -> None:
        """Take a batch from each line that may go, and append them beside one another."""
        self._is_behind = False
        for line in list(self._filled.values()):
            if line.is_busy:
                continue
            batch = line.take(BATCH_BYTES)
            if line.parts:
                self._is_behind = True
            else:
                del self._filled[line.partition]
            if batch.records:
                line.is_busy = True
                task = asyncio.create_task(self._append(appender, line, batch))
                self._appends.add(task)
                task.add_done_callback(self._note_crash)

    async def _append(self, appender: Appender, line: Line, batch: Batch) -> None:
        base_offset: int | None = None
        try:
            async with asyncio.timeout(self._deadline_s):
                base_offset = await appender.append(batch.records)
        except (KafkaUnavailable, TimeoutError) as error:
            self._log.warning("gateway.produce_failed", partition=line.partition, error=repr(error))
            self._give_up(appender)
        finally:
            line.is_busy = False
            batch.settle(base_offset)  # a batch that failed or was cut off by a stop has none
            self._forget_answered()
            self._appends.discard(asyncio.current_task())
            if not self._appends:
                self._pace.end(asyncio.get_running_loop().time())
            self._consider_soon()

    def _expire_due(self) -> None:
        """End the requests whose time is over, and come back for the next."""
        loop = asyncio.get_running_loop()
        self._expire(until=loop.time())
        self._expiry = None
        if self._requests:
            self._expiry = loop.call_at(self._requests[0].deadline, self._expire_due)

    def _expire(self, *, until: float) -> None:
        requests = self._requests
        while requests and (requests[0].is_over or requests[0].deadline <= until):
            self._leave(requests.popleft())
        self._forget_answered()

    def _leave(self, submission: Submission) -> None:
        """End a request; what stands before the next one in the lines goes with it."""
        submission.expire()
        for part in submission.parts:
            line = self._lines[part.partition]
            line.prune()
            if not line.parts:
                self._filled.pop(part.partition, None)

    def _forget_answered(self) -> None:
        requests = self._requests
        while requests and requests[0].is_over:
            requests.popleft()
        if not requests and self._emptied is not None and not self._emptied.done():
            self._emptied.set_result(None)

    def _give_up(self, appender: Appender) -> None:
        """Retire a producer once, beside whatever comes after it."""
        if self._appender is not appender:
            return
        self._appender = None
        self._is_wanted.set()
        ending = asyncio.create_task(appender.retire(), name="retire-producer")
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)

    async def _keep_appender(self) -> None:
        while True:
            self._is_wanted.clear()
            self._appender = await self._started_appender()
            self._consider_soon()
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
