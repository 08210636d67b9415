"""Alarm before retention removes what still waits in the log (PROTOCOL L3), once a minute.

What waits is the caller's to say. Not for what is gone already: only who reads on can know that.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

from aiokafka import TopicPartition
from prometheus_client import CollectorRegistry, Gauge
from structlog.typing import FilteringBoundLogger

from chassis import kafka, topics
from chassis.background import BackgroundTask
from chassis.clock import Clock
from chassis.kafka import KafkaUnavailable
from chassis.lookups import opened
from chassis.settings import KafkaSettings
from chassis.topics import TopicRefused

INTERVAL_S = 60.0
READ_S_MAX = 30.0
SETTING = "retention.ms"
FOR_EVER = -1
NOTICE_MS = 12 * 3600 * 1000

W = TypeVar("W")


class Endangered(Protocol):
    """What waits in one log of a partition below the first offset that is safe."""

    @property
    def marks(self) -> int:
        """How many wait there."""

    @property
    def lowest(self) -> int:
        """The lowest offset that is waited for."""

    @property
    def lane(self) -> str | None:
        """Whose it is; None = the whole partition's."""

    @property
    def remedy(self) -> str:
        """What a person can do beside longer retention."""


def horizon(retention_ms: int, now: int) -> int | None:
    """Return the append time before which a record is endangered; None = kept for ever.

    Half a day before its end, or half of a retention that is shorter than a day.
    """
    if retention_ms < 0:
        return None
    return max(0, now - retention_ms + min(NOTICE_MS, retention_ms // 2))


class SafeOffsets(Protocol):
    """Whatever knows how long each log keeps its records."""

    async def read(self, partitions: Sequence[int], now: int) -> dict[int, list[int | None]]:
        """Return the first offset of each log that is not endangered; None = nothing is."""


class KafkaSafeOffsets:
    """Read retention from the topics, and which offsets are how old from the logs.

    Asks anew each time: somebody may have changed the setting, and a minute is long.
    """

    def __init__(self, settings: KafkaSettings, *, client_id: str, topics: Sequence[str]) -> None:
        self._settings = settings
        self._client_id = client_id
        self._topics = tuple(topics)

    async def read(self, partitions: Sequence[int], now: int) -> dict[int, list[int | None]]:
        """Return the first safe offset of each log by partition, the logs in our order."""
        horizons = {name: horizon(ms, now) for name, ms in (await self._retentions()).items()}
        times = {
            TopicPartition(name, partition): at
            for name, at in horizons.items()
            for partition in partitions
            if at is not None
        }
        found = await self._offsets_at(times) if times else {}
        return {p: [found.get(TopicPartition(t, p)) for t in self._topics] for p in partitions}

    async def _retentions(self) -> dict[str, int]:
        what = f"{SETTING} of topics"
        client = kafka.admin(self._settings, client_id=self._client_id)
        async with opened(client, what=what, timeout_s=READ_S_MAX) as admin:
            found = await topics.read_settings(admin, self._topics)
        return {name: int(found[name].get(SETTING) or FOR_EVER) for name in self._topics}

    async def _offsets_at(self, times: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """Return the first offset appended at or after each time; the end when there is none."""
        consumer = kafka.consumer(self._settings, client_id=self._client_id)
        async with opened(consumer, what="age of records", timeout_s=READ_S_MAX):
            firsts = await consumer.offsets_for_times(dict(times))
            ends = await consumer.end_offsets(list(times))
        return {place: ends[place] if at is None else at.offset for place, at in firsts.items()}


class RetentionWatch(Generic[W]):
    """Component: compare what waits in every owned partition with what retention will remove."""

    def __init__(
        self,
        safe_offsets: SafeOffsets,
        registry: CollectorRegistry,
        *,
        topics: Sequence[str],
        labels: Sequence[str],
        owned: Callable[[], Mapping[int, W]],
        endangered: Callable[[W, Sequence[int | None]], Sequence[Endangered | None]],
        clock: Clock,
        log: FilteringBoundLogger,
    ) -> None:
        self._safe_offsets = safe_offsets
        self._topics = tuple(topics)
        self._owned = owned
        self._endangered = endangered
        self._clock = clock
        self._log = log
        gauge = Gauge(
            "hooklane_retention_endangered_lanes",
            "Lanes (delay topics, events: partitions) whose oldest waiting record the topic's "
            "retention removes within 12 h.",
            ["topic"],
            registry=registry,
        )
        self._gauges = [gauge.labels(label) for label in labels]
        self._background = BackgroundTask("retention-watch", self._run)

    async def start(self) -> None:
        """Begin to look."""
        self._background.start()

    async def drain(self, deadline_s: float) -> None:
        """Go on: it asks little."""

    async def stop(self) -> None:
        """End the task."""
        await self._background.stop()

    async def wait_failed(self) -> BaseException:
        """Wait until the task crashes."""
        return await self._background.wait_failed()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL_S)
            await self.look()

    async def look(self) -> None:
        """Compare once; when Kafka does not answer, the gauges stay as they are."""
        try:
            safe = await self._safe_offsets.read(sorted(self._owned()), self._clock.now_ms())
        except (KafkaUnavailable, TopicRefused) as fault:
            self._log.warning("retention.unknown", cause=str(fault))
            return
        # As they are now: what moved on while Kafka answered is not endangered any more.
        owned = self._owned()
        found = {
            p: self._endangered(owned[p], offsets) for p, offsets in safe.items() if p in owned
        }
        for gauge, column in zip(self._gauges, range(len(self._topics)), strict=True):
            gauge.set(sum(_marks(row[column] for row in found.values())))
        for partition, row in found.items():
            self._tell(partition, row)

    def _tell(self, partition: int, row: Sequence[Endangered | None]) -> None:
        for topic, one in zip(self._topics, row, strict=True):
            if one is not None:
                self._log.error(
                    "retention.near",
                    topic=topic,
                    partition=partition,
                    lanes=one.marks,
                    offset=one.lowest,
                    lane=one.lane,
                    advice=f"raise {SETTING} of {topic} now; what it removes is never delivered; "
                    f"then {one.remedy}",
                )


def _marks(found: Iterable[Endangered | None]) -> Iterable[int]:
    return (0 if one is None else one.marks for one in found)
