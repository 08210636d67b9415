"""Long-lived parts of the deliverer: preconditions, registry, sender, membership."""

import asyncio
from collections.abc import Callable, Sequence

from structlog.typing import FilteringBoundLogger

from chassis import kafka, topics
from chassis.kafka import KafkaUnavailable
from chassis.ownership import Ownership
from chassis.settings import KafkaSettings
from chassis.table import Table
from chassis.table_writer import TableWriter
from deliverer.disabling import Disabler
from deliverer.endpoints import RegistryEntry
from deliverer.sender.sender import HttpSender
from deliverer.worker import PartitionWorker
from schemas.topics import TopicPlan

AGAIN_S = 0.5
LEAVE_RESERVE_S = 3.0
"""What of the shutdown deadline is kept for the last ticks and for leaving the group."""


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
        kafka.check_runtime()
        while True:
            await kafka.wait_for_brokers(self._settings, self._log, asyncio.Event())
            try:
                await self._verify()
            except (KafkaUnavailable, OSError) as error:
                self._log.warning("deliverer.topics_unknown", error=str(error))
                await asyncio.sleep(AGAIN_S)
            else:
                return

    async def drain(self, deadline_s: float) -> None:
        """Nothing runs."""

    async def stop(self) -> None:
        """Nothing is held."""

    async def _verify(self) -> None:
        client = kafka.admin(self._settings, client_id="hooklane-deliverer-start")
        await kafka.start(client)
        try:
            await topics.verify(client, self._plans)
        finally:
            await kafka.retire(client, timeout_s=1)


class RegistryReader:
    """Component: the registry of our partitions in memory, and the writer that disables."""

    def __init__(
        self,
        table: Table[RegistryEntry],
        writer: TableWriter[RegistryEntry],
        disabler: Disabler,
    ) -> None:
        self._table = table
        self._writer = writer
        self._disabler = disabler

    async def start(self) -> None:
        """Begin to read; each takeover waits for its own partition."""
        await self._table.start()

    async def drain(self, deadline_s: float) -> None:
        """Let disables that are under way reach the registry."""
        await self._disabler.finish(deadline_s)

    async def stop(self) -> None:
        """Give up the claims and stop reading."""
        await self._disabler.stop()
        await self._writer.stop()
        await self._table.stop()

    async def wait_failed(self) -> BaseException:
        """Wait until the reader crashes."""
        await self._table.wait_failed()
        return RuntimeError("the registry's reader ended")


class Sending:
    """Component: the sender's idle connections."""

    def __init__(self, sender: HttpSender) -> None:
        self._sender = sender

    async def start(self) -> None:
        """Connections open when something is sent."""

    async def drain(self, deadline_s: float) -> None:
        """Attempts are the workers' to finish."""

    async def stop(self) -> None:
        """Close what is idle."""
        await self._sender.close()


class Membership:
    """Component: membership of the group, and the workers of the partitions it gives us."""

    def __init__(
        self,
        ownership: Callable[[Callable[[int], PartitionWorker]], Ownership],
        *,
        make_worker: Callable[[int, Ownership], PartitionWorker],
        drain_s: float,
    ) -> None:
        self._make_worker = make_worker
        self._drain_s = drain_s
        self._workers: dict[int, PartitionWorker] = {}
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.ownership = ownership(self._worker)

    def workers(self) -> list[PartitionWorker]:
        """Return the workers that own a partition."""
        return [worker for worker in self._workers.values() if not worker.is_dead]

    async def start(self) -> None:
        """Join the group; does not wait for partitions."""
        if self._task is None:
            self._stopping.clear()
            self._task = asyncio.create_task(self.ownership.run(self._stopping), name="ownership")

    async def drain(self, deadline_s: float) -> None:
        """Finish what runs, commit it, leave the group."""
        running_s = max(0.0, deadline_s - self._drain_s - LEAVE_RESERVE_S)
        await asyncio.gather(*(worker.leave(running_s) for worker in self.workers()))
        self._stopping.set()
        if self._task is not None:
            await asyncio.wait({self._task})

    async def stop(self) -> None:
        """Leave at once, if `drain` did not."""
        self._stopping.set()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    async def wait_failed(self) -> BaseException:
        """Wait until the membership crashes."""
        if self._task is None:
            return RuntimeError("the membership was not started")
        await asyncio.wait({self._task})
        if self._task is None or self._task.cancelled():
            return asyncio.CancelledError()
        return self._task.exception() or RuntimeError("the membership ended")

    def _worker(self, partition: int) -> PartitionWorker:
        worker = self._make_worker(partition, self.ownership)
        self._workers[partition] = worker
        return worker
