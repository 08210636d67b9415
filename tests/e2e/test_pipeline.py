"""The main job, with separate processes: events in over HTTP and Kafka, signed webhooks out."""

import asyncio
import json

import pytest
from aiokafka import AIOKafkaProducer
from confluent_kafka import Producer

from schemas.topics import partition_of
from tests.e2e.log import header, read_topic
from tests.e2e.receiver import Delivery, Receiver, first_attempts
from tests.e2e.stack import Stack, eventually

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]

CLOUDEVENT = [
    ("ce_specversion", b"1.0"),
    ("ce_source", b"/shop"),
    ("ce_type", b"order.paid"),
    ("content-type", b"application/json"),
]


async def test_an_event_over_http_arrives_signed(stack: Stack, receiver: Receiver) -> None:
    """What was accepted with 202 reaches the receiver byte for byte, verified by the library."""
    await stack.start()
    created = await stack.subscribe("acme", receiver.url("a"))
    receiver.secrets["a"] = created["secret"]
    body = (
        b'{"subscriber":"acme","type":"order.paid","ordering_key":"o-1",'
        b'"data":{"n":12345678901234567890123, "z":1.10,"a":"\\u00e9"}}'
    )

    status, accepted = await stack.api(
        "POST", "/v1/events", data=body, headers={"Content-Type": "application/json"}
    )
    await receiver.until(lambda: bool(receiver.at("a")), within_s=30)

    (delivery,) = receiver.at("a")
    assert status == 202
    assert delivery.verified
    assert delivery.body == b'{"n":12345678901234567890123, "z":1.10,"a":"\\u00e9"}'
    assert delivery.webhook_id == accepted["webhook_id"]
    assert delivery.headers["ce-id"] == accepted["id"]
    assert delivery.headers["ce-type"] == "order.paid"
    assert delivery.headers["ce-orderingkey"] == "o-1"
    assert delivery.headers["content-type"] == "application/json"
    assert delivery.attempt == 1
    assert "ce-subscriber" not in delivery.headers


async def test_kafka_producers_of_both_families_are_served(
    stack: Stack, receiver: Receiver
) -> None:
    """Records of aiokafka and librdkafka are served; a crc32-partitioned one is quarantined."""
    await stack.start()
    created = await stack.subscribe("acme", receiver.url("a"), event_types=["order.*"])
    receiver.secrets["a"] = created["secret"]
    topic = f"{stack.prefix}.events"
    producer = AIOKafkaProducer(bootstrap_servers=stack.bootstrap_servers)
    await producer.start()
    await producer.send_and_wait(
        topic, b'{"by":"aiokafka"}', key=b"acme", headers=[("ce_id", b"1"), *CLOUDEVENT]
    )
    await producer.stop()
    rdkafka = Producer(
        {"bootstrap.servers": stack.bootstrap_servers, "partitioner": "murmur2_random"}
    )
    rdkafka.produce(
        topic, b'{"by":"librdkafka"}', key=b"acme", headers=[("ce_id", b"2"), *CLOUDEVENT]
    )
    misplaced = (partition_of(b"acme", stack.partitions) + 1) % stack.partitions
    rdkafka.produce(
        topic,
        b'{"by":"crc32"}',
        key=b"acme",
        partition=misplaced,
        headers=[("ce_id", b"3"), *CLOUDEVENT],
    )
    assert await asyncio.to_thread(rdkafka.flush, 20) == 0

    await receiver.until(lambda: len(receiver.at("a")) == 2, within_s=30)

    bodies = [json.loads(d.body)["by"] for d in receiver.at("a")]
    assert bodies == ["aiokafka", "librdkafka"]
    assert all(d.verified for d in receiver.at("a"))
    await _quarantined(stack, {"wrong_partition": 1})


async def test_bad_records_step_aside(stack: Stack, receiver: Receiver) -> None:
    """Each broken record lands in `quarantine` with its reason; the next good one is delivered."""
    await stack.start("gateway", "fanout", "deliverer")
    await stack.subscribe("acme", receiver.url("a"))
    topic, partition = f"{stack.prefix}.events", partition_of(b"acme", stack.partitions)
    good = [("ce_id", b"good"), *CLOUDEVENT]
    producer = AIOKafkaProducer(bootstrap_servers=stack.bootstrap_servers, max_request_size=2**21)
    await producer.start()
    for key, value, headers in [
        (None, b"{}", good),
        (b"$reserved", b"{}", good),
        (b"\xff\xfe", b"{}", good),
        (b"acme", b"{", [("content-type", b"application/cloudevents+json")]),
        (b"acme", b"{}", [("ce_id", b"x")]),
        (b"acme", b"{}", []),
        (b"acme", b"x" * (256 * 1024 + 1), good),
        (b"acme", b"{}", [*good, ("ce_subscriber", b"other")]),
        (b"acme", b'{"good":true}', good),
    ]:
        await producer.send_and_wait(topic, value, key=key, partition=partition, headers=headers)
    await producer.stop()

    await receiver.until(lambda: bool(receiver.at("a")), within_s=30)

    assert [d.body for d in receiver.at("a")] == [b'{"good":true}']
    await _quarantined(
        stack,
        {
            "no_key": 1,
            "bad_key": 2,
            "bad_json": 1,
            "missing_attribute": 2,
            "too_large": 1,
            "key_mismatch": 1,
        },
    )


async def test_a_failing_head_is_not_overtaken(stack: Stack, receiver: Receiver) -> None:
    """While the head of a strict lane waits for its retry, its lane waits and others flow."""
    await stack.start()
    failing = {"left": 3}

    def flaky(delivery: Delivery) -> int:
        if delivery.body == b"0" and failing["left"]:
            failing["left"] -= 1
            return 500
        return 204

    receiver.answers["flaky"] = flaky
    schedule = {"schedule_s": [0.2, 0.3, 6]}
    await stack.subscribe("acme", receiver.url("flaky"), retry=schedule)
    await stack.subscribe("acme", receiver.url("steady"))

    ids = [(await stack.publish("acme", n))["webhook_id"] for n in range(10)]
    await receiver.until(lambda: len(receiver.accepted("steady")) == 10, within_s=30)
    waiting = receiver.accepted("flaky")
    await receiver.until(lambda: len(receiver.accepted("flaky")) == 10, within_s=40)

    assert waiting == []
    assert receiver.accepted("flaky") == ids
    assert receiver.accepted("steady") == ids
    assert first_attempts(receiver.at("flaky")) == ids
    attempts = [d.attempt for d in receiver.at("flaky") if d.webhook_id == ids[0]]
    assert attempts == [1, 2, 3, 4]


async def test_an_exhausted_delivery_is_a_dead_letter(stack: Stack, receiver: Receiver) -> None:
    """After the last attempt the event stands once in `dead-letters` and the lane goes on."""
    await stack.start()
    receiver.answers["a"] = lambda d: 500 if d.body == b"0" else 200
    created = await stack.subscribe("acme", receiver.url("a"), retry={"schedule_s": [0.1]})

    ids = [(await stack.publish("acme", n))["webhook_id"] for n in range(3)]
    await receiver.until(lambda: len(receiver.accepted("a")) == 2, within_s=30)

    async def is_dead() -> bool:
        return bool(await read_topic(stack.bootstrap_servers, f"{stack.prefix}.dead-letters"))

    await eventually(is_dead, within_s=30, what="a record in dead-letters")
    (dead,) = await read_topic(stack.bootstrap_servers, f"{stack.prefix}.dead-letters")
    envelope = header(dead, "dead_letter")
    outcomes: list[str] = []

    async def are_told() -> bool:  # a success waits for the next tick
        attempts = await read_topic(stack.bootstrap_servers, f"{stack.prefix}.attempts")
        outcomes[:] = [json.loads(r.value)["outcome"] for r in attempts]
        return len(outcomes) >= 4

    await eventually(are_told, within_s=30, what="four attempts")
    assert dead.key == b"acme"
    assert dead.value == b"0"
    assert envelope["reason"] == "exhausted"
    assert envelope["attempts"] == 2
    assert envelope["webhook_id"] == ids[0]
    assert envelope["subscription"] == created["id"]
    assert sorted(outcomes) == ["delivered", "delivered", "http_5xx", "http_5xx"]


async def _quarantined(stack: Stack, expected: dict[str, int]) -> None:
    found: dict[str, int] = {}

    async def has_all() -> bool:
        found.clear()
        for record in await read_topic(stack.bootstrap_servers, f"{stack.prefix}.quarantine"):
            reason = json.loads(record.value)["reason"]
            found[reason] = found.get(reason, 0) + 1
        return sum(found.values()) >= sum(expected.values())

    await eventually(has_all, within_s=30, what=f"{expected} in quarantine, found {found}")
    assert found == expected
