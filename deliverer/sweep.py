"""Read the log again for lanes that lag, with a consumer of its own (PROTOCOL S1).

The machine says from where (`sweep_target`), this reader reads from there. It is assigned only the
partitions that have a target, so an idle one costs nothing; a batch that comes too late is ignored
by the machine.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from structlog.typing import FilteringBoundLogger

from chassis.background import BackgroundTask
from chassis.kafka import KafkaUnavailable, retire, start, wait_or_stop
from chassis.kafka_seam import Fetched

POLL_MS = 100
IDLE_S = 1.0
REBUILD_PAUSE_S = 1.0
RECORDS_MAX = 300
CLOSE_S_MAX = 2.0


class SweepFeed(Protocol):
    """The partition's side: from where to read, and what was read."""

    def sweep_target(self) -> int | None:
        """Return the offset to read from now; None = nothing lags, or a batch is on its way."""

    def feed_sweep(self, records: Sequence[Fetched], *, start: int, end: int) -> None:
        """Take what was read from `start`; `end` is the position after it."""


class SweepReader:
    """Component: one group-less consumer of `deliveries` for all running partitions."""

    def __init__(
        self,
        make_consumer: Callable[[], AIOKafkaConsumer],
        *,
        topic: str,
        log: FilteringBoundLogger,
        on_read: Callable[[int], None],
    ) -> None:
        self._make_consumer = make_consumer
        self._on_read = on_read
        self._topic = topic
        self._log = log
        self._feeds: dict[int, SweepFeed] = {}
        self._positions: dict[TopicPartition, int] = {}
        self._woken = asyncio.Event()
        self._background = BackgroundTask("sweep-reader", self._run)

    async def start(self) -> None:
        """Begin to look for targets."""
        self._background.start()

    async def drain(self, deadline_s: float) -> None:
        """Do nothing: the partitions decide what they still read."""

    async def stop(self) -> None:
        """Stop reading and close the consumer."""
        await self._background.stop()

    async def wait_failed(self) -> BaseException:
        """Return what ended the reader; waits as long as it runs."""
        return await self._background.wait_failed()

    def add(self, partition: int, feed: SweepFeed) -> None:
        """Ask a partition for its target from now on."""
        self._feeds[partition] = feed

    def remove(self, partition: int) -> None:
        """Ask a partition no more."""
        self._feeds.pop(partition, None)

    def wake(self) -> None:
        """Look at once: a partition has a target."""
        self._woken.set()

    async def _run(self) -> None:
        while True:
            consumer = self._make_consumer()
            self._positions = {}
            try:
                await start(consumer)
                while True:
                    await self._poll(consumer)
            except (KafkaUnavailable, KafkaError, OSError, RuntimeError) as fault:
                # RuntimeError: what uvloop raises where aiokafka expects an OSError.
                self._log.warning("sweep.rebuilt", cause=type(fault).__name__)
                await asyncio.sleep(REBUILD_PAUSE_S)
            finally:
                await retire(consumer, timeout_s=CLOSE_S_MAX)

    async def _poll(self, consumer: AIOKafkaConsumer) -> None:
        self._woken.clear()
        targets = self._targets()
        if not targets:
            await wait_or_stop(self._woken, IDLE_S)
            return
        self._stand_at(consumer, targets)
        batches = await consumer.getmany(*targets, timeout_ms=POLL_MS, max_records=RECORDS_MAX)
        for place, begin in targets.items():
            end = self._positions[place] = await consumer.position(place)
            feed = self._feeds.get(place.partition)
            if feed is not None and end > begin:
                records = batches.get(place, ())
                self._on_read(len(records))
                feed.feed_sweep(records, start=begin, end=end)

    def _targets(self) -> dict[TopicPartition, int]:
        asked = ((p, feed.sweep_target()) for p, feed in self._feeds.items())
        return {TopicPartition(self._topic, p): at for p, at in asked if at is not None}

    def _stand_at(self, consumer: AIOKafkaConsumer, targets: dict[TopicPartition, int]) -> None:
        if self._positions.keys() != targets.keys():
            consumer.assign(list(targets))
            self._positions = {}
        for place, at in targets.items():
            if self._positions.get(place) != at:
                consumer.seek(place, at)
                self._positions[place] = at
