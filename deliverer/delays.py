"""Read the delay topics of all running partitions with one group-less consumer (PROTOCOL K1, T2).

`assign` replaces every position, so each change of the assignment seeks all partitions to where
their reader stood. Only the reader's own task touches the consumer: adding and removing partitions
are orders it carries out between polls.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from structlog.typing import FilteringBoundLogger

from chassis.background import BackgroundTask
from chassis.kafka import KafkaUnavailable, retire, start
from chassis.kafka_seam import Fetched

POLL_MS = 100
IDLE_S = 0.05
REBUILD_PAUSE_S = 1.0
RECORDS_MAX = 300
CLOSE_S_MAX = 2.0


class TierFeed(Protocol):
    """The partition's side: whether a tier has room, and what was read from it."""

    def can_read_tier(self, tier: int) -> bool:
        """Tell whether the partition takes more records of this tier now."""

    def feed_tier(self, tier: int, records: Sequence[Fetched], end: int) -> None:
        """Take records of a tier in offset order; `end` is the reader's position after them."""


class DelayReader:
    """Poll the delay topics and hand their records to the owning partitions."""

    def __init__(
        self,
        make_consumer: Callable[[], AIOKafkaConsumer],
        *,
        topics: Sequence[str],
        log: FilteringBoundLogger,
    ) -> None:
        self._make_consumer = make_consumer
        self._topics = tuple(topics)
        self._tier_of = {topic: tier for tier, topic in enumerate(topics)}
        self._log = log
        self._feeds: dict[int, TierFeed] = {}
        self._positions: dict[TopicPartition, int] = {}
        self._has_changed = asyncio.Event()
        self._background = BackgroundTask("delay-reader", self._run)

    async def start(self) -> None:
        """Begin polling."""
        self._background.start()

    async def drain(self, deadline_s: float) -> None:
        """Do nothing: the partitions decide what they still read."""

    async def stop(self) -> None:
        """Stop polling and close the consumer."""
        await self._background.stop()

    async def wait_failed(self) -> BaseException:
        """Return what ended the reader; waits as long as it runs."""
        return await self._background.wait_failed()

    def add(self, partition: int, positions: Sequence[int], feed: TierFeed) -> None:
        """Read a partition's tiers from these positions, one per tier, from the next poll on."""
        for topic, position in zip(self._topics, positions, strict=True):
            self._positions[TopicPartition(topic, partition)] = position
        self._feeds[partition] = feed
        self._has_changed.set()

    def remove(self, partition: int) -> None:
        """Stop reading a partition's tiers; records already fetched are thrown away."""
        if self._feeds.pop(partition, None) is None:
            return
        for topic in self._topics:
            self._positions.pop(TopicPartition(topic, partition), None)
        self._has_changed.set()

    async def _run(self) -> None:
        while True:
            consumer = self._make_consumer()
            try:
                await start(consumer)
                self._has_changed.set()
                while True:
                    await self._poll(consumer)
            except (KafkaUnavailable, KafkaError, OSError, RuntimeError) as fault:
                # RuntimeError: what uvloop raises where aiokafka expects an OSError.
                self._log.warning("delays.rebuilt", cause=type(fault).__name__)
                await asyncio.sleep(REBUILD_PAUSE_S)
            finally:
                await retire(consumer, timeout_s=CLOSE_S_MAX)

    async def _poll(self, consumer: AIOKafkaConsumer) -> None:
        if self._has_changed.is_set():
            self._has_changed.clear()
            self._assign(consumer)
        wanted = [tp for tp in self._positions if self._can_read(tp)]
        if not wanted:
            await asyncio.sleep(IDLE_S)
            return
        batches = await consumer.getmany(*wanted, timeout_ms=POLL_MS, max_records=RECORDS_MAX)
        if self._has_changed.is_set():
            return  # what was read belongs to the former assignment: the seek reads it again
        for tp in wanted:
            await self._hand_over(consumer, tp, batches.get(tp, ()))

    def _assign(self, consumer: AIOKafkaConsumer) -> None:
        if not self._positions:
            consumer.unsubscribe()
            return
        consumer.assign(list(self._positions))
        for tp, position in self._positions.items():
            consumer.seek(tp, position)

    def _can_read(self, tp: TopicPartition) -> bool:
        feed = self._feeds.get(tp.partition)
        return feed is not None and feed.can_read_tier(self._tier_of[tp.topic])

    async def _hand_over(
        self, consumer: AIOKafkaConsumer, tp: TopicPartition, records: Sequence[Fetched]
    ) -> None:
        end = await consumer.position(tp)
        before = self._positions.get(tp)
        feed = self._feeds.get(tp.partition)
        if feed is None or before is None or end == before or self._has_changed.is_set():
            return
        self._positions[tp] = end
        feed.feed_tier(self._tier_of[tp.topic], records, end)
