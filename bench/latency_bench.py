"""Accepted → first byte at the receiver at a steady rate, beside two bare Kafka hops."""

import asyncio
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from bench.figures import Bare, Figure, Goal, Spread, percentile
from bench.http_load import Exchanges, connect
from bench.rounds import rounds
from bench.stand import Machine, Stand
from bench.workload import DATA, Subscriber

ROUNDS = 10
WARM_UP_ROUNDS = 2
BUDGET_S = 120.0
RATE = 50
SECONDS = 4
CONNECTIONS = 8
SETTLE_S = 1.0
ARRIVED_S = 30.0
P50_MS, P99_MS = 15.0, 60.0


async def measure(
    machine: Machine, stand: Stand, subscribers: Sequence[Subscriber]
) -> list[Figure]:
    """Alternate segments of the whole pipeline and of the bare hops."""
    await stand.start("gateway", "fanout", "deliverer")
    hops = Hops(machine, stand)
    await hops.start()
    ours: list[list[float]] = []
    bare: list[list[float]] = []
    for _ in rounds(ROUNDS, budget_s=BUDGET_S, monotonic=monotonic):
        ours.append(await _segment(machine, stand, subscribers))
        bare.append(await hops.measure())
    await hops.stop()
    skipped = min(WARM_UP_ROUNDS, len(ours) - 1)
    warm = (ours[skipped:], bare[skipped:])
    return [_figure("p50", 0.50, P50_MS, warm), _figure("p99", 0.99, P99_MS, warm)]


def _figure(
    name: str, share: float, goal_ms: float, runs: tuple[list[list[float]], list[list[float]]]
) -> Figure:
    segments = len(runs[0])
    ours, bare = ([percentile(segment, share) for segment in side] for side in runs)
    return Figure(
        f"accepted to first byte, {name} at {RATE}/s",
        "ms",
        Spread.of(ours),
        Bare("two bare Kafka hops", Spread.of(bare)),
        Goal(goal_ms, "at most"),
        note=f"{segments} segments of {RATE * SECONDS} events; a figure is that of one segment",
    )


async def _pace(act: Callable[[int], Awaitable[None]]) -> None:
    """Begin RATE acts a second on the clock, whatever earlier ones do."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    running = []
    for number in range(RATE * SECONDS):
        await asyncio.sleep(max(0.0, started + number / RATE - loop.time()))
        running.append(asyncio.ensure_future(act(number)))
    await asyncio.gather(*running)


async def _segment(
    machine: Machine, stand: Stand, subscribers: Sequence[Subscriber]
) -> list[float]:
    """Send over fresh connections: few are needed, and the gateway closes idle ones."""
    clients = [await connect(stand.gateway_port) for _ in range(CONNECTIONS)]
    try:
        return await _pipeline(machine, stand, clients, subscribers)
    finally:
        for client in clients:
            client.close()


async def _pipeline(
    machine: Machine,
    stand: Stand,
    clients: Sequence[Exchanges],
    subscribers: Sequence[Subscriber],
) -> list[float]:
    accepted: dict[str, int] = {}
    bodies = list(stand.workload.documents(subscribers, RATE * SECONDS))
    idle: asyncio.LifoQueue[Exchanges] = asyncio.LifoQueue()
    for client in clients:
        idle.put_nowait(client)
    await machine.arrivals()

    async def publish(number: int) -> None:
        client = await idle.get()
        answer = await client.ask(stand.post("/v1/events", bodies[number]))
        if answer.status != 202:
            raise RuntimeError(f"answered {answer.status}: {answer.body[:500]!r}")
        accepted[json.loads(answer.body)["webhook_id"]] = time.monotonic_ns()
        idle.put_nowait(client)

    await _pace(publish)
    arrived: dict[str, int] = {}
    async with asyncio.timeout(ARRIVED_S):
        while not accepted.keys() <= arrived.keys():
            await asyncio.sleep(SETTLE_S)
            arrived = await machine.arrivals() | arrived
    return [(arrived[identity] - at) / 1e6 for identity, at in accepted.items()]


class Hops:
    """Produce, consume, produce, consume: what any pipeline of two topics must pay."""

    def __init__(self, machine: Machine, stand: Stand) -> None:
        servers = machine.node.bootstrap_servers
        self._first, self._second = stand.topic("quarantine"), stand.topic("dead-letters")
        self._entry = AIOKafkaProducer(bootstrap_servers=servers, acks="all")
        self._middle = AIOKafkaProducer(bootstrap_servers=servers, acks="all")
        self._readers = [
            AIOKafkaConsumer(
                topic,
                bootstrap_servers=servers,
                enable_auto_commit=False,
                auto_offset_reset="latest",
                fetch_max_wait_ms=100,
            )
            for topic in (self._first, self._second)
        ]
        self._tasks: list[asyncio.Task[None]] = []
        self._arrived: dict[bytes, int] = {}

    async def start(self) -> None:
        """Connect and pass one record through."""
        for client in (self._entry, self._middle, *self._readers):
            await client.start()
        for reader in self._readers:
            for place in reader.assignment():
                await reader.position(place)
        self._tasks = [asyncio.create_task(self._forward()), asyncio.create_task(self._take())]

    async def stop(self) -> None:
        """End everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for client in (self._entry, self._middle, *self._readers):
            await client.stop()

    async def measure(self) -> list[float]:
        """Send one segment; milliseconds from the first acknowledgement to the last read."""
        self._arrived.clear()
        accepted: dict[bytes, int] = {}

        async def publish(number: int) -> None:
            key = f"{secrets.token_hex(4)}-{number}".encode()
            await self._entry.send_and_wait(self._first, DATA, key=key)
            accepted[key] = time.monotonic_ns()

        await _pace(publish)
        await asyncio.sleep(SETTLE_S)
        return [(self._arrived[key] - at) / 1e6 for key, at in accepted.items()]

    async def _forward(self) -> None:
        async for record in self._readers[0]:
            await self._middle.send(self._second, record.value, key=record.key)

    async def _take(self) -> None:
        async for record in self._readers[1]:
            self._arrived[record.key] = time.monotonic_ns()
