"""Measure how far behind the end of `events` our partitions are, worked on or not.

The end is the high watermark: what waits behind an open transaction of a producer is lag as well,
and for how long it has waited so is told, too.
"""

import asyncio
from collections.abc import Callable, Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from structlog.typing import FilteringBoundLogger

from chassis.background import BackgroundTask
from chassis.clock import Clock
from chassis.kafka import KafkaUnavailable, retire, start
from fanout.holds import Ends, Holds

EVERY_S = 5.0
ASK_S_MAX = 5.0
HELD_S = 5.0
"""From when on the log tells of an open transaction (CONTRACT 3.1)."""


class LagWatch:
    """Ask for end offsets every few seconds, on consumers that never poll.

    `make_all` makes one that sees uncommitted records as well.
    """

    def __init__(
        self,
        make_committed: Callable[[], AIOKafkaConsumer],
        make_all: Callable[[], AIOKafkaConsumer],
        *,
        topic: str,
        stands_at: Callable[[], Mapping[int, int]],
        clock: Clock,
        log: FilteringBoundLogger,
    ) -> None:
        self._makers = (make_all, make_committed)
        self._topic = topic
        self._stands_at = stands_at
        self._clock = clock
        self._log = log
        self._ends: dict[int, Ends] = {}
        self._holds = Holds(HELD_S)
        self._consumers: list[AIOKafkaConsumer] = []
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
        ends = self._ends
        return sum(max(0, ends[p].high - at) for p, at in stands_at.items() if p in ends)

    def held_s(self) -> float:
        """Return how long a transaction has held one of them up at the last answer; 0 if none."""
        return self._holds.longest_s

    async def ask(self) -> None:
        """Ask once; a failure keeps the last answer."""
        places = [TopicPartition(self._topic, partition) for partition in self._stands_at()]
        try:
            async with asyncio.timeout(ASK_S_MAX):
                self._ends = await self._look(places) if places else {}
        except (KafkaUnavailable, KafkaError, OSError, TimeoutError, RuntimeError):
            await self._drop()
            return
        now = self._clock.monotonic()
        for partition, hold in self._holds.note(self._ends, now):
            self._log.warning(
                "fanout.held_by_transaction",
                partition=partition,
                offset=hold.stable,
                held_s=round(now - hold.since, 1),
            )

    async def _look(self, places: list[TopicPartition]) -> dict[int, Ends]:
        """Ask for both ends, the stable one last: no record that came meanwhile looks held up."""
        for make in self._makers[len(self._consumers) :]:
            self._consumers.append(make())
            await start(self._consumers[-1])
        of_all, committed = self._consumers
        high = await of_all.end_offsets(places)
        stable = await committed.end_offsets(places)
        return {place.partition: Ends(int(stable[place]), int(high[place])) for place in places}

    async def _run(self) -> None:
        while True:
            await self.ask()
            await asyncio.sleep(EVERY_S)

    async def _drop(self) -> None:
        consumers, self._consumers = self._consumers, []
        for consumer in consumers:
            await retire(consumer, timeout_s=1)
