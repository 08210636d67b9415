"""A registry of many subscriptions, written as gateways would have written it."""

import base64
from collections.abc import Iterator
from typing import NamedTuple

import msgspec
import orjson
import uuid_utils

from bench.stand import Machine, Stand
from bench.workload import TYPE
from chassis import kafka
from chassis.egress import EgressPolicy
from chassis.kafka import Record
from chassis.vault import Vault, parse_keys
from gateway.problems import Problem
from gateway.subscriptions import Rules, create, parse_create
from schemas.ids import id_of
from schemas.registry import SealedFields, encode_sealed, registry_key
from schemas.topics import partition_of

EACH = 2
"""Subscriptions of one subscriber: most customers have a few."""
FILTERED_EVERY = 10
KINDS = 30
"""Every filter and list of event types comes in one of them."""
CHUNK = 2_000
_RANDOM = base64.b64decode("YmVuY2g=")
_RULES = Rules(EgressPolicy.of(), lambda size: (_RANDOM * size)[:size])


def body_of(number: int) -> dict[str, object]:
    """Return what a client would send to create subscription `number`."""
    body: dict[str, object] = {
        "url": f"https://hooks-{number}.customer.example/webhooks/incoming?tenant={number}",
        "event_types": [["*"], ["order.*"], [TYPE, "order.refunded", "invoice.created"]][
            number % 3
        ],
        "description": f"orders of customer {number}",
        "metadata": {"team": f"team-{number % 50}", "environment": "production"},
        "headers": {"X-Tenant": f"tenant-{number}"},
    }
    if number % FILTERED_EVERY == 0:
        body["filter"] = {"data.amount": {"$gte": number % 1_000}, "data.currency": "EUR"}
    return body


def records(stand: Stand, vault_key: str, count: int, *, now_ms: int) -> Iterator[Record]:
    """Make the records of `registry`, one per subscription."""
    vault = Vault(parse_keys(vault_key))
    topic = stand.topic("registry")
    kinds = [_kind(number, now_ms) for number in range(KINDS)]
    for number in range(count):
        kind = kinds[number % KINDS]
        subscriber = f"customer-{number // EACH:06d}"
        name = id_of("sub", uuid_utils.uuid7().bytes)
        body = body_of(number)
        sealed = msgspec.structs.replace(
            kind.sealed, url=str(body["url"]), headers={"X-Tenant": f"tenant-{number}"}
        )
        key = registry_key(subscriber, "subscription", name)
        own = {
            "id": name,
            "subscriber": subscriber,
            "description": body["description"],
            "metadata": body["metadata"],
            "sealed": base64.b64encode(vault.seal(encode_sealed(sealed), aad=key)).decode(),
        }
        value = orjson.dumps(kind.record | own)
        yield Record(topic, partition_of(subscriber.encode(), stand.partitions), key, value, [])


class _Kind(NamedTuple):
    record: dict[str, object]
    sealed: SealedFields


def _kind(number: int, now_ms: int) -> _Kind:
    """Let the gateway's own rules make the record of one kind of subscription."""
    body = parse_create(dict(body_of(number)), _RULES)  # type: ignore[arg-type]  # plain JSON
    assert not isinstance(body, Problem)
    change = create(body, subscriber="-", subscription_id="-", now_ms=now_ms)
    assert change.sealed is not None
    return _Kind(change.record, change.sealed)


async def write(machine: Machine, crowd: Iterator[Record]) -> float:
    """Append all records; gives the bytes of one on average."""
    producer = kafka.producer(machine.kafka_settings, client_id="bench-registry")
    await kafka.start(producer)
    count = size = 0
    try:
        chunk: list[Record] = []
        for record in crowd:
            chunk.append(record)
            count, size = count + 1, size + len(record.value or b"")
            if len(chunk) == CHUNK:
                await kafka.produce(producer, chunk)
                chunk = []
        await kafka.produce(producer, chunk)
    finally:
        await kafka.retire(producer)
    return size / max(1, count)
