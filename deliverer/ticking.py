"""Commit the ticks of one partition, and find out what became of one in doubt (PROTOCOL C4, C5).

After any error of the producer the tick may or may not have landed, and somebody else may own the
partition. The way back is always the same: ask the group by one ordinary commit; refused = dead.
Accepted = claim anew (which settles the old transaction), read the mark: ours = it landed; the one
before = send the very same tick again; any other = somebody else ticked in between: dead,
everything must be read again.

The first tick of a term is not asked after: two owners that read the same state give themselves the
same term and number their first ticks alike, so the mark cannot tell whose landed. Nothing has been
started under that term, so its owner takes over once more.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

import msgspec
from structlog.typing import FilteringBoundLogger

from chassis.clock import Clock
from chassis.kafka import KafkaUnavailable, Record
from chassis.tick import CommitInfo, ProducerLost

Mark = tuple[int, int]

AGAIN_FIRST_S = 0.2
AGAIN_MAX_S = 5.0


class TickWriter(Protocol):
    """The part of chassis.tick.TickProducer that is used here."""

    async def claim(self) -> None:
        """Become the owner of the transactional id."""

    async def commit(
        self,
        records: Sequence[Record],
        *,
        offsets: Mapping[tuple[str, int], int],
        group: str,
        size_bytes: int,
    ) -> CommitInfo:
        """Write one transaction; ProducerLost on any error. More bytes may take longer."""

    async def retire(self) -> None:
        """Close, bounded."""


class MarkReader(Protocol):
    """The part of StateReader that is used here."""

    async def read_mark(self, partition: int) -> Mark | None:
        """Read (term, tick) of the last committed tick."""


class Tick(msgspec.Struct, frozen=True, kw_only=True):
    """One transaction: its records, the mark it leaves, the position that `$window` shows.

    `tells_group` has the group's offset say so, too.
    """

    mark: Mark
    records: list[Record]
    position: int
    tells_group: bool = True


class Committed(msgspec.Struct, frozen=True):
    """The tick landed; `proven_at` (monotonic) is when the step that proves ownership began."""

    proven_at: float
    append_skew_ms: int | None = None


class Lost(msgspec.Struct, frozen=True):
    """The partition is not ours any more, or somebody else ticked while we were in doubt."""

    needs_takeover: bool
    cause: str


class Ticker:
    """Hold the producer of one partition; at most one tick at a time (C1)."""

    def __init__(
        self,
        partition: int,
        *,
        make_writer: Callable[[int], TickWriter],
        reader: MarkReader,
        ask_group: Callable[[int, int], Awaitable[bool | None]],
        topic: str,
        group: str,
        clock: Clock,
        log: FilteringBoundLogger,
    ) -> None:
        self._partition = partition
        self._make_writer = make_writer
        self._reader = reader
        self._ask_group = ask_group
        self._topic = topic
        self._group = group
        self._clock = clock
        self._log = log
        self._writer: TickWriter | None = None
        self._mark: Mark | None = None
        self._position = 0

    async def claim(self) -> None:
        """Fence the former owner; ProducerLost when the brokers do not answer."""
        await self.retire()
        writer = self._make_writer(self._partition)
        self._writer = writer
        await writer.claim()

    def begin(self, mark: Mark | None, position: int) -> None:
        """Note the last committed tick and position, as the takeover read them."""
        self._mark = mark
        self._position = position

    async def commit(self, tick: Tick, *, on_doubt: Callable[[], None]) -> Committed | Lost:
        """Commit a tick, however long it takes to know; `on_doubt` tells that it takes longer."""
        try:
            return await self._write(tick)
        except ProducerLost as lost:
            self._log.warning("tick.in_doubt", partition=self._partition, cause=str(lost))
            on_doubt()
        return await self._settle(tick)

    async def retire(self) -> None:
        """Close the producer, if there is one."""
        writer, self._writer = self._writer, None
        if writer is not None:
            await writer.retire()

    async def _write(self, tick: Tick) -> Committed:
        if self._writer is None:
            raise RuntimeError("a tick needs a claimed producer")
        began_at = self._clock.monotonic()
        offsets = {(self._topic, self._partition): tick.position} if tick.tells_group else {}
        info = await self._writer.commit(
            tick.records,
            offsets=offsets,
            group=self._group,
            size_bytes=sum(len(record.value or b"") for record in tick.records),
        )
        return self._landed(tick, began_at, info.append_skew_ms)

    async def _settle(self, tick: Tick) -> Committed | Lost:
        pause_s = AGAIN_FIRST_S
        while True:
            await self.retire()
            if not await self._is_still_ours():
                return Lost(needs_takeover=False, cause="the group refused")
            if self._mark is None or self._mark[0] != tick.mark[0]:
                return Lost(needs_takeover=True, cause="the first tick of a term is in doubt")
            try:
                began_at = self._clock.monotonic()
                await self.claim()
                mark = await self._reader.read_mark(self._partition)
                if mark == tick.mark:
                    return self._landed(tick, began_at, None)
                if mark != self._mark:
                    return Lost(needs_takeover=True, cause="another owner ticked")
                return await self._write(tick)
            except (ProducerLost, KafkaUnavailable) as fault:
                self._log.warning("tick.unsettled", partition=self._partition, cause=str(fault))
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, AGAIN_MAX_S)

    async def _is_still_ours(self) -> bool:
        pause_s = AGAIN_FIRST_S
        while (answer := await self._ask_group(self._partition, self._position)) is None:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, AGAIN_MAX_S)
        return answer

    def _landed(self, tick: Tick, proven_at: float, append_skew_ms: int | None) -> Committed:
        self._mark = tick.mark
        self._position = tick.position
        return Committed(proven_at, append_skew_ms)
