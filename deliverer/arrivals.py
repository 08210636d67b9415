"""Hold records of `deliveries` until the registry has caught up with them (PROTOCOL R1), pure.

A delivery names the registry position at which fan-out matched it. Before our own table stands
there, an absent subscription may simply be unknown, and taking it for deleted would drop the
delivery. So a batch waits, and its partition reads no further; the poll loop goes on.
"""

from collections import deque
from collections.abc import Sequence

import msgspec

from chassis.kafka import Record
from deliverer.policy.items import Delivery, Parked
from deliverer.policy.machine import Machine
from deliverer.records import Received, TopicNames, quarantined, read_delivery, read_parked
from schemas.event import Violation
from schemas.quarantine import QuarantineReason


class Quarantined(msgspec.Struct, frozen=True):
    """A record that is set aside: what to write, and why, for the metric."""

    record: Record
    reason: QuarantineReason


class _Batch(msgspec.Struct):
    items: list[tuple[int, Delivery | Quarantined]]
    end: int
    needs_registry: int


class Arrivals:
    """Queue decoded batches of one partition; hand them to the machine in order."""

    def __init__(self, topics: TopicNames) -> None:
        self._topics = topics
        self._batches: deque[_Batch] = deque()
        self._end = 0

    @property
    def is_empty(self) -> bool:
        """Tell whether everything that arrived was handed over."""
        return not self._batches

    @property
    def end(self) -> int:
        """Return the position after everything that arrived, 0 before the first."""
        return self._end

    @property
    def needs_registry(self) -> int:
        """Return the registry position the next batch waits for; 0 when there is none."""
        return self._batches[0].needs_registry if self._batches else 0

    def add(self, records: Sequence[Received], end: int) -> None:
        """Decode a batch; `end` is the consumer's position after it."""
        self._end = end
        items: list[tuple[int, Delivery | Quarantined]] = []
        needs_registry = 0
        for record in records:
            delivery = read_delivery(record)
            if isinstance(delivery, Violation):
                aside = quarantined(record, delivery, topics=self._topics)
                items.append((record.offset, Quarantined(aside, delivery.reason)))
            else:
                items.append((record.offset, delivery))
                needs_registry = max(needs_registry, delivery.registry_offset)
        self._batches.append(_Batch(items, end, needs_registry))

    def hand_over(self, machine: Machine, *, reached: int, now: int) -> list[Quarantined]:
        """Give the machine every batch the registry has reached; return what to set aside."""
        aside: list[Quarantined] = []
        while self._batches and self._batches[0].needs_registry <= reached:
            aside += _read(machine, self._batches.popleft(), now)
        return aside


def _read(machine: Machine, batch: _Batch, now: int) -> list[Quarantined]:
    aside: list[Quarantined] = []
    run: list[Delivery] = []
    for offset, item in batch.items:
        if isinstance(item, Delivery):
            run.append(item)
            continue
        machine.read_head(run, end=offset, now=now)
        run = []
        if machine.skip_head(offset):
            aside.append(item)
    machine.read_head(run, end=batch.end, now=now)
    return aside


class TierArrivals:
    """Queue records of the delay topics of one partition until its next step."""

    def __init__(self, topics: TopicNames) -> None:
        self._topics = topics
        self._batches: deque[tuple[int, list[tuple[int, Parked | Quarantined]], int]] = deque()

    def has(self, tier: int) -> bool:
        """Tell whether records of a tier wait for the next step."""
        return any(tier == queued for queued, _, _ in self._batches)

    def add(self, tier: int, records: Sequence[Received], end: int) -> None:
        """Decode a batch of a tier; `end` is the reader's position after it."""
        items: list[tuple[int, Parked | Quarantined]] = []
        for record in records:
            parked = read_parked(tier, record)
            if isinstance(parked, Violation):
                aside = quarantined(record, parked, topics=self._topics)
                items.append((record.offset, Quarantined(aside, parked.reason)))
            else:
                items.append((record.offset, parked))
        self._batches.append((tier, items, end))

    def hand_over(self, machine: Machine, *, now: int) -> list[Quarantined] | None:
        """Give everything to the machine; None = a successor has written: we are a zombie (T2)."""
        aside: list[Quarantined] = []
        while self._batches:
            tier, items, end = self._batches.popleft()
            run: list[Parked] = []
            for offset, item in items:
                if isinstance(item, Parked):
                    run.append(item)
                    continue
                if not machine.read_tier(tier, run, end=offset, now=now):
                    return None
                run = []
                if machine.skip_tier(tier, offset):
                    aside.append(item)
            if not machine.read_tier(tier, run, end=end, now=now):
                return None
        return aside


class SweepArrivals:
    """Hold what the sweep read of one partition until its next step.

    A record that cannot be decoded is left out: the log's own reader has set it aside.
    """

    def __init__(self) -> None:
        self._batches: deque[tuple[list[Delivery], int, int]] = deque()

    @property
    def is_empty(self) -> bool:
        """Tell whether everything was handed over."""
        return not self._batches

    def add(self, records: Sequence[Received], *, start: int, end: int) -> None:
        """Decode what was read from `start`."""
        found = [read_delivery(record) for record in records]
        deliveries = [item for item in found if isinstance(item, Delivery)]
        self._batches.append((deliveries, start, end))

    def hand_over(self, machine: Machine, *, now: int) -> None:
        """Give everything to the machine."""
        while self._batches:
            deliveries, start, end = self._batches.popleft()
            machine.read_sweep(deliveries, start=start, end=end, now=now)
