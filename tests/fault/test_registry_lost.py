"""The drill of docs/operations.md: the topic `registry` is gone, and comes back from a copy."""

import json
import signal

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from confluent_kafka.admin import AdminClient

from tests.e2e.receiver import Receiver
from tests.e2e.stack import Service, Stack, eventually

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]
Copy = list[tuple[int, bytes | None, bytes | None]]


async def _copy(stack: Stack, topic: str) -> Copy:
    """Read every committed record of a topic, with its partition, key and value."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=stack.bootstrap_servers, isolation_level="read_committed"
    )
    await consumer.start()
    try:
        places = [TopicPartition(topic, number) for number in range(stack.partitions)]
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        ends = await consumer.end_offsets(places)
        found: Copy = []
        while any([await consumer.position(place) < ends[place] for place in places]):
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                found += [(one.partition, one.key, one.value) for one in batch]
        return found
    finally:
        await consumer.stop()


async def _write(stack: Stack, topic: str, copy: Copy) -> None:
    """Write a copy back, each record to its own partition."""
    producer = AIOKafkaProducer(bootstrap_servers=stack.bootstrap_servers, acks="all")
    await producer.start()
    try:
        for partition, key, value in copy:
            await producer.send_and_wait(topic, value, key=key, partition=partition)
    finally:
        await producer.stop()


def _enabled_long_ago(value: bytes | None) -> bytes | None:
    """Say what the page's `sed` says."""
    return value and value.replace(b'"enabled_at":null', b'"enabled_at":0')


async def _end(service: Service) -> None:
    service.signal(signal.SIGTERM)
    assert await service.exit_code(within_s=60) == 0


async def _waiting(stack: Stack, receiver: Receiver) -> list[str]:
    """Leave one event delivered, two in `deliveries` and one in `events`, with nothing running."""
    gateway, fanout, deliverer = await stack.start()
    made = await stack.subscribe("acme", receiver.url("a"))
    receiver.secrets["a"] = made["secret"]
    path = f"/v1/subscribers/acme/subscriptions/{made['id']}"
    for number in range(3):  # a longer registry than its copy will be
        status, _ = await stack.api("PATCH", path, json={"description": str(number)})
        assert status == 200
    sent = [await stack.publish("acme", {"n": 0})]
    await receiver.until(lambda: len(receiver.accepted("a")) == 1, within_s=60)
    await _end(deliverer)
    sent += [await stack.publish("acme", {"n": number}) for number in (1, 2)]
    await eventually(lambda: _has(stack, "deliveries", 3), within_s=60, what="three deliveries")
    await _end(fanout)
    sent.append(await stack.publish("acme", {"n": 3}))
    await _end(gateway)
    return [one["webhook_id"] for one in sent]


async def test_a_lost_registry_comes_back_with_all_that_waited(
    stack: Stack, receiver: Receiver
) -> None:
    """Once each, in order: what waited in `deliveries`, what in `events`, and what came after."""
    expected = await _waiting(stack, receiver)
    registry = f"{stack.prefix}.registry"
    copy = [(p, key, _enabled_long_ago(value)) for p, key, value in await _copy(stack, registry)]
    admin = AdminClient({"bootstrap.servers": stack.bootstrap_servers})
    admin.delete_topics([registry])[registry].result(timeout=30)
    await eventually(lambda: _is_gone(admin, registry), within_s=30, what="topic gone")

    await stack.topics()
    await _write(stack, registry, copy)
    *_, deliverer = await stack.start()
    await deliverer.says("worker.registry_behind", within_s=90)
    assert len(receiver.accepted("a")) == 1
    await _write(stack, registry, copy)
    expected.append((await stack.publish("acme", {"n": 4}))["webhook_id"])

    await receiver.until(lambda: len(receiver.accepted("a")) == len(expected), within_s=90)
    assert receiver.accepted("a") == expected
    assert [json.loads(one.body)["n"] for one in receiver.at("a")] == [0, 1, 2, 3, 4]
    assert all(one.verified for one in receiver.at("a"))


async def _has(stack: Stack, suffix: str, count: int) -> bool:
    return len(await _copy(stack, f"{stack.prefix}.{suffix}")) >= count


async def _is_gone(admin: AdminClient, topic: str) -> bool:
    return topic not in admin.list_topics(timeout=10).topics
