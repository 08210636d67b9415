"""The events of a run, in each form a room takes them. Pure but for the counter of ids."""

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chassis.kafka import Record
from schemas.cloudevents import attribute_headers, encode_event
from schemas.delivery import DELIVERY_HEADER, DeliveryEnvelope, encode_delivery, lane_key
from schemas.event import Event
from schemas.ids import webhook_id
from schemas.topics import partition_of, topic_name

TYPE = "order.paid"
SOURCE = "/bench"
DATA = json.dumps(
    {
        "order": "ord_7f3a9c5e",
        "amount": 4200,
        "currency": "EUR",
        "customer": {"id": "cus_18c2", "email": "someone@example.com", "country": "PT"},
        "lines": [
            {"sku": f"sku-{number:04d}", "quantity": number, "price": 100 * number}
            for number in range(1, 5)
        ],
        "note": "leave it with the neighbours, please",
    }
).encode()
FIRST_EPOCH = 1


@dataclass(frozen=True, slots=True)
class Subscriber:
    """A subscriber and its subscriptions, in the partition its name leads to."""

    name: str
    partition: int
    subscriptions: tuple[str, ...]


def spread_names(stem: str, count: int, partitions: int) -> list[str]:
    """Return names whose keys fill the partitions evenly."""
    quota = dict.fromkeys(range(partitions), -(-count // partitions))
    names = []
    for number in itertools.count():
        name = f"{stem}-{number}"
        partition = partition_of(name.encode(), partitions)
        if quota[partition]:
            quota[partition] -= 1
            names.append(name)
        if len(names) == count or not any(quota.values()):
            return names
    raise AssertionError


class Workload:
    """Makes events; ids never repeat within a run."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._numbers = itertools.count()

    def event_records(self, subscribers: Sequence[Subscriber], count: int) -> list[Record]:
        """Write events as a Kafka producer would."""
        topic = topic_name(self._prefix, "events")
        records = []
        for subscriber, event in self._events(subscribers, count):
            value, headers = encode_event(event)
            key = subscriber.name.encode()
            records.append(Record(topic, subscriber.partition, key, value, headers))
        return records

    def delivery_records(
        self, subscribers: Sequence[Subscriber], count: int, *, now_ms: int
    ) -> list[Record]:
        """Write deliveries as fan-out would, for the first subscription of each subscriber."""
        topic = topic_name(self._prefix, "deliveries")
        records = []
        for subscriber, event in self._events(subscribers, count):
            subscription = subscriber.subscriptions[0]
            envelope = DeliveryEnvelope(
                webhook_id=webhook_id(event.subscriber, event.source, event.id),
                lane=lane_key(subscription, FIRST_EPOCH, None),
                subscription=subscription,
                kind="first",
                accepted_at=now_ms,
                registry_offset=0,
            )
            headers = [(DELIVERY_HEADER, encode_delivery(envelope)), *attribute_headers(event)]
            key = subscriber.name.encode()
            records.append(Record(topic, subscriber.partition, key, DATA, headers))
        return records

    def documents(self, subscribers: Sequence[Subscriber], count: int) -> Iterator[bytes]:
        """Write events in the gateway's own JSON shape."""
        for number in range(count):
            name = subscribers[number % len(subscribers)].name
            yield b'{"subscriber":"%b","type":"%b","data":%b}' % (
                name.encode(),
                TYPE.encode(),
                DATA,
            )

    def batches(
        self, subscribers: Sequence[Subscriber], count: int, *, size: int
    ) -> Iterator[bytes]:
        """Write the bodies of batch requests."""
        documents = self.documents(subscribers, count)
        while batch := list(itertools.islice(documents, size)):
            yield b"[" + b",".join(batch) + b"]"

    def _events(
        self, subscribers: Sequence[Subscriber], count: int
    ) -> Iterator[tuple[Subscriber, Event]]:
        for number in range(count):
            subscriber = subscribers[number % len(subscribers)]
            yield (
                subscriber,
                Event(
                    subscriber=subscriber.name,
                    id=f"evt_{next(self._numbers):026d}",
                    source=SOURCE,
                    type=TYPE,
                    datacontenttype="application/json",
                    data=DATA,
                ),
            )
