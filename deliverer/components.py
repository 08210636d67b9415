"""Long-lived parts of the deliverer: its registry, its sender, its membership."""

import asyncio
from collections.abc import Callable

from chassis.ownership import Actor, Ownership
from chassis.ownership_metrics import Closed
from chassis.table import Table
from chassis.table_writer import TableWriter
from deliverer.disabling import Disabler
from deliverer.endpoints import RegistryEntry
from deliverer.policy.view import MachineView
from deliverer.sender.sender import HttpSender
from deliverer.worker import PartitionWorker

LEAVE_RESERVE_S = 3.0
"""What of the shutdown deadline is kept for the last ticks and for leaving the group."""


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
        """Wait until the reader crashes, and return why."""
        return await self._table.wait_failed()


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
        ownership: Callable[[Callable[[int], PartitionWorker], Closed], Ownership],
        *,
        make_worker: Callable[[int, Ownership], PartitionWorker],
        drain_s: float,
    ) -> None:
        """`ownership` is given what makes an actor, and what to call when one was closed."""
        self._make_worker = make_worker
        self._drain_s = drain_s
        self._workers: dict[int, PartitionWorker] = {}
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.ownership = ownership(self._worker, self._forget)

    def workers(self) -> list[PartitionWorker]:
        """Return the workers that own a partition."""
        return [worker for worker in self._workers.values() if not worker.is_dead]

    def views(self) -> list[MachineView]:
        """Return what can be seen of their lanes."""
        return [view for worker in self.workers() if (view := worker.view) is not None]

    def owned(self) -> dict[int, MachineView]:
        """Return the same by partition."""
        workers = ((p, w.view) for p, w in self._workers.items() if not w.is_dead)
        return {partition: view for partition, view in workers if view is not None}

    def are_running(self, partitions: int) -> bool | str:
        """Return whether every partition of `partitions` that is ours is worked on."""
        running = {p for p, w in self._workers.items() if not w.is_dead and w.view is not None}
        waiting = [
            partition
            for partition in range(partitions)
            if self.ownership.is_assigned(partition) and partition not in running
        ]
        return f"partitions not yet taken over: {waiting}" if waiting else True

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

    def _forget(self, partition: int, worker: Actor) -> None:
        if self._workers.get(partition) is worker:
            del self._workers[partition]
