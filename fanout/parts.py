"""What the actor of a partition works with: its ports, and where it works."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from structlog.typing import FilteringBoundLogger

from chassis.clock import Clock
from chassis.kafka import Record
from chassis.tick import CommitInfo
from chassis.tracing import Tracing
from fanout.directory import Directory
from fanout.event_log import Bounds, ResumePoint
from fanout.metrics import FanoutMetrics
from fanout.plan import EventTypes, Fingerprint
from fanout.received import Received


class Producer(Protocol):
    """The part of chassis.tick.TickProducer that is used here."""

    async def claim(self) -> None:
        """Become the one owner of the transactional id."""

    async def commit(
        self,
        records: Sequence[Record],
        *,
        offsets: Mapping[tuple[str, int], int] | None = None,
        group: str = "",
        size_bytes: int = 0,
    ) -> CommitInfo:
        """Write records and offsets together, or raise ProducerLost; more bytes may take longer."""

    async def retire(self) -> None:
        """Give the claim up."""


class RegistryView(Protocol):
    """The part of fanout.registry.Registry that is used here."""

    @property
    def event_types(self) -> EventTypes:
        """Return what judges events by their type; the same for all partitions."""

    async def take_over(self, partition: int) -> Directory:
        """Read a partition and keep it up to date."""

    async def disown(self, partition: int) -> None:
        """Read it no longer."""

    async def catch_up(self, partition: int, *, timeout_s: float) -> bool:
        """Read to an end asked now."""

    def position(self, partition: int) -> int:
        """Return how far it has been read."""


class Log(Protocol):
    """The part of fanout.event_log.EventLog that is used here."""

    async def resume_point(self, partition: int) -> ResumePoint:
        """Return where the group stands."""

    async def recall(
        self,
        partition: int,
        upto: int,
        *,
        bounds: Bounds,
        digest: Callable[[Received], Fingerprint | None],
    ) -> list[Fingerprint]:
        """Return the fingerprints of the events before `upto`."""


class Place(NamedTuple):
    """Where the actor works."""

    partition: int
    partitions: int
    events_topic: str
    group: str
    topic_of: Callable[[str], str]


class Parts(NamedTuple):
    """What the actor works with."""

    producer: Producer
    registry: RegistryView
    log_reader: Log
    clock: Clock
    metrics: FanoutMetrics
    log: FilteringBoundLogger
    wake: Callable[[], None]
    tracing: Tracing | None = None
