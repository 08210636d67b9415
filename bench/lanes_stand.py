"""What the benchmarks of lanes stand on: a receiver that can be broken, and one partition."""

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field

from bench.children import Child
from bench.http_load import Exchanges, connect, get, reach
from bench.stand import Feeder, Machine, Stand
from bench.workload import Subscriber, spread_names
from chassis.clock import SystemClock
from chassis.kafka import Record
from hooklane.kafka_properties import free_ports
from schemas.delivery import DeliveryEnvelope, decode_delivery

LANES_EACH = 64
"""Lanes of a subscription with ordering keys."""
DELIVERIES = 2_000
RATE = 50
SECONDS = 4
CHUNK = 5_000
SETTLE_S = 0.3
POLL_S = 0.05


class Fickle:
    """The dead receiver, seen from here."""

    def __init__(self, port: int, asker: Exchanges) -> None:
        self.port = port
        self._asker = asker

    @classmethod
    async def start(cls, machine: Machine) -> "Fickle":
        """Start its process; it is broken."""
        (port,) = free_ports(1)
        await machine.worker("fickle-receiver", "bench.fickle_receiver", str(port))
        return cls(port, await reach(port))

    async def tell(self, path: str = "/state") -> dict[str, int]:
        """Switch it (`/break`, `/refuse-first`, `/mend`); gives what it accepted and refused."""
        return dict(json.loads((await self._asker.ask(get(path))).body))

    async def until(self, name: str, count: int, *, within_s: float) -> None:
        """Wait until it has accepted or refused so many."""
        async with asyncio.timeout(within_s):
            while (await self.tell())[name] < count:  # noqa: ASYNC110 - another process counts
                await asyncio.sleep(POLL_S)


@dataclass
class Deployment:
    """One stand with one partition, its lanes, and the deliverer that runs them."""

    machine: Machine
    stand: Stand
    feeder: Feeder
    live: list[Subscriber] = field(default_factory=list)
    dead: list[Subscriber] = field(default_factory=list)
    deliverer: Child | None = None

    @classmethod
    async def make(cls, machine: Machine, name: str, feeder: Feeder) -> "Deployment":
        """Create its topics and start its gateway."""
        stand = Stand(machine, f"bench-lanes-{name}", partitions=1)
        await stand.prepare()
        await stand.start("gateway")
        return cls(machine, stand, feeder)

    async def subscribe_dead(
        self, port: int, count: int, *, held_s: float, ordering: str = "strict"
    ) -> None:
        """Create subscriptions to the fickle receiver, whose failures wait so long."""
        client = await connect(self.stand.gateway_port)
        body = {
            "url": f"http://127.0.0.1:{port}/hooks",
            "max_in_flight": LANES_EACH,
            "ordering": ordering,
            "retry": {"schedule_s": [held_s] * 24},
        }
        for name in spread_names("dead", count, 1):
            path = f"/v1/subscribers/{name}/subscriptions"
            answer = await client.ask(self.stand.post(path, json.dumps(body).encode()))
            assert answer.status == 201, answer
            self.dead.append(Subscriber(name, 0, (json.loads(answer.body)["id"],)))
        client.close()

    async def run(self) -> Child:
        """Start the deliverer alone."""
        await self.stand.stop_all_but("deliverer")
        (self.deliverer,) = await self.stand.start("deliverer")
        return self.deliverer

    async def append(self, subscribers: list[Subscriber], count: int) -> None:
        """Append deliveries for the one lane of each subscription, in chunks."""
        for first in range(0, count, CHUNK):
            size = min(CHUNK, count - first)
            now_ms = SystemClock().now_ms()
            records = self.stand.workload.delivery_records(subscribers, size, now_ms=now_ms)
            await self.feeder.append(records)

    async def deliver_live(self) -> float:
        """Deliver one round to the live lanes; gives deliveries per CPU second."""
        assert self.deliverer is not None
        before, cpu_s = await self.machine.received(), self.deliverer.cpu_s
        await self.append(self.live, DELIVERIES)
        await self.machine.until_received(before + DELIVERIES)
        await asyncio.sleep(SETTLE_S)
        return DELIVERIES / (self.deliverer.cpu_s - cpu_s)

    async def delays_ms(self) -> list[float]:
        """Append at a steady rate; milliseconds until the first byte at the receiver."""
        now_ms = SystemClock().now_ms()
        records = self.stand.workload.delivery_records(self.live, RATE * SECONDS, now_ms=now_ms)
        loop, sent = asyncio.get_running_loop(), dict[str, int]()
        await self.machine.arrivals()
        before, started = await self.machine.received(), loop.time()
        for number, record in enumerate(records):
            await asyncio.sleep(max(0.0, started + number / RATE - loop.time()))
            sent[envelope_of(record).webhook_id] = time.monotonic_ns()
            await self.feeder.append([record])
        await self.machine.until_received(before + len(records))
        arrived = await self.machine.arrivals()
        return [(arrived[one] - at) / 1e6 for one, at in sent.items()]


def envelope_of(record: Record) -> DeliveryEnvelope:
    """Return what fan-out wrote about a delivery."""
    envelope = decode_delivery(record.headers)
    assert isinstance(envelope, DeliveryEnvelope)
    return envelope


async def takeover_of(deliverer: Child) -> dict[str, int]:
    """Read from its log what the takeover found and how long it took."""
    async with asyncio.timeout(60):
        while True:
            log = deliverer.log.read_text(errors="replace")
            mine = log.rpartition('"process.starting"')[2]  # processes share the file, in turn
            for line in mine.splitlines():
                if '"takeover.done"' in line and (found := dict(json.loads(line)))["lanes"]:
                    return found
            await asyncio.sleep(POLL_S)


def say(text: str) -> None:
    """Tell what is measured now."""
    print(f"measuring: {text}", file=sys.stderr, flush=True)
