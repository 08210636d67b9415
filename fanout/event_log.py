"""Read what a takeover needs of `events[p]`: where the group stands, and the dedupe window.

The window lies before the committed offset and is bounded in time, events and bytes, but a log is
read forwards only. So it is read in spans that go back from the committed offset, each sized by
what the spans before it weighed, until a bound is reached.

Time is that of the log: the window ends with the newest record before the committed offset,
however long ago that was. So a repeat that waited in a backlog is known, as it was to the owner
before. What is read counts towards the bounds, and the window itself counts no repeats: where
there are many, it reaches less far back after a takeover than before.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from structlog.typing import FilteringBoundLogger

from chassis.lookups import group_offset, opened
from fanout.plan import Fingerprint
from fanout.received import Received

READ_S_MAX = 60.0
POLL_MS = 200
POLL_RECORDS = 500
SPAN_FIRST = 256
SPAN_MIN = 32
SPAN_MAX = 20_000
BLANK_MAX = 20_000
"""How many offsets without any record (aborted transactions) are read before it gives up."""


class OffsetsRefused(Exception):
    """The committed offset is gone or not of this log; going on would lose or repeat events."""


class ResumePoint(NamedTuple):
    """From where to plan, and whether the group has it written down."""

    offset: int
    is_committed: bool


class Bounds(msgspec.Struct, frozen=True):
    """How far back the dedupe window reaches at most; the time is that of the log."""

    span_ms: int
    events_max: int
    bytes_max: int


class EventLog:
    """Makes clients of its own for each read; call only after the partition was claimed.

    Before the claim, a tick of the former owner could still move the committed offset.
    """

    def __init__(
        self,
        make_consumer: Callable[[], AIOKafkaConsumer],
        make_admin: Callable[[], AIOKafkaAdminClient],
        *,
        topic: str,
        deliveries_topic: str,
        group: str,
        log: FilteringBoundLogger,
        on_lost: Callable[[int], None],
    ) -> None:
        self._make_consumer = make_consumer
        self._make_admin = make_admin
        self._topic = topic
        self._deliveries_topic = deliveries_topic
        self._group = group
        self._log = log
        self._on_lost = on_lost

    async def resume_point(self, partition: int) -> ResumePoint:
        """Return the offset from which no committed tick has taken anything.

        A group that never committed begins with the first event. One that has no offset although
        something was fanned out has lost it (expired, or deleted with the group): refused, as
        nobody but an operator can tell what of the log was taken.
        """
        committed = await self._committed(partition)
        place = TopicPartition(self._topic, partition)
        outcome = TopicPartition(self._deliveries_topic, partition)
        async with self._reader() as reader:
            first = await self._first(reader, partition)
            ends = await reader.end_offsets([place, outcome])
        end = int(ends[place])
        if committed is None:
            if first < end and ends[outcome] > 0:
                raise OffsetsRefused(self._without_offset(partition))
            return ResumePoint(first, is_committed=False)
        if committed > end:
            raise OffsetsRefused(
                f"{self._topic}[{partition}] ends at {end}, but the group stands at {committed}: "
                "was the topic made anew?"
            )
        if committed < first:
            self._on_lost(first - committed)
            self._log.error(
                "fanout.events_lost_to_retention",
                partition=partition,
                first_lost=committed,
                lost=first - committed,
            )
        # A loss is written down at once: the next takeover would count it again.
        return ResumePoint(max(committed, first), is_committed=committed >= first)

    async def recall(
        self,
        partition: int,
        upto: int,
        *,
        bounds: Bounds,
        digest: Callable[[Received], Fingerprint | None],
    ) -> list[Fingerprint]:
        """Return what the window holds of the events before `upto`, oldest first."""
        spans: list[list[Fingerprint]] = []
        events, size_bytes, high, span = 0, 0, upto, SPAN_FIRST
        is_dated = False
        async with self._reader() as reader:
            low = await self._first(reader, partition)
            while high > low and events < bounds.events_max and size_bytes < bounds.bytes_max:
                first = max(low, high - span)
                records, newest_ms = await self._read(
                    reader, partition, first, end=high, digest=digest
                )
                if newest_ms is not None and not is_dated:
                    since_ms = newest_ms - bounds.span_ms
                    low = max(low, await self._first_since(reader, partition, since_ms))
                    is_dated = True
                spans.append(records)
                events += len(records)
                size_bytes += sum(record.size_bytes for record in records)
                span = next_span(span, events, size_bytes, bounds.bytes_max)
                high = first
                if not is_dated and upto - high >= BLANK_MAX:
                    break
        return [record for records in reversed(spans) for record in records]

    def _without_offset(self, partition: int) -> str:
        return (
            f"{self._group} has no offset for {self._topic}[{partition}], but fan-out wrote to "
            f"{self._deliveries_topic}[{partition}] before: did it expire, or was the group "
            "deleted? Stop fan-out and set it: kafka-consumer-groups --reset-offsets --execute "
            f"--group {self._group} --topic {self._topic}:{partition} --to-datetime TIME "
            "(or --to-latest; --to-earliest delivers all that is left again)"
        )

    async def _committed(self, partition: int) -> int | None:
        place = TopicPartition(self._topic, partition)
        return await group_offset(self._make_admin(), self._group, place, timeout_s=READ_S_MAX)

    def _reader(self) -> AbstractAsyncContextManager[AIOKafkaConsumer]:
        return opened(self._make_consumer(), what=self._topic, timeout_s=READ_S_MAX)

    async def _first(self, reader: AIOKafkaConsumer, partition: int) -> int:
        place = TopicPartition(self._topic, partition)
        return int((await reader.beginning_offsets([place]))[place])

    async def _first_since(self, reader: AIOKafkaConsumer, partition: int, since_ms: int) -> int:
        place = TopicPartition(self._topic, partition)
        found = (await reader.offsets_for_times({place: max(0, since_ms)}))[place]
        return 0 if found is None else int(found.offset)

    async def _read(
        self,
        reader: AIOKafkaConsumer,
        partition: int,
        first: int,
        *,
        end: int,
        digest: Callable[[Received], Fingerprint | None],
    ) -> tuple[list[Fingerprint], int | None]:
        """Return the fingerprints of a span, and when the log took its last record."""
        place = TopicPartition(self._topic, partition)
        reader.assign([place])
        reader.seek(place, first)
        kept: list[Fingerprint] = []
        newest_ms: int | None = None
        while await reader.position(place) < end:
            got = await reader.getmany(place, timeout_ms=POLL_MS, max_records=POLL_RECORDS)
            for record in got.get(place, ()):
                if record.offset < end:
                    newest_ms = int(record.timestamp)
                    if (known := digest(record)) is not None:
                        kept.append(known)
        return kept, newest_ms


def next_span(span: int, events: int, size_bytes: int, bytes_max: int) -> int:
    """Return how many offsets further back to read: fourfold, but no more than should fit."""
    weight = max(1, size_bytes // max(1, events))
    room = max(0, bytes_max - size_bytes) // weight
    return max(SPAN_MIN, min(span * 4, SPAN_MAX, room))
