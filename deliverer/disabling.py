"""Disable subscriptions whose receiver asked for it (PROTOCOL R4).

Two transactions: the tick that carries the dead letter first, then the registry write, again and
again until it succeeds. A crash in between costs nothing: the next delivery meets the same answer
and repeats it.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

import msgspec
from structlog.typing import FilteringBoundLogger

from chassis.clock import Clock
from chassis.table_writer import WriteUnavailable
from deliverer.endpoints import RegistryEntry
from schemas.registry import parse_registry_key
from schemas.rfc3339 import format_ms

RETRY_FIRST_S = 0.5
RETRY_MAX_S = 30.0


class RegistryTable(Protocol):
    """The part of chassis.table.Table that is read here."""

    def get(self, partition: int, key: bytes) -> RegistryEntry | None:
        """Return the current value of a key."""


class Decide(Protocol):
    """What to write once the writer is alone and caught up."""

    def __call__(self) -> Sequence[tuple[bytes, bytes | None]]:
        """Return the records to write; none when nothing is to be done."""


class RegistryWriter(Protocol):
    """The part of chassis.table.TableWriter that is used here."""

    async def update(self, partition: int, decide: Decide) -> None:
        """Write what `decide` returns, compare-and-set; WriteUnavailable after its deadline."""


class Disabler:
    """Carry out disable notices, one task per subscription at most."""

    def __init__(
        self,
        table: RegistryTable,
        writer: RegistryWriter,
        *,
        clock: Clock,
        log: FilteringBoundLogger,
    ) -> None:
        self._table = table
        self._writer = writer
        self._clock = clock
        self._log = log
        self._tasks: dict[tuple[int, bytes], asyncio.Task[None]] = {}

    def disable(self, partition: int, key: bytes, *, reason: str) -> None:
        """Write `disabled` for a subscription in the background; repeats join the running one."""
        which = (partition, key)
        if which in self._tasks:
            return
        task = asyncio.create_task(self._write(partition, key, reason), name="disable")
        self._tasks[which] = task
        task.add_done_callback(lambda _: self._tasks.pop(which, None))

    async def forget(self, partition: int) -> None:
        """Give up the writes of a partition that moved away; its next owner repeats them."""
        await self._cancel([task for (p, _), task in self._tasks.items() if p == partition])

    async def stop(self) -> None:
        """Give up every write under way."""
        await self._cancel(list(self._tasks.values()))

    async def finish(self, deadline_s: float) -> None:
        """Wait for the writes under way, at most so long."""
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()), timeout=deadline_s)

    async def _write(self, partition: int, key: bytes, reason: str) -> None:
        parsed = parse_registry_key(key)
        subscription = "" if parsed is None else parsed.id
        log = self._log.bind(partition=partition, subscription=subscription, reason=reason)
        pause_s = RETRY_FIRST_S
        while True:
            try:
                await self._writer.update(partition, lambda: self._decide(partition, key, reason))
            except WriteUnavailable:
                log.warning("disable.delayed")
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, RETRY_MAX_S)
            else:
                log.info("disable.written")
                return

    def _decide(
        self, partition: int, key: bytes, reason: str
    ) -> Sequence[tuple[bytes, bytes | None]]:
        entry = self._table.get(partition, key)
        value = (
            None if entry is None else disabled(entry, reason=reason, now_ms=self._clock.now_ms())
        )
        return () if value is None else ((key, value),)

    @staticmethod
    async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


def disabled(entry: RegistryEntry, *, reason: str, now_ms: int) -> bytes | None:
    """Return the next version of a subscription record, disabled; None when there is nothing to do.

    Edits the raw JSON object, so fields of a later version survive. `drop_before` drops whatever
    waits (R2).
    """
    record = entry.subscription
    if record is None or record.deleted or record.status == "disabled":
        return None
    fields: dict[str, object] = msgspec.json.decode(entry.raw, type=dict[str, object])
    epoch = record.lane_epoch + 1
    fields |= {
        "version": record.version + 1,
        "status": "disabled",
        "status_reason": reason,
        "lane_epoch": epoch,
        "drop_before": epoch,
        "orderings": {},
        "updated_at": format_ms(now_ms),
    }
    return msgspec.json.encode(fields)
