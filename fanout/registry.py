"""The registry as fan-out reads it: one table, one directory for each partition it owns.

Event types concern every subscriber and lie on one partition of their own. It is read as long as
any partition is owned, and matching waits for its end as for the end of the subscriber's own
(PROTOCOL R3): an event that follows an acknowledged schema is judged by it.
"""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from typing import Protocol

from chassis.kafka import KafkaUnavailable
from fanout.directory import Directory, Entry
from fanout.index import Interest
from schemas.event_types import EVENT_TYPES_SUBSCRIBER, EventTypeCatalogue, EventTypeRecord
from schemas.filters import FilterError
from schemas.registry import parse_registry_key
from schemas.schema_survey import SchemaError
from schemas.topics import partition_of

CATCH_UP_S = 30.0


class RegistryTable(Protocol):
    """The part of chassis.table.Table that is used here."""

    async def own(self, partitions: Collection[int]) -> None:
        """Read these partitions, and no others."""

    async def end_offset(self, partition: int) -> int:
        """Ask the broker for the end of a partition."""

    async def wait_for(self, partition: int, position: int, *, timeout_s: float) -> bool:
        """Wait until the table stands at a position."""

    def appended_at(self, partition: int, key: bytes) -> int | None:
        """Return when the log took the current value of a key."""

    def position(self, partition: int) -> int:
        """Return the next offset to read."""

    def items(self, partition: int) -> Iterable[tuple[bytes, Entry | None]]:
        """Return what was read of a partition so far."""


class RegistryHooks:
    """What a service does about records that cannot be used; override what it wants."""

    def on_filter_broken(self, key: bytes, errors: Sequence[FilterError]) -> None:
        """Tell that the filter of a subscription does not compile: it gets no events."""

    def on_schema_broken(self, key: bytes, errors: Sequence[SchemaError]) -> None:
        """Tell that the schema of an event type does not compile: the last good one counts."""


class Registry:
    """Own and disown partitions of the registry beside those of `events`."""

    def __init__(self, *, partitions: int, hooks: RegistryHooks | None = None) -> None:
        """`partitions` is the count of the topic."""
        self._event_types = EventTypeCatalogue()
        self._shared = partition_of(EVENT_TYPES_SUBSCRIBER.encode(), partitions)
        self._hooks = hooks or RegistryHooks()
        self._table: RegistryTable | None = None
        self._directories: dict[int, Directory] = {}
        self._owning = asyncio.Lock()

    @property
    def event_types(self) -> EventTypeCatalogue:
        """Return the event types as far as they were read; the same object always."""
        return self._event_types

    def attach(self, table: RegistryTable) -> None:
        """Name the table whose `on_change` is `changed`."""
        self._table = table

    def changed(self, partition: int, key: bytes, entry: Entry | None) -> None:
        """Take in what the table has read; None is a tombstone."""
        if partition == self._shared:
            self._change_event_type(key, entry)
        directory = self._directories.get(partition)
        if directory is not None and not isinstance(entry, EventTypeRecord):
            self._change_subscription(directory, partition, key, entry)

    async def take_over(self, partition: int) -> Directory:
        """Read a partition from its beginning to its end; KafkaUnavailable when it takes long."""
        await self.disown(partition)
        directory = self._directories[partition] = Directory()
        # The shared partition may be read already, and is then not read again.
        for key, entry in self.table.items(partition):
            if isinstance(entry, Interest):
                self._change_subscription(directory, partition, key, entry)
        await self._own()
        if not await self.catch_up(partition, timeout_s=CATCH_UP_S):
            raise KafkaUnavailable(f"registry of partition {partition} not read to its end")
        return directory

    async def disown(self, partition: int) -> None:
        """Read a partition no longer; tolerates one that is not owned."""
        if self._directories.pop(partition, None) is not None:
            await self._own()

    async def catch_up(self, partition: int, *, timeout_s: float) -> bool:
        """Read to an end asked now: every acknowledged write lies below it (PROTOCOL R3)."""
        wanted = sorted({partition, self._shared})
        ends = await asyncio.gather(*(self.table.end_offset(one) for one in wanted))
        waits = (
            self.table.wait_for(one, end, timeout_s=timeout_s)
            for one, end in zip(wanted, ends, strict=True)
        )
        return all(await asyncio.gather(*waits))

    def position(self, partition: int) -> int:
        """Return how far a partition has been read."""
        return self.table.position(partition)

    @property
    def table(self) -> RegistryTable:
        """Return the attached table."""
        if self._table is None:
            raise RuntimeError("no table attached")
        return self._table

    async def _own(self) -> None:
        async with self._owning:
            owned = set(self._directories)
            if not owned:
                self.event_types.clear()
            await self.table.own(owned | {self._shared} if owned else owned)

    def _change_event_type(self, key: bytes, entry: Entry | None) -> None:
        parts = parse_registry_key(key)
        if parts is None or parts.kind != "event-type":
            return
        record = entry if isinstance(entry, EventTypeRecord) else None
        errors = self.event_types.change(parts.id, record)
        if errors:
            self._hooks.on_schema_broken(key, errors)

    def _change_subscription(
        self, directory: Directory, partition: int, key: bytes, interest: Interest | None
    ) -> None:
        appended_at = self.table.appended_at(partition, key) or 0
        errors = directory.change(key, interest, appended_at=appended_at)
        if errors:
            self._hooks.on_filter_broken(key, errors)
