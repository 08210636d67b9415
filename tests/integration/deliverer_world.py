"""A Kafka with our topics, a registry, filled `deliveries`; shared by the deliverer's tests."""

import asyncio
import base64
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from chassis import kafka
from chassis.kafka import Record
from chassis.lifecycle import Component
from chassis.settings import (
    AdminSettings,
    EgressSettings,
    KafkaSettings,
    TopicsSettings,
    VaultSettings,
)
from chassis.vault import Vault, parse_keys
from deliverer.service import build
from deliverer.settings import BreakerSettings, DelivererSettings, DeliveryLimits
from schemas.delivery import DELIVERY_HEADER, DeliveryEnvelope, encode_delivery, lane_key
from schemas.registry import SealedFields, encode_sealed, registry_key
from schemas.topics import partition_of, plan, topic_name
from tests.integration.topics import create_topics

PARTITIONS = 2
ROOT = Path(__file__).parents[2]
WAIT_S = 45.0
SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
VAULT_KEY = "k1:" + base64.b64encode(b"k" * 32).decode()
CREATED = "2026-01-02T03:04:05.678Z"


class World:
    """Names and clients for one test's topics."""

    def __init__(self, bootstrap_servers: str, prefix: str) -> None:
        self.prefix = prefix
        self.kafka = KafkaSettings(bootstrap_servers=(bootstrap_servers,))
        self._bootstrap_servers = bootstrap_servers
        self._vault = Vault(parse_keys(VAULT_KEY))
        self.accepted_at = 1_700_000_000_000

    def topic(self, suffix: str) -> str:
        """Return a topic's full name."""
        return topic_name(self.prefix, suffix)

    def settings(
        self,
        *,
        breaker: BreakerSettings | None = None,
        vault_keys: str = VAULT_KEY,
        **limits: object,
    ) -> DelivererSettings:
        """Return the settings of a deliverer on these topics."""
        return DelivererSettings(
            kafka=self.kafka,
            topics=TopicsSettings(prefix=self.prefix, partitions=PARTITIONS, replication_factor=1),
            admin=AdminSettings(host="127.0.0.1", port=0),
            vault=VaultSettings.model_validate({"keys": vault_keys}),
            egress=EgressSettings(allow_http=True, allow_cidrs=("127.0.0.1/32",)),
            deliverer=DeliveryLimits.model_validate(limits),
            breaker=breaker or BreakerSettings(),
        )

    async def create_topics(self) -> None:
        """Create all topics of the product."""
        await create_topics(self.kafka, plan(self.prefix, PARTITIONS, 1))

    async def append(self, records: Sequence[Record], *, transactional_id: str = "") -> None:
        """Append records and wait for all; in one transaction when it has an id."""
        maker = kafka.producer(
            self.kafka, client_id="test", transactional_id=transactional_id or None
        )
        await kafka.start(maker)
        try:
            if not transactional_id:
                await kafka.produce(maker, records)
                return
            async with maker.transaction():
                await kafka.produce(maker, records)
        finally:
            await kafka.retire(maker)

    async def subscribe(
        self,
        subscriber: str,
        subscription: str,
        url: str,
        *,
        vault: Vault | None = None,
        **fields: object,
    ) -> None:
        """Write a subscription with a sealed endpoint into the registry."""
        key = registry_key(subscriber, "subscription", subscription)
        sealed = (vault or self._vault).seal(
            encode_sealed(SealedFields(url=url, secret=SECRET)), aad=key
        )
        document = {
            "id": subscription,
            "subscriber": subscriber,
            "version": 1,
            "sealed": base64.b64encode(sealed).decode(),
            "created_at": CREATED,
            "updated_at": CREATED,
            **fields,
        }
        place = partition_of(subscriber.encode(), PARTITIONS)
        await self.append([Record(self.topic("registry"), place, key, orjson.dumps(document))])

    def delivery(
        self,
        subscriber: str,
        subscription: str,
        number: int,
        *,
        registry_offset: int = 1,
        accepted_at: int,
    ) -> Record:
        """Return a record as fan-out writes it."""
        envelope = DeliveryEnvelope(
            webhook_id=f"msg_{subscription}_{number}".replace("-", "_"),
            lane=lane_key(subscription, 0, None),
            subscription=subscription,
            kind="first",
            accepted_at=accepted_at,
            registry_offset=registry_offset,
        )
        headers = [
            ("ce_specversion", b"1.0"),
            ("ce_id", str(number).encode()),
            ("ce_source", b"/test"),
            ("ce_type", b"order.paid"),
            ("content-type", b"application/json"),
            (DELIVERY_HEADER, encode_delivery(envelope)),
        ]
        place = partition_of(subscriber.encode(), PARTITIONS)
        data = b'{"number": %d}' % number
        return Record(self.topic("deliveries"), place, subscriber.encode(), data, headers)

    async def read(
        self,
        suffix: str,
        until: Callable[[Sequence[Any]], bool] = lambda _: True,
    ) -> list[Any]:
        """Return all committed records; waits until `until` is content."""
        reader: AIOKafkaConsumer = kafka.consumer(self.kafka, client_id="test")
        places = [TopicPartition(self.topic(suffix), p) for p in range(PARTITIONS)]
        seen: list[Any] = []
        await kafka.start(reader)
        try:
            reader.assign(places)
            async with asyncio.timeout(WAIT_S):
                while True:
                    ends = await reader.end_offsets(places)
                    at = [await reader.position(place) for place in places]
                    is_at_end = all(
                        position >= ends[place] for position, place in zip(at, places, strict=True)
                    )
                    if is_at_end and until(seen):
                        return seen
                    for records in (await reader.getmany(*places, timeout_ms=100)).values():
                        seen += records
        except TimeoutError:
            raise AssertionError(f"{len(seen)} records in {suffix}: not as awaited") from None
        finally:
            await kafka.retire(reader)

    @asynccontextmanager
    async def running(
        self,
        *,
        drain_s: float = 10,
        breaker: BreakerSettings | None = None,
        vault_keys: str = VAULT_KEY,
        **limits: object,
    ) -> AsyncIterator[None]:
        """Run a deliverer in this process; leave by a clean shutdown."""
        settings = self.settings(breaker=breaker, vault_keys=vault_keys, **limits)
        components: Sequence[Component] = await build(settings)
        started: list[Component] = []
        try:
            for component in components:
                started.append(component)
                await component.start()
            yield
            for component in reversed(started):
                await component.drain(drain_s)
        finally:
            for component in reversed(started):
                await component.stop()

    @asynccontextmanager
    async def process(self, log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
        """Run a deliverer as a process of its own; leave by kill -9."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("HOOKLANE_")}  # noqa: TID251
        environment = kept | {
            "HOOKLANE_KAFKA__BOOTSTRAP_SERVERS": self._bootstrap_servers,
            "HOOKLANE_TOPICS__PREFIX": self.prefix,
            "HOOKLANE_TOPICS__PARTITIONS": str(PARTITIONS),
            "HOOKLANE_TOPICS__REPLICATION_FACTOR": "1",
            "HOOKLANE_ADMIN__HOST": "127.0.0.1",
            "HOOKLANE_ADMIN__PORT": "0",
            "HOOKLANE_VAULT__KEYS": VAULT_KEY,
            "HOOKLANE_EGRESS__ALLOW_HTTP": "true",
            "HOOKLANE_EGRESS__ALLOW_CIDRS": "127.0.0.1/32",
        }
        with log.open("ab") as out:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "deliverer", env=environment, cwd=ROOT, stdout=out, stderr=out
            )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
