"""The registry as the deliverer reads it: its own partitions, and a view of each."""

import asyncio
from collections.abc import Collection, Iterable
from typing import Protocol

from structlog.typing import FilteringBoundLogger

from chassis.kafka import KafkaUnavailable
from chassis.vault import Vault
from deliverer.endpoints import OpenedCache, PartitionEndpoints, RegistryEntry

CATCH_UP_S = 30.0


class RegistryTable(Protocol):
    """The part of chassis.table.Table that is used here."""

    async def own(self, partitions: Collection[int]) -> None:
        """Read these partitions, and no others."""

    async def end_offset(self, partition: int) -> int:
        """Ask the broker for the end of a partition."""

    async def wait_for(self, partition: int, position: int, *, timeout_s: float) -> bool:
        """Wait until the table stands at a position."""

    def items(self, partition: int) -> Iterable[tuple[bytes, RegistryEntry]]:
        """Return everything known of a partition."""

    def position(self, partition: int) -> int:
        """Return the next offset to read."""

    def lag_s(self, partition: int | None = None) -> float:
        """Return for how long something may be unknown."""


class Registry:
    """Own and disown partitions of the registry beside those of `deliveries`."""

    def __init__(
        self, table: RegistryTable, vault: Vault, *, opened: OpenedCache, log: FilteringBoundLogger
    ) -> None:
        self._table = table
        self._vault = vault
        self._opened = opened
        self._log = log
        self._views: dict[int, PartitionEndpoints] = {}
        self._owning = asyncio.Lock()

    async def take_over(self, partition: int) -> PartitionEndpoints:
        """Read a partition to an end offset asked now; KafkaUnavailable when it takes too long.

        Ask only after InitProducerId: every disable acknowledged before is then seen.
        """
        view = PartitionEndpoints(self._vault, opened=self._opened, log=self._log)
        # What the table has read already comes from here, the rest by `changed`.
        for key, entry in self._table.items(partition):
            view.changed(key, entry)
        self._views[partition] = view
        async with self._owning:
            await self._table.own(set(self._views))
        end = await self._table.end_offset(partition)
        if not await self._table.wait_for(partition, end, timeout_s=CATCH_UP_S):
            raise KafkaUnavailable(f"registry of partition {partition} not read to {end}")
        return view

    async def disown(self, partition: int) -> None:
        """Stop reading a partition."""
        if self._views.pop(partition, None) is not None:
            async with self._owning:
                await self._table.own(set(self._views))

    def changed(self, partition: int, key: bytes, entry: RegistryEntry | None) -> None:
        """Pass on what the table has read."""
        view = self._views.get(partition)
        if view is not None:
            view.changed(key, entry)

    @property
    def closed(self) -> int:
        """How many subscriptions of ours no vault key opens."""
        return sum(view.closed for view in self._views.values())

    def position(self, partition: int) -> int:
        """Return how far the table of a partition has read."""
        return self._table.position(partition)

    async def wait_for(self, partition: int, position: int, *, timeout_s: float) -> bool:
        """Wait until the table of a partition stands at a position."""
        return await self._table.wait_for(partition, position, timeout_s=timeout_s)

    def silence_s(self, partition: int) -> float:
        """Return for how long something of a partition may be unknown."""
        return self._table.lag_s(partition)
