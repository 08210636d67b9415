"""Read a few records back from a topic: the last ones, or from a given place. Bounded."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from chassis import kafka
from chassis.kafka_seam import Fetched
from chassis.settings import KafkaSettings
from hooklane.exits import NOT_FOUND, CommandFailed
from hooklane.producer_check import Sample
from hooklane.topic_reader import count_partitions, reader

CLIENT_ID: Final = "hooklane-check-producer"
READ_S: Final = 15.0
MARKERS_MAX: Final = 4
"""Offsets looked back per record wanted: transactions leave markers, which are no records."""


@dataclass(frozen=True, slots=True)
class Place:
    """A partition, and the offset to begin at (None: its end, looking back)."""

    partition: int
    offset: int | None = None


@dataclass(frozen=True, slots=True)
class Tail:
    """What was read, oldest first, and how many partitions the topic has."""

    samples: list[Sample]
    partitions: int


async def read_tail(
    settings: KafkaSettings, topic: str, *, count: int, place: Place | None = None
) -> Tail:
    """Read `count` records: from `place` on, else the latest of all partitions."""
    async with reader(settings, client_id=CLIENT_ID) as client:
        partitions = await count_partitions(settings, topic, client_id=CLIENT_ID)
        _check_place(topic, partitions, place)
        await kafka.start(client)
        async with asyncio.timeout(READ_S):
            found = await _read(client, topic, partitions, (count, place))
        return Tail(found, partitions)


def _check_place(topic: str, partitions: int, place: Place | None) -> None:
    if place is not None and place.partition >= partitions:
        text = f"{topic} has partitions 0 to {partitions - 1}, no {place.partition}"
        raise CommandFailed(NOT_FOUND, text)


async def _read(
    client: AIOKafkaConsumer, topic: str, partitions: int, wanted: tuple[int, Place | None]
) -> list[Sample]:
    count, place = wanted
    chosen = range(partitions) if place is None else [place.partition]
    places = [TopicPartition(topic, number) for number in chosen]
    client.assign(places)
    begins: Mapping[TopicPartition, int] = await client.beginning_offsets(places)
    ends: Mapping[TopicPartition, int] = await client.end_offsets(places)
    for one in places:
        start = ends[one] - count * MARKERS_MAX
        if place is not None and place.offset is not None:
            start = place.offset
        client.seek(one, min(max(start, begins[one]), ends[one]))
    is_forward = place is not None and place.offset is not None
    found: list[tuple[int, Sample]] = []
    while not await _is_done(client, ends) and not (is_forward and len(found) >= count):
        for records in (await client.getmany(timeout_ms=200)).values():
            found += [(record.timestamp, _sample(record)) for record in records]
    found.sort(key=lambda one: (one[0], one[1].partition, one[1].offset))
    samples = [sample for _, sample in found]
    return samples[:count] if is_forward else samples[-count:]


async def _is_done(client: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]) -> bool:
    for one, end in ends.items():
        if await client.position(one) < end:
            return False
    return True


def _sample(record: Fetched) -> Sample:
    return Sample(
        record.partition,
        record.offset,
        record.key,
        record.value,
        list(record.headers),
    )
