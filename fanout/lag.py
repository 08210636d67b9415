"""Measure how far behind the end of `events` our partitions are, worked on or not."""

import asyncio
from collections.abc import Callable, Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from chassis.background import BackgroundTask
from chassis.kafka import KafkaUnavailable, retire, start

EVERY_S = 5.0
ASK_S_MAX = 5.0


class LagWatch:
    """Ask for end offsets every few seconds, on a consumer that never polls."""

    def __init__(
        self,
        make_consumer: Callable[[], AIOKafkaConsumer],
        *,
        topic: str,
        stands_at: Callable[[], Mapping[int, int]],
    ) -> None:
        self._make_consumer = make_consumer
        self._topic = topic
        self._stands_at = stands_at
        self._ends: dict[int, int] = {}
        self._consumer: AIOKafkaConsumer | None = None
        self._background = BackgroundTask("fanout-lag", self._run)

    async def start(self) -> None:
        """Begin to ask."""
        self._background.start()

    async def stop(self) -> None:
        """End; tolerates no start and a second stop."""
        await self._background.stop()
        await self._drop()

    async def wait_failed(self) -> BaseException:
        """Return what ended the asking; waits as long as it runs."""
        return await self._background.wait_failed()

    def records(self) -> float:
        """Return the sum over the partitions of this process, as of the last answer."""
        stands_at = self._stands_at()
        return sum(max(0, self._ends.get(p, offset) - offset) for p, offset in stands_at.items())

    async def ask(self) -> None:
        """Ask once; a failure keeps the last answer."""
        places = [TopicPartition(self._topic, partition) for partition in self._stands_at()]
        if not places:
            self._ends = {}
            return
        try:
            async with asyncio.timeout(ASK_S_MAX):
                if self._consumer is None:
                    self._consumer = self._make_consumer()
                    await start(self._consumer)
                ends = await self._consumer.end_offsets(places)
        except (KafkaUnavailable, KafkaError, OSError, TimeoutError, RuntimeError):
            await self._drop()
            return
        self._ends = {place.partition: int(end) for place, end in ends.items()}

    async def _run(self) -> None:
        while True:
            await self.ask()
            await asyncio.sleep(EVERY_S)

    async def _drop(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await retire(consumer, timeout_s=1)
