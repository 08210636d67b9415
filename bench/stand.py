"""What the benchmarks stand on: one Kafka, topics of their own, the services as real processes."""

import asyncio
import base64
import json
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.children import Child, Children, cpu_s
from bench.http_load import Exchanges, connect, get, post, pump, reach
from bench.workload import Subscriber, Workload, spread_names
from chassis import kafka
from chassis.kafka import Record
from chassis.settings import KafkaSettings
from hooklane import surroundings, topics_command
from hooklane.dev.plan import SERVICES, StackPlan, service_command, service_environment
from hooklane.embedded_kafka import EmbeddedKafka
from hooklane.kafka_properties import free_ports
from schemas.topics import partition_of, topic_name

READY_S = 60.0
POLL_S = 0.02
CREATED_AT_ONCE = 8
BROKER_HEAP_MIB = 1024
BROKER_JAVA = (
    f"-Xms{BROKER_HEAP_MIB}m",
    "-XX:TieredStopAtLevel=4",
    "-XX:-UseSerialGC",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
)
"""Heap, compilers and collector of Kafka's own start scripts (bin/kafka-server-start.sh of 4.1)."""


def broker() -> EmbeddedKafka:
    """Return a node that computes like a broker; the embedded default is tuned to start soon."""
    return EmbeddedKafka(heap_mib=BROKER_HEAP_MIB, java_options=BROKER_JAVA)


class Machine:
    """The Kafka node, the receiver and the child processes of a whole run."""

    def __init__(self, node: EmbeddedKafka, folder: Path) -> None:
        self.node = node
        self.children = Children(folder)
        self.receiver_port, self._plain_port = free_ports(2)
        self._asker: Exchanges | None = None
        self._bare_server: Child | None = None

    async def __aenter__(self) -> Self:
        await self.worker("receiver", "bench.receiver", str(self.receiver_port))
        self._asker = await reach(self.receiver_port)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.children.close()

    @property
    def kafka_settings(self) -> KafkaSettings:
        """Return how clients of the bench reach the node."""
        return KafkaSettings(bootstrap_servers=(self.node.bootstrap_servers,))

    @property
    def kafka_cpu_s(self) -> float:
        """Return the CPU seconds the node has used."""
        return cpu_s(self.node.pid or 0)

    async def worker(self, name: str, module: str, *arguments: str) -> Child:
        """Start a process of the bench's own."""
        return await self.children.start(
            name, ["-m", module, *arguments], surroundings.environ(), is_worker=True
        )

    async def bare_server(self) -> tuple[Child, int]:
        """Start the bare aiohttp handler, once; gives the process and its port."""
        if self._bare_server is None:
            port = str(self._plain_port)
            self._bare_server = await self.worker("bare-server", "bench.bare_server", port)
            (await reach(self._plain_port)).close()
        return self._bare_server, self._plain_port

    async def received(self) -> int:
        """Ask the receiver how many POSTs it has answered."""
        return int(await self._tell("/count"))

    async def until_received(self, count: int, *, timeout_s: float = 90) -> None:
        """Wait until the receiver has answered so many."""
        async with asyncio.timeout(timeout_s):
            while await self.received() < count:  # noqa: ASYNC110 - another process counts
                await asyncio.sleep(POLL_S)

    async def last_request(self) -> bytes:
        """Return the last POST as it arrived."""
        return await self._tell("/last")

    async def arrivals(self) -> dict[str, int]:
        """Return and forget webhook id → monotonic ns of the first byte; starts to note them."""
        return dict(json.loads(await self._tell("/arrivals")))

    async def _tell(self, path: str) -> bytes:
        assert self._asker is not None
        return (await self._asker.ask(get(path))).body


class Stand:
    """One deployment: a topic prefix and its services."""

    def __init__(self, machine: Machine, prefix: str, *, partitions: int) -> None:
        ports = free_ports(1 + len(SERVICES))
        self.machine = machine
        self.partitions = partitions
        self.workload = Workload(prefix)
        self.prefix = prefix
        self._running: dict[str, Child] = {}
        self._plan = StackPlan(
            bootstrap_servers=machine.node.bootstrap_servers,
            prefix=prefix,
            gateway_port=ports[0],
            admin_ports=dict(zip(SERVICES, ports[1:], strict=True)),
            root_key=secrets.token_urlsafe(32),
            vault_key=f"bench:{base64.b64encode(secrets.token_bytes(32)).decode()}",
        )

    async def prepare(self) -> None:
        """Create the topics."""
        settings = topics_command.read_settings(self._environment("gateway"))
        await topics_command.apply(settings)

    @property
    def gateway_port(self) -> int:
        """Return where the API listens."""
        return self._plan.gateway_port

    @property
    def vault_key(self) -> str:
        """Return the only vault key."""
        return self._plan.vault_key

    def topic(self, suffix: str) -> str:
        """Return the full name of a topic."""
        return topic_name(self.prefix, suffix)

    async def start(self, *services: str) -> list[Child]:
        """Start services that do not run yet, and wait until they are ready."""
        for name in services:
            if name not in self._running:
                self._running[name] = await self.machine.children.start(
                    name, service_command(name)[1:], self._environment(name)
                )
        children = [self._running[name] for name in services]
        for name, child in zip(services, children, strict=True):
            await self._ready(name, child)
        return children

    async def stop(self, *services: str) -> None:
        """End services."""
        for name in services:
            await self.machine.children.stop(self._running.pop(name))

    async def stop_all_but(self, *kept: str) -> None:
        """End what a benchmark does not want beside it."""
        await self.stop(*(name for name in tuple(self._running) if name not in kept))

    def post(self, path: str, body: bytes) -> bytes:
        """Write an authorized request to the gateway."""
        return post(path, body, key=self._plan.root_key)

    async def subscribers(self, stem: str, count: int, *, each: int) -> list[Subscriber]:
        """Create subscribers with `each` subscriptions to the receiver, through the gateway."""
        names = spread_names(stem, count, self.partitions)
        wanted = [name for name in names for _ in range(each)]
        body = {"url": f"http://127.0.0.1:{self.machine.receiver_port}/hooks"}
        found: dict[str, list[str]] = {name: [] for name in names}
        supply = iter(wanted)

        async def create() -> None:
            client = await connect(self.gateway_port)
            for name in supply:
                path = f"/v1/subscribers/{name}/subscriptions"
                answer = await client.ask(self.post(path, json.dumps(body).encode()))
                if answer.status != 201:
                    raise RuntimeError(f"answered {answer.status}: {answer.body[:500]!r}")
                found[name].append(json.loads(answer.body)["id"])
            client.close()

        await asyncio.gather(*(create() for _ in range(CREATED_AT_ONCE)))
        return [
            Subscriber(name, partition_of(name.encode(), self.partitions), tuple(ids))
            for name, ids in found.items()
        ]

    async def pump(self, path: str, bodies: Sequence[bytes], *, connections: int) -> None:
        """POST bodies to the gateway; every answer must be 202."""
        requests = (self.post(path, body) for body in bodies)
        await pump(self.gateway_port, requests, connections=connections, expects=202)

    def _environment(self, service: str) -> Mapping[str, str]:
        tuned = {
            "HOOKLANE_TOPICS__PARTITIONS": str(self.partitions),
            "HOOKLANE_LOG__FORMAT": "json",
            # All endpoints are one process on one address: no bound per host.
            "HOOKLANE_DELIVERER__HOST_SHARE": "1",
        }
        return service_environment(dict(surroundings.environ()) | tuned, self._plan, service)

    async def metric(self, service: str, name: str) -> float:
        """Sum the series of one metric that a service shows now."""
        client = await connect(self._plan.admin_ports[service])
        text = (await client.ask(get("/metrics"))).body.decode()
        client.close()
        return sum(float(one.split()[-1]) for one in text.splitlines() if one.startswith(name))

    async def _ready(self, name: str, child: Child) -> None:
        port = self._plan.admin_ports[name]
        async with asyncio.timeout(READY_S):
            while True:
                child.check()
                try:
                    client = await connect(port)
                    answer = await client.ask(get("/readyz"))
                    client.close()
                except OSError:
                    pass
                else:
                    if answer.status == 200:
                        return
                await asyncio.sleep(0.1)


class Feeder:
    """Appends ready records, as a producer in front of the product would."""

    def __init__(self, machine: Machine) -> None:
        self._producer = kafka.producer(machine.kafka_settings, client_id="bench")

    async def __aenter__(self) -> Self:
        await kafka.start(self._producer)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await kafka.retire(self._producer)

    async def append(self, records: Sequence[Record]) -> None:
        """Append and wait for every acknowledgement."""
        await kafka.produce(self._producer, records)
