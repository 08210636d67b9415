"""What the partitions of one process share, and the ports through which a worker acts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from structlog.typing import FilteringBoundLogger

from chassis.clock import Clock
from deliverer.attempts import Done
from deliverer.delays import TierFeed
from deliverer.endpoints import PartitionEndpoints
from deliverer.fate import SharedFate
from deliverer.hosts import HostSlots
from deliverer.metrics import DelivererMetrics
from deliverer.policy.items import Attempt, AttemptReport, Limits
from deliverer.recollections import Recollections
from deliverer.records import TopicNames
from deliverer.running import Prepared
from deliverer.slots import Slots
from deliverer.state import CommittedState
from deliverer.sweep import SweepFeed
from deliverer.ticking import MarkReader, TickWriter


class Delays(Protocol):
    """The reader of the delay topics."""

    def add(self, partition: int, positions: Sequence[int], feed: TierFeed) -> None:
        """Read a partition's tiers from these positions."""

    def remove(self, partition: int) -> None:
        """Stop reading a partition's tiers."""


class Sweeps(Protocol):
    """The reader that reads the log again."""

    def add(self, partition: int, feed: SweepFeed) -> None:
        """Ask a partition for its target."""

    def remove(self, partition: int) -> None:
        """Ask a partition no more."""

    def wake(self) -> None:
        """Look at once."""


class Subscriptions(Protocol):
    """The registry, per partition."""

    async def take_over(self, partition: int) -> PartitionEndpoints:
        """Read a partition to its end."""

    async def disown(self, partition: int) -> None:
        """Stop reading a partition."""

    def position(self, partition: int) -> int:
        """Return how far the table of a partition has read."""

    async def wait_for(self, partition: int, position: int, *, timeout_s: float) -> bool:
        """Wait until the table of a partition stands at a position."""

    def silence_s(self, partition: int) -> float:
        """Return for how long the reader of a partition had no answer."""


class Reader(MarkReader, Protocol):
    """The reader of committed state."""

    async def read(self, partition: int) -> CommittedState:
        """Read everything a takeover needs."""


class Attempts(Protocol):
    """Whatever makes one attempt."""

    def prepare(self, attempt: Attempt, endpoints: PartitionEndpoints, done: Done) -> Prepared:
        """Build an attempt, to be sent; `done` hears how it ended, unless it is cut off first."""

    def tell_unmade(self, attempt: Attempt, report: AttemptReport) -> None:
        """Write the line of an attempt that was cut off."""


class Disabling(Protocol):
    """Whatever writes `disabled` into the registry."""

    def disable(self, partition: int, key: bytes, *, reason: str) -> None:
        """Write it in the background until it succeeds."""

    async def forget(self, partition: int) -> None:
        """Give up the writes of a partition that moved away."""


class Group(Protocol):
    """The consumer group, seen from a worker."""

    async def ask_group(self, partition: int, offset: int) -> bool | None:
        """Ask by one ordinary commit whether the partition is still ours (C4)."""

    def wake(self) -> None:
        """Look again: there is room, or an actor died."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """The collaborators of every worker."""

    topics: TopicNames
    group_id: str
    clock: Clock
    log: FilteringBoundLogger
    metrics: DelivererMetrics
    slots: Slots
    hosts: HostSlots
    host_waits: Callable[[str], None]
    fate: SharedFate
    recollections: Recollections
    limits: Limits
    jitter: Callable[[], float]
    delays: Delays
    sweeps: Sweeps
    registry: Subscriptions
    reader: Reader
    attempts: Attempts
    disabling: Disabling
    make_writer: Callable[[int], TickWriter]
