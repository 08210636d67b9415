"""A bare aiokafka loop: copy every record `copies` times to another topic, nothing else.

A worker process: `{"servers", "source", "target", "partitions"}` once, then `{"count", "copies"}`
for each round. No group, no transaction, no look into the record.
"""

import asyncio
import json
import sys

import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition


async def rounds() -> None:
    """Serve questions from standard input until it ends."""
    loop = asyncio.get_running_loop()
    plan = json.loads(await loop.run_in_executor(None, sys.stdin.readline))
    consumer = AIOKafkaConsumer(
        bootstrap_servers=plan["servers"],
        enable_auto_commit=False,
        max_partition_fetch_bytes=262_144,
        fetch_max_wait_ms=100,
    )
    producer = AIOKafkaProducer(
        bootstrap_servers=plan["servers"],
        compression_type="zstd",
        acks="all",
        enable_idempotence=True,
        max_batch_size=245_760,
    )
    await consumer.start()
    await producer.start()
    places = [TopicPartition(plan["source"], number) for number in range(plan["partitions"])]
    consumer.assign(places)
    await consumer.seek_to_end(*places)
    for place in places:
        await consumer.position(place)
    print("{}", flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        question = json.loads(line)
        await _copy(consumer, producer, plan["target"], question)
        print("{}", flush=True)
    await consumer.stop()
    await producer.stop()


async def _copy(consumer, producer, target: str, question: dict) -> None:  # type: ignore[no-untyped-def,type-arg]
    left = question["count"]
    while left > 0:
        answers = []
        for place, records in (await consumer.getmany(timeout_ms=200, max_records=500)).items():
            left -= len(records)
            batch = producer.create_batch()
            for record in records:
                headers = list(record.headers)
                for _ in range(question["copies"]):
                    content = {"key": record.key, "value": record.value, "headers": headers}
                    if batch.append(timestamp=None, **content) is None:
                        answers.append(
                            await producer.send_batch(batch, target, partition=place.partition)
                        )
                        batch = producer.create_batch()
                        batch.append(timestamp=None, **content)
            answers.append(await producer.send_batch(batch, target, partition=place.partition))
        await asyncio.gather(*answers)


if __name__ == "__main__":
    uvloop.run(rounds())
