"""An actor in the shape of fan-out: copies its input by ticks, dies with its producer (F1)."""

import asyncio
from collections.abc import Callable

import structlog
from aiokafka import ConsumerRecord, TopicPartition

from chassis import kafka
from chassis.kafka import Record
from chassis.ownership import Ownership
from chassis.settings import KafkaSettings
from chassis.tick import ProducerLost, TickProducer
from tests.integration.chassis.conftest import tick_producer


class CopyingActor:
    """Copies partition p of `source` to p of `target`; its authority is the group's offset."""

    def __init__(
        self,
        settings: KafkaSettings,
        partition: int,
        *,
        source: str,
        target: str,
        group: str,
        ticks: TickProducer,
        wake: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._partition = partition
        self._source = source
        self._target = target
        self._group = group
        self._ticks = ticks
        self._wake = wake
        self._waiting: list[ConsumerRecord] = []
        self._has_some = asyncio.Event()
        self._idle = asyncio.Event()
        self._may_start = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.position = 0
        self.is_dead = False

    @property
    def needs_takeover(self) -> bool:
        """Always: F1."""
        return True

    async def take_over(self) -> int:
        """Claim, then read the group's offset."""
        await self._ticks.claim()
        client = kafka.admin(self._settings, client_id="test")
        await kafka.start(client)
        try:
            offsets = await client.list_consumer_group_offsets(self._group)
        finally:
            await kafka.retire(client)
        found = offsets.get(TopicPartition(self._source, self._partition))
        self.position = 0 if found is None else found.offset
        self._may_start.set()
        self._task = asyncio.create_task(self._run())
        return self.position

    def feed(self, records: list[ConsumerRecord], end: int) -> None:
        """Queue what is new."""
        self._waiting += [record for record in records if record.offset >= self.position]
        self.position = max(self.position, end)
        self._has_some.set()

    def has_room(self) -> bool:
        """Up to 50 records wait."""
        return len(self._waiting) < 50

    async def drain(self, deadline_s: float) -> None:
        """Wait for the tick in flight."""
        self._may_start.clear()
        await self._idle.wait()

    def resume(self) -> None:
        """Go on."""
        self._may_start.set()

    async def close(self, reason: str) -> None:
        """End at once; an open tick is aborted by the successor."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        await self._ticks.retire()

    async def _run(self) -> None:
        while True:
            self._idle.set()
            await self._has_some.wait()
            await self._may_start.wait()
            self._has_some.clear()
            records, self._waiting = self._waiting, []
            if not records:
                continue
            self._idle.clear()
            copies = [Record(self._target, self._partition, r.key, r.value) for r in records]
            done = {(self._source, self._partition): records[-1].offset + 1}
            try:
                await self._ticks.commit(copies, offsets=done, group=self._group)
            except ProducerLost:
                self.is_dead = True
                self._idle.set()
                self._wake()
                return
            self._wake()


def copier(settings: KafkaSettings, prefix: str, source: str, target: str) -> Ownership:
    """Return a group member whose actors copy."""

    def make(partition: int) -> CopyingActor:
        return CopyingActor(
            settings,
            partition,
            source=source,
            target=target,
            group=f"{prefix}-group",
            ticks=tick_producer(settings, f"{prefix}-copy-{partition}", commit_timeout_s=3),
            wake=ownership.wake,
        )

    ownership = Ownership(
        settings,
        topic=source,
        group=f"{prefix}-group",
        client_id="test",
        make_actor=make,
        log=structlog.get_logger(),
        drain_s=1,
    )
    return ownership
