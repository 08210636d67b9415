"""Fakes of what the actor of a partition works with: producer, registry view, event log."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from chassis.kafka import KafkaUnavailable, Record
from chassis.tick import CommitInfo, ProducerLost
from fanout.directory import Directory
from fanout.event_log import Bounds, ResumePoint
from fanout.plan import Fingerprint
from fanout.received import Received
from schemas.event_types import EventTypeCatalogue


class FakeReceived(NamedTuple):
    """A record of `events`."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class Tick(NamedTuple):
    """A commit that landed."""

    records: list[Record]
    offsets: dict[tuple[str, int], int]
    group: str
    size_bytes: int


class FakeProducer:
    """Commits into a list; may be held, and may lose."""

    def __init__(self) -> None:
        self.ticks: list[Tick] = []
        self.committing = 0
        self.is_claimed = False
        self.is_lost = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.changed = asyncio.Event()

    async def claim(self) -> None:
        """Become the owner."""
        self.is_claimed = True

    async def commit(
        self,
        records: Sequence[Record],
        *,
        offsets: Mapping[tuple[str, int], int] | None = None,
        group: str = "",
        size_bytes: int = 0,
    ) -> CommitInfo:
        """Land, or raise ProducerLost; one at a time."""
        if self.committing:
            raise AssertionError("two commits at once")
        if not records and not offsets:
            raise ValueError("an empty tick proves nothing")
        self.committing += 1
        self.changed.set()
        try:
            await self.gate.wait()
            if self.is_lost or not self.is_claimed:
                self.is_claimed = False
                raise ProducerLost("lost", fenced=True)
            self.ticks.append(Tick(list(records), dict(offsets or {}), group, size_bytes))
        finally:
            self.committing -= 1
            self.changed.set()
        return CommitInfo(700)

    async def retire(self) -> None:
        """Give the claim up."""
        self.is_claimed = False

    async def until(self, is_reached: Callable[["FakeProducer"], bool]) -> None:
        """Wait for a state, woken by each commit that begins or ends."""
        async with asyncio.timeout(5):
            while not is_reached(self):
                await self.changed.wait()
                self.changed.clear()


class FakeRegistry:
    """A directory that is up to date, behind, or out of reach; may be held before it answers."""

    def __init__(self) -> None:
        self.directory = Directory()
        self._event_types = EventTypeCatalogue()
        self.owned: set[int] = set()
        self.asked = 0
        self.is_behind = False
        self.is_unreachable = False
        self.at = 17
        self.was_asked = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    @property
    def event_types(self) -> EventTypeCatalogue:
        """Return a catalogue that the test fills."""
        return self._event_types

    async def take_over(self, partition: int) -> Directory:
        """Own a partition."""
        self.owned.add(partition)
        return self.directory

    async def disown(self, partition: int) -> None:
        """Own it no longer."""
        self.owned.discard(partition)

    async def catch_up(self, partition: int, *, timeout_s: float) -> bool:
        """Answer as told."""
        self.asked += 1
        self.was_asked.set()
        await asyncio.sleep(0)
        await self.gate.wait()
        if self.is_unreachable:
            raise KafkaUnavailable("no broker")
        return not self.is_behind

    def position(self, partition: int) -> int:
        """Return a fixed position."""
        return self.at


class FakeEventLog:
    """Stands at an offset and remembers given records."""

    def __init__(self, offset: int = 0, past: Sequence[Received] = ()) -> None:
        self.offset = offset
        self.is_committed = True
        self.past: Sequence[Received] = list(past)
        self.bounds: Bounds | None = None

    async def resume_point(self, partition: int) -> ResumePoint:
        """Return where the group stands."""
        return ResumePoint(self.offset, self.is_committed)

    async def recall(
        self,
        partition: int,
        upto: int,
        *,
        bounds: Bounds,
        digest: Callable[[Received], Fingerprint | None],
    ) -> list[Fingerprint]:
        """Digest the records before `upto`."""
        self.bounds = bounds
        known = (digest(record) for record in self.past if record.offset < upto)
        return [fingerprint for fingerprint in known if fingerprint is not None]
