"""The registry as fan-out reads it: one table, one directory for each partition it owns."""

import asyncio
from collections.abc import Collection
from typing import Protocol

from chassis.kafka import KafkaUnavailable
from fanout.directory import Directory
from schemas.registry import SubscriptionRecord

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


class Registry:
    """Own and disown partitions of the registry beside those of `events`."""

    def __init__(self) -> None:
        self._table: RegistryTable | None = None
        self._directories: dict[int, Directory] = {}
        self._owning = asyncio.Lock()

    def attach(self, table: RegistryTable) -> None:
        """Name the table whose `on_change` is `changed`."""
        self._table = table

    def changed(self, partition: int, key: bytes, record: SubscriptionRecord | None) -> None:
        """Take in what the table has read."""
        directory = self._directories.get(partition)
        if directory is None:
            return
        appended_at = self.table.appended_at(partition, key) or 0
        directory.change(key, record, appended_at=appended_at)

    async def take_over(self, partition: int) -> Directory:
        """Read a partition from its beginning to its end; KafkaUnavailable when it takes long."""
        await self.disown(partition)
        directory = self._directories[partition] = Directory()
        await self._own()
        end = await self.table.end_offset(partition)
        if not await self.table.wait_for(partition, end, timeout_s=CATCH_UP_S):
            raise KafkaUnavailable(f"registry of partition {partition} not read to {end}")
        return directory

    async def disown(self, partition: int) -> None:
        """Read a partition no longer; tolerates one that is not owned."""
        if self._directories.pop(partition, None) is not None:
            await self._own()

    async def catch_up(self, partition: int, *, timeout_s: float) -> bool:
        """Read to an end asked now: every acknowledged write lies below it (PROTOCOL R3)."""
        end = await self.table.end_offset(partition)
        return await self.table.wait_for(partition, end, timeout_s=timeout_s)

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
            await self.table.own(set(self._directories))
