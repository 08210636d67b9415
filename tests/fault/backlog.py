"""Fill a stack's topics as its own services would, but a hundred times as fast.

Only for bounds: a million deliveries that were made one by one would take the whole of a run.
"""

import base64
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec
import orjson

from chassis import kafka
from chassis.kafka import Record
from chassis.settings import KafkaSettings
from chassis.vault import Vault, parse_keys
from schemas.delivery import DELIVERY_HEADER, DeliveryEnvelope, encode_delivery, lane_key
from schemas.registry import SealedFields, encode_sealed, registry_key
from schemas.topics import partition_of, topic_name
from tests.e2e.stack import Stack

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
CREATED = "2026-01-02T03:04:05.678Z"
AT_ONCE = 20_000
_HEADERS = [
    ("ce_specversion", b"1.0"),
    ("ce_source", b"/bounds"),
    ("ce_type", b"order.paid"),
    ("content-type", b"application/json"),
]


@dataclass(frozen=True)
class Subscription:
    """A subscription as the records need it."""

    subscriber: str
    id: str
    url: str


class Backlog:
    """Appends registry and delivery records to the topics of one stack."""

    def __init__(self, stack: Stack) -> None:
        """Nothing is connected yet."""
        self._stack = stack
        self._vault = Vault(parse_keys([stack.vault_key]))
        self._made = itertools.count()

    async def subscribe(self, subscriptions: Iterable[Subscription]) -> None:
        """Write subscriptions into the registry, strict and with the default schedule."""
        await self._append(self._registry_record(one) for one in subscriptions)

    async def deliver(
        self, subscriptions: list[Subscription], *, each: int, data: bytes, accepted_at: int
    ) -> None:
        """Write `each` deliveries for every subscription, in turns."""
        await self._append(
            self._delivery_record(one, data, accepted_at)
            for _ in range(each)
            for one in subscriptions
        )

    async def _append(self, records: Iterator[Record]) -> None:
        servers = tuple(self._stack.bootstrap_servers.split(","))
        maker = kafka.producer(KafkaSettings(bootstrap_servers=servers), client_id="backlog")
        await kafka.start(maker)
        try:
            while some := list(itertools.islice(records, AT_ONCE)):
                await kafka.produce(maker, some)
        finally:
            await kafka.retire(maker)

    def _registry_record(self, one: Subscription) -> Record:
        key = registry_key(one.subscriber, "subscription", one.id)
        fields = encode_sealed(SealedFields(url=one.url, secret=SECRET))
        document = {
            "id": one.id,
            "subscriber": one.subscriber,
            "version": 1,
            "sealed": base64.b64encode(self._vault.seal(fields, aad=key)).decode(),
            "created_at": CREATED,
            "updated_at": CREATED,
        }
        return self._record("registry", one, key=key, value=orjson.dumps(document))

    def _delivery_record(self, one: Subscription, data: bytes, accepted_at: int) -> Record:
        number = next(self._made)
        envelope = DeliveryEnvelope(
            webhook_id=f"msg_{number:026d}",
            lane=lane_key(one.id, 0, None),
            subscription=one.id,
            kind="first",
            accepted_at=accepted_at,
            registry_offset=0,
        )
        headers = [
            (DELIVERY_HEADER, encode_delivery(envelope)),
            ("ce_id", str(number).encode()),
            *_HEADERS,
        ]
        record = self._record("deliveries", one, key=one.subscriber.encode(), value=data)
        return msgspec.structs.replace(record, headers=headers)

    def _record(self, suffix: str, one: Subscription, *, key: bytes, value: bytes) -> Record:
        stack = self._stack
        place = partition_of(one.subscriber.encode(), stack.partitions)
        return Record(topic_name(stack.prefix, suffix), place, key, value)
