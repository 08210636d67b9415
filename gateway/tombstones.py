"""Forget what was deleted long ago: a tombstone for each record that stayed deleted.

A deleted record stays for a week, so that every reader has seen it go and its versions go on when
its name is used again; then compaction may take it. Any gateway may do it: the writer compares and
sets, so one that lives again in between is not touched, and two gateways cannot disagree.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from structlog.typing import FilteringBoundLogger

from chassis.background import BackgroundTask
from chassis.clock import Clock
from chassis.table_writer import Writes, WriteUnavailable
from gateway.registry_rows import Row

WRITES_AT_ONCE: Final = 500
"""Tombstones of one transaction; requests of that partition wait for it."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a record is forgotten, how often that is looked for, and how many at most each time."""

    after_s: float
    every_s: float
    per_run: int


class RegistryTable(Protocol):
    """The part of chassis.table.Table that is read here."""

    def get(self, partition: int, key: bytes) -> Row:
        """Return the current value of a key."""

    def appended_at(self, partition: int, key: bytes) -> int | None:
        """Return when the log took it (epoch ms)."""

    def items(self, partition: int) -> Iterable[tuple[bytes, Row]]:
        """Return the keys and values of a partition as they are now."""


class RegistryWriter(Protocol):
    """The part of chassis.table_writer.TableWriter that is used here."""

    async def update(self, partition: int, decide: Callable[[], Writes]) -> None:
        """Write what `decide` returns, compare-and-set; WriteUnavailable after its deadline."""


class Tombstones:
    """Component: looks through the registry again and again."""

    def __init__(
        self,
        table: RegistryTable,
        writer: RegistryWriter,
        *,
        partitions: int,
        schedule: Schedule,
        clock: Clock,
        log: FilteringBoundLogger,
        jitter: Callable[[], float],
        on_written: Callable[[int], None],
        on_bound: Callable[[], None],
    ) -> None:
        """`jitter` gives a fraction: gateways that start together look at different moments."""
        self._table = table
        self._writer = writer
        self._partitions = partitions
        self._schedule = schedule
        self._clock = clock
        self._log = log
        self._jitter = jitter
        self._on_written = on_written
        self._on_bound = on_bound
        self._task = BackgroundTask("tombstones", self._run)

    async def start(self) -> None:
        """Begin; the first look comes after a part of the interval."""
        self._task.start()

    async def drain(self, deadline_s: float) -> None:
        """Go on: nothing waits for this."""

    async def stop(self) -> None:
        """End; what was not forgotten is found again."""
        await self._task.stop()

    async def wait_failed(self) -> BaseException:
        """Wait until the task crashes."""
        return await self._task.wait_failed()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._schedule.every_s * (0.5 + self._jitter() / 2))
            await self.look()

    async def look(self) -> int:
        """Forget what is due, partition by partition; gives how many."""
        left = self._schedule.per_run
        for partition in range(self._partitions):
            while left and (keys := self._due_keys(partition, min(left, WRITES_AT_ONCE))):
                written = await self._forget(partition, keys)
                left -= len(keys)
                if not written:
                    break
            await asyncio.sleep(0)  # a partition of many records takes milliseconds
        if not left:
            self._on_bound()
        return self._schedule.per_run - left

    async def _forget(self, partition: int, keys: list[bytes]) -> int:
        """Write tombstones for those of the keys that are still due."""
        written: list[bytes] = []

        def decide() -> Writes:
            written[:] = [key for key in keys if self._is_due(partition, key)]
            return [(key, None) for key in written]

        try:
            await self._writer.update(partition, decide)
        except WriteUnavailable as error:
            self._log.warning("registry.tombstones_delayed", partition=partition, error=str(error))
            return 0
        self._on_written(len(written))
        self._log.info("registry.forgotten", partition=partition, records=len(written))
        return len(written)

    def _due_keys(self, partition: int, at_most: int) -> list[bytes]:
        found: list[bytes] = []
        for key in self._deleted(partition):
            if len(found) == at_most:
                break
            if self._is_due(partition, key):
                found.append(key)
        return found

    def _deleted(self, partition: int) -> Iterator[bytes]:
        for key, row in self._table.items(partition):
            if row is not None and row.deleted:
                yield key

    def _is_due(self, partition: int, key: bytes) -> bool:
        """Tell whether a record is deleted, and was long enough by the log's own clock."""
        row = self._table.get(partition, key)
        appended_at = self._table.appended_at(partition, key)
        if row is None or appended_at is None or not row.deleted:
            return False
        return self._clock.now_ms() - appended_at >= self._schedule.after_s * 1000
