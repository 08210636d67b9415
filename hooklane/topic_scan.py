"""Read a topic from a moment to its end, and keep what is wanted of it. Bounded in all it keeps."""

import asyncio
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition

from chassis import kafka
from chassis.kafka_seam import Fetched
from chassis.settings import KafkaSettings
from hooklane.topic_reader import count_partitions, reader

T = TypeVar("T")

CLIENT_ID: Final = "hooklane-scan"
SILENCE_S: Final = 20.0
"""How long no partition may move on before the brokers count as gone."""


@dataclass(frozen=True)
class Scan(Generic[T]):
    """What to read: `keep` gives what to keep of a record, None = nothing.

    At most `keep_max` are kept, of each partition the newest, or the oldest. `only` names the
    partitions to read; without it all are.
    """

    topic: str
    keep: Callable[[Fetched], T | None]
    keep_max: int
    since_ms: int = 0
    is_newest: bool = True
    only: Collection[int] | None = None


async def scan(settings: KafkaSettings, wanted: Scan[T]) -> list[T]:
    """Read to the ends that the partitions have now; by partition, oldest first."""
    async with reader(settings, client_id=CLIENT_ID) as client:
        count = await count_partitions(settings, wanted.topic, client_id=CLIENT_ID)
        chosen = [part for part in range(count) if wanted.only is None or part in wanted.only]
        await kafka.start(client)
        return [one for part in chosen for one in await _read(client, wanted, part)]


async def _read(client: AIOKafkaConsumer, wanted: Scan[T], partition: int) -> list[T]:
    place = TopicPartition(wanted.topic, partition)
    client.assign([place])
    end = (await client.end_offsets([place]))[place]
    found = (await client.offsets_for_times({place: wanted.since_ms}))[place]
    client.seek(place, end if found is None else found.offset)
    kept: deque[T] = deque(maxlen=wanted.keep_max)
    while True:
        async with asyncio.timeout(SILENCE_S):
            if await client.position(place) >= end:
                return list(kept)
            polled = await client.getmany(place, timeout_ms=200)
        for record in polled.get(place, ()):
            one = wanted.keep(record)
            if one is not None:
                kept.append(one)
            if len(kept) == wanted.keep_max and not wanted.is_newest:
                return list(kept)
