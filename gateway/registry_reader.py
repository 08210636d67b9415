"""The gateway's copy of the registry; its start waits for Kafka (SIGTERM cancels that)."""

import asyncio
from typing import Final

from chassis.table import Table
from chassis.table_writer import TableWriter
from gateway.registry_rows import Row

_LOOK_S: Final = 0.02


class RegistryReader:
    """Component: the copy of the registry in memory, and the claims of its writer."""

    def __init__(self, table: Table[Row], writer: TableWriter[Row], *, partitions: int) -> None:
        self._table = table
        self._writer = writer
        self._partitions = partitions

    async def start(self) -> None:
        """Read the whole registry; only then is a missing subscription really missing."""
        await self._table.own(range(self._partitions))
        await self._table.start()
        # A position moves over transaction markers without waking anybody, so it is looked at.
        while not self._table.is_caught_up:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_S)

    async def drain(self, deadline_s: float) -> None:
        """Go on: requests that still run may read and write."""

    async def stop(self) -> None:
        """Give up the claims and stop reading."""
        await self._writer.stop()
        await self._table.stop()

    async def wait_failed(self) -> BaseException:
        """Wait until the reader crashes, and return why."""
        return await self._table.wait_failed()
