"""Gateways over a real Kafka, and the topics they write; shared by the gateway's tests."""

import asyncio
import base64
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from aiokafka import ConsumerRecord, TopicPartition

from chassis import kafka
from chassis.settings import AdminSettings, KafkaSettings, TopicsSettings, VaultSettings
from gateway.server import HttpServer
from gateway.service import build
from gateway.settings import AuthSettings, GatewaySettings, HttpSettings, RegistrySettings
from schemas.topics import plan, topic_name
from tests.conftest import Broker
from tests.integration.topics import create_topics
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
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

    def settings(
        self, *, registry: dict[str, object] | None = None, **http: object
    ) -> GatewaySettings:
        """Give the settings of a gateway on these topics; a busy machine writes slowly."""
        return GatewaySettings(
            kafka=self.kafka,
            topics=TopicsSettings(prefix=self.prefix, partitions=PARTITIONS, replication_factor=1),
            admin=AdminSettings(host=HOST, port=0),
            gateway=HttpSettings.model_validate({"host": HOST, "port": 0, **http}),
            auth=AuthSettings.model_validate({"root_key": ROOT_KEY}),
            vault=VaultSettings.model_validate({"keys": VAULT_KEY}),
            registry=RegistrySettings.model_validate({"write_deadline_s": 10, **(registry or {})}),
        )

    def environ(self, *, port: int = 0) -> dict[str, str]:
        """Give the same as variables, for a process of its own."""
        return {
            "HOOKLANE_KAFKA__BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "HOOKLANE_TOPICS__PREFIX": self.prefix,
            "HOOKLANE_TOPICS__PARTITIONS": str(PARTITIONS),
            "HOOKLANE_TOPICS__REPLICATION_FACTOR": "1",
            "HOOKLANE_ADMIN__HOST": HOST,
            "HOOKLANE_ADMIN__PORT": "0",
            "HOOKLANE_GATEWAY__HOST": HOST,
            "HOOKLANE_GATEWAY__PORT": str(port),
            "HOOKLANE_AUTH__ROOT_KEY": ROOT_KEY,
            "HOOKLANE_VAULT__KEYS": VAULT_KEY,
            "HOOKLANE_REGISTRY__WRITE_DEADLINE_S": "10",
        }

    async def create_topics(self) -> None:
        """Create all topics of the product."""
        await create_topics(self.kafka, plan(self.prefix, PARTITIONS, 1))

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
    async def gateway(
        self, *, registry: dict[str, object] | None = None, **http: object
    ) -> AsyncIterator[aiohttp.ClientSession]:
        """Run a whole gateway in this process; gives a client of it."""
        components = build(self.settings(registry=registry, **http))
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


async def asked(
    client: aiohttp.ClientSession, method: str, path: str, body: object = None, key: str = ""
) -> tuple[int, dict[str, object]]:
    """Send a request; gives status and document."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with client.request(method, path, json=body, headers=headers) as response:
        document = await response.json(content_type=None) if response.status != 204 else {}
        return response.status, document


@pytest.fixture(name="world")
async def world_fixture(kafka: Broker, prefix: str) -> World:
    """Make topics of this test's own; a module takes it by `world = world_fixture`."""
    made = World(kafka.bootstrap_servers, prefix)
    await made.create_topics()
    return made


@asynccontextmanager
async def process(environ: Mapping[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `python -m gateway` in a process of its own; it is gone afterwards."""
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway",
        cwd=ROOT,
        env={"PATH": os.environ.get("PATH", ""), **environ},  # noqa: TID251 - a child's environment
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.communicate()


@asynccontextmanager
async def running(
    world: World, *, environ: Mapping[str, str] | None = None
) -> AsyncIterator[tuple[asyncio.subprocess.Process, aiohttp.ClientSession]]:
    """Run a gateway in a process of its own until it answers; gives it and a client of it."""
    port = free_port()
    headers = {"Authorization": f"Bearer {ROOT_KEY}"}
    async with (
        process({**world.environ(port=port), **(environ or {})}) as started,
        aiohttp.ClientSession(f"http://{HOST}:{port}", headers=headers) as client,
    ):
        async with asyncio.timeout(WAIT_S):
            while True:
                try:
                    async with client.get("/v1/subscribers", params={"limit": 1}) as response:
                        assert response.status == 200
                        break
                except aiohttp.ClientError:
                    assert started.returncode is None, "the gateway has ended"
                    await asyncio.sleep(0.05)
        yield started, client
