"""Long-lived parts of the gateway too small for a module each: its preconditions, its registry.

Both wait for Kafka inside `start`, which SIGTERM cancels.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from structlog.typing import FilteringBoundLogger

from chassis import kafka, topics
from chassis.kafka import KafkaUnavailable, RuntimeFault
from chassis.refusal import StartRefused
from chassis.settings import KafkaSettings
from chassis.table import Table
from chassis.table_writer import TableWriter
from gateway.kafka_registry import Row
from schemas.topics import TopicPlan

_LOOK_S: Final = 0.02
_AGAIN_S: Final = 0.5


class Preconditions:
    """Component: lets nothing start before Kafka answers and its topics are right."""

    def __init__(
        self, settings: KafkaSettings, plans: Sequence[TopicPlan], *, log: FilteringBoundLogger
    ) -> None:
        self._settings = settings
        self._plans = plans
        self._log = log

    async def start(self) -> None:
        """Wait for the brokers; raises StartRefused when the topics or this Python are wrong."""
        try:
            kafka.check_runtime()
        except RuntimeFault as error:
            raise StartRefused(str(error)) from error
        while True:
            await kafka.wait_for_brokers(self._settings, self._log, asyncio.Event())
            try:
                await self._verify()
            except (KafkaUnavailable, OSError) as error:
                self._log.warning("gateway.topics_unknown", error=str(error))
                await asyncio.sleep(_AGAIN_S)
            else:
                return

    async def drain(self, deadline_s: float) -> None:
        """Nothing runs."""

    async def stop(self) -> None:
        """Nothing is held."""

    async def _verify(self) -> None:
        client = kafka.admin(self._settings, client_id="hooklane-gateway-start")
        await kafka.start(client)
        try:
            await topics.verify(client, self._plans)
        finally:
            await kafka.retire(client, timeout_s=1)


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
        """Wait until the reader crashes."""
        await self._table.wait_failed()
        return RuntimeError("the registry's reader ended")
