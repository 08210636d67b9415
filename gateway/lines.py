"""What waits for Kafka: the records of each request, in one line per partition. Pure.

A request may hold records of several partitions; those of one are a part, and parts are served in
the order of their requests. A record's outcome is set once. What was handed to a producer and not
answered may have been written; what was not handed certainly was not, and never will be: a request
that is over leaves nothing behind that could still be taken.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import msgspec

from chassis.kafka import Record, record_bytes
from gateway.problems import Code


class Published(msgspec.Struct, frozen=True, gc=False):
    """The record is on all in-sync replicas at this place."""

    partition: int
    offset: int


class NotPublished(msgspec.Struct, frozen=True, gc=False):
    """The record was not acknowledged in time."""

    was_tried: bool

    @property
    def code(self) -> Code:
        """`unknown` when it may have been written nevertheless."""
        return Code.UNKNOWN if self.was_tried else Code.UNAVAILABLE


Outcome: TypeAlias = Published | NotPublished
Done: TypeAlias = Callable[[Sequence[Outcome]], None]


class Submission:
    """The records of one request, until all their outcomes are known or its time is over."""

    __slots__ = ("_left", "_on_done", "deadline", "is_over", "outcomes", "parts")

    def __init__(self, records: Sequence[Record], deadline: float, on_done: Done) -> None:
        """`on_done` gets one outcome for each record, in order, and is called once."""
        self.deadline = deadline
        self.is_over = False
        self.outcomes: list[Outcome | None] = [None] * len(records)
        self.parts = _parts_of(self, records)
        self._left = len(records)
        self._on_done = on_done

    def settle(self, count: int) -> None:
        """Note that so many outcomes more are known."""
        self._left -= count
        if not self._left and not self.is_over:
            self._end([one for one in self.outcomes if one is not None])

    def expire(self) -> None:
        """Wait no longer; say of each record whether it may have been written."""
        if self.is_over:
            return
        outcomes: list[Outcome] = [one or NotPublished(was_tried=False) for one in self.outcomes]
        for part in self.parts:
            for place in part.places[: part.tried]:
                outcomes[place] = self.outcomes[place] or NotPublished(was_tried=True)
        self._end(outcomes)

    def _end(self, outcomes: Sequence[Outcome]) -> None:
        self.is_over = True
        for part in self.parts:
            part.records = ()
        self._on_done(outcomes)


class Part:
    """The records of one request that go to one partition, and their places in the request.

    `tried` of them, the first ones, were handed to a producer.
    """

    __slots__ = ("partition", "places", "records", "submission", "tried")

    def __init__(
        self,
        submission: Submission,
        partition: int,
        records: Sequence[Record],
        places: Sequence[int],
    ) -> None:
        self.submission = submission
        self.partition = partition
        self.records = records
        self.places = places
        self.tried = 0

    def publish(self, first: int, count: int, offset: int) -> None:
        """Set the outcomes of records that were acknowledged at consecutive offsets."""
        outcomes, partition = self.submission.outcomes, self.partition
        for place in self.places[first : first + count]:
            outcomes[place] = Published(partition, offset)
            offset += 1
        self.submission.settle(count)

    def fail(self, first: int, count: int) -> None:
        """Set the outcomes of records that were tried in vain."""
        outcomes = self.submission.outcomes
        for place in self.places[first : first + count]:
            outcomes[place] = NotPublished(was_tried=True)
        self.submission.settle(count)


def _parts_of(submission: Submission, records: Sequence[Record]) -> Sequence[Part]:
    first = records[0].partition
    if len(records) == 1:
        return (Part(submission, first, records, (0,)),)
    places: dict[int, list[int]] = {}
    for place, record in enumerate(records):
        places.setdefault(record.partition, []).append(place)
    return [
        Part(submission, partition, [records[place] for place in mine], mine)
        for partition, mine in places.items()
    ]


class Slice(NamedTuple):
    """Consecutive records of a part that are in one batch."""

    part: Part
    first: int
    size: int


class Batch:
    """What was taken from one line to be appended together; ends in `settle`."""

    __slots__ = ("records", "slices")

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.slices: list[Slice] = []

    def settle(self, base_offset: int | None) -> None:
        """Tell everybody the places of their records; None = nobody knows."""
        for part, first, size in self.slices:
            if base_offset is None:
                part.fail(first, size)
            else:
                part.publish(first, size, base_offset)
                base_offset += size


class Line:
    """The parts that wait for one partition, first come first served."""

    __slots__ = ("is_busy", "partition", "parts")

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.parts: deque[Part] = deque()
        self.is_busy = False

    def prune(self) -> None:
        """Drop what is over from the front: requests have one deadline, so the oldest end first."""
        parts = self.parts
        while parts and parts[0].submission.is_over:
            parts.popleft()

    def take(self, bytes_max: int) -> Batch:
        """Remove what fits into one batch; a record that is larger goes alone."""
        batch = Batch()
        records = batch.records
        room = bytes_max
        while self.parts:
            part = self.parts[0]
            first = last = part.tried
            for record in part.records[first:]:
                room -= record_bytes(record)
                if room < 0 and records:
                    break
                records.append(record)
                last += 1
            part.tried = last
            if last > first:
                batch.slices.append(Slice(part, first, last - first))
            if last < len(part.records):
                break
            self.parts.popleft()
            if room <= 0:
                break
        return batch
