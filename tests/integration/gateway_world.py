"""Gateways over a real Kafka, and the topics they write; shared by the gateway's tests."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import aiohttp
from aiokafka import ConsumerRecord, TopicPartition

from chassis import kafka, topics
from chassis.settings import AdminSettings, KafkaSettings, TopicsSettings, VaultSettings
from gateway.server import HttpServer
from gateway.service import build
from gateway.settings import AuthSettings, GatewaySettings, HttpSettings
from schemas.topics import plan, topic_name

PARTITIONS = 3
HOST = "127.0.0.1"
ROOT_KEY = "root-key-of-the-tests-0123456789abcdef"
VAULT_KEY = "k1:" + base64.b64encode(b"v" * 32).decode()
WAIT_S = 30.0


@dataclass(frozen=True)
class World:
    """The topics of one test."""

    bootstrap_servers: str
    prefix: str

    @property
    def kafka(self) -> KafkaSettings:
        """Give the way to the broker."""
        return KafkaSettings(bootstrap_servers=(self.bootstrap_servers,))

    def settings(self, **http: object) -> GatewaySettings:
        """Give the settings of a gateway on these topics."""
        return GatewaySettings(
            kafka=self.kafka,
            topics=TopicsSettings(prefix=self.prefix, partitions=PARTITIONS, replication_factor=1),
            admin=AdminSettings(host=HOST, port=0),
            gateway=HttpSettings.model_validate({"host": HOST, "port": 0, **http}),
            auth=AuthSettings.model_validate({"root_key": ROOT_KEY}),
            vault=VaultSettings.model_validate({"keys": VAULT_KEY}),
        )

    def environ(self) -> dict[str, str]:
        """Give the same as variables, for a process of its own."""
        return {
            "HOOKLANE_KAFKA__BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "HOOKLANE_TOPICS__PREFIX": self.prefix,
            "HOOKLANE_TOPICS__PARTITIONS": str(PARTITIONS),
            "HOOKLANE_TOPICS__REPLICATION_FACTOR": "1",
            "HOOKLANE_ADMIN__HOST": HOST,
            "HOOKLANE_ADMIN__PORT": "0",
            "HOOKLANE_GATEWAY__HOST": HOST,
            "HOOKLANE_GATEWAY__PORT": "0",
            "HOOKLANE_AUTH__ROOT_KEY": ROOT_KEY,
            "HOOKLANE_VAULT__KEYS": VAULT_KEY,
        }

    async def create_topics(self) -> None:
        """Create all topics of the product."""
        client = kafka.admin(self.kafka, client_id="test")
        await kafka.start(client)
        try:
            await topics.create_missing(client, plan(self.prefix, PARTITIONS, 1))
        finally:
            await kafka.retire(client)

    async def read(self, suffix: str) -> list[ConsumerRecord]:
        """Read a whole topic, as committed."""
        reader = kafka.consumer(self.kafka, client_id="test-reader")
        await kafka.start(reader)
        try:
            name = topic_name(self.prefix, suffix)
            places = [TopicPartition(name, partition) for partition in range(PARTITIONS)]
            reader.assign(places)
            ends = await reader.end_offsets(places)
            found: list[ConsumerRecord] = []
            async with asyncio.timeout(WAIT_S):
                for place in places:
                    while await reader.position(place) < ends[place]:
                        got = await reader.getmany(*places, timeout_ms=100)
                        found += [record for records in got.values() for record in records]
            return found
        finally:
            await kafka.retire(reader)

    @asynccontextmanager
    async def gateway(self, **http: object) -> AsyncIterator[aiohttp.ClientSession]:
        """Run a whole gateway in this process; gives a client of it."""
        components = build(self.settings(**http))
        server = components[-1]
        assert isinstance(server, HttpServer)
        async with AsyncExitStack() as stack:
            for component in components:
                stack.push_async_callback(component.stop)
                async with asyncio.timeout(WAIT_S):
                    await component.start()
            client = aiohttp.ClientSession(
                f"http://{HOST}:{server.port}", headers={"Authorization": f"Bearer {ROOT_KEY}"}
            )
            yield await stack.enter_async_context(client)
