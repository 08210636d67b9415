"""Fan-out fed from a filled topic, beside a bare aiokafka loop that copies records."""

import asyncio
from collections.abc import Mapping, Sequence
from time import monotonic

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from bench.figures import Bare, Figure, Goal, Spread
from bench.rounds import rounds
from bench.stand import Feeder, Machine, Stand
from bench.workload import Subscriber
from chassis import kafka
from chassis.kafka import Record

ROUNDS = 8
BUDGET_S = 40.0
DELIVERIES = 40_000
SETTLE_S = 0.2
POLL_S = 0.03
COMMITTED_S = 120.0


async def measure(
    machine: Machine, stand: Stand, crowds: Mapping[int, Sequence[Subscriber]]
) -> list[Figure]:
    """Measure with each number of subscriptions per event; `crowds` are its subscribers."""
    (fanout,) = await stand.start("fanout")
    admin = kafka.admin(machine.kafka_settings, client_id="bench")
    await kafka.start(admin)
    figures = []
    async with Feeder(machine) as feeder:
        for copies, subscribers in crowds.items():
            copier = await machine.worker("bare-copy", "bench.bare_copy")
            await copier.ask(
                {
                    "servers": machine.node.bootstrap_servers,
                    "source": stand.topic("events"),
                    "target": stand.topic("attempts"),
                    "partitions": stand.partitions,
                }
            )
            ours: list[float] = []
            bare: list[float] = []
            events = DELIVERIES // copies
            for _ in rounds(ROUNDS, budget_s=BUDGET_S, monotonic=monotonic):
                records = stand.workload.event_records(subscribers, events)
                cpu_s = fanout.cpu_s
                await feeder.append(records)
                await _until_committed(admin, stand, records)
                await asyncio.sleep(SETTLE_S)
                fanout.check()
                ours.append(events * copies / (fanout.cpu_s - cpu_s))
                cpu_s = copier.cpu_s
                await copier.ask({"count": events, "copies": copies})
                bare.append(events * copies / (copier.cpu_s - cpu_s))
            await machine.children.stop(copier)
            figures.append(
                Figure(
                    f"fan-out, {copies} subscription{'s' if copies > 1 else ''} per event",
                    "deliveries/CPU-s",
                    Spread.of(ours[1:]),
                    Bare("aiokafka copy loop, no transactions", Spread.of(bare[1:])),
                    Goal(40_000),
                )
            )
    await kafka.retire(admin)
    await stand.stop("fanout")
    return figures


async def _until_committed(
    admin: AIOKafkaAdminClient, stand: Stand, records: Sequence[Record]
) -> None:
    """Wait until the group stands at the end of every partition that got records."""
    topic, group = stand.topic("events"), f"{stand.prefix}-fanout"
    touched = {record.partition for record in records}
    ends = await _ends(stand, topic, touched)
    async with asyncio.timeout(COMMITTED_S):
        while True:
            found = await admin.list_consumer_group_offsets(group)
            committed = {place.partition: at.offset for place, at in found.items()}
            if all(committed.get(partition, 0) >= ends[partition] for partition in touched):
                return
            await asyncio.sleep(POLL_S)


async def _ends(stand: Stand, topic: str, partitions: set[int]) -> dict[int, int]:
    consumer = kafka.consumer(stand.machine.kafka_settings, client_id="bench-ends")
    await kafka.start(consumer)
    places = [TopicPartition(topic, partition) for partition in partitions]
    ends = await consumer.end_offsets(places)
    await kafka.retire(consumer)
    return {place.partition: offset for place, offset in ends.items()}
