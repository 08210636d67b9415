"""The deliverer fed from a filled topic, beside a bare aiohttp client on the same receiver."""

import asyncio
from dataclasses import dataclass
from time import monotonic

from bench.children import Child
from bench.figures import Bare, Figure, Goal, Spread
from bench.rounds import rounds
from bench.stand import Feeder, Machine, Stand
from bench.workload import DATA
from chassis.clock import SystemClock

ROUNDS = 10
BUDGET_S = 45.0
DELIVERIES = 8_000
BARE_REQUESTS = 4_000
LANES = 64
SETTLE_S = 0.3


@dataclass(frozen=True, slots=True)
class Round:
    """What one round cost."""

    per_cpu_s: float
    per_wall_s: float


async def measure(machine: Machine, *, partitions: int) -> list[Figure]:
    """Alternate rounds of ours and of the bare loop; the first of each warms up."""
    stand = Stand(machine, f"bench-deliverer-{partitions}", partitions=partitions)
    await stand.prepare()
    await stand.start("gateway")
    subscribers = await stand.subscribers("sub", LANES, each=1)
    await stand.stop("gateway")
    ours: list[Round] = []
    bare: list[Round] = []
    clock = SystemClock()
    async with Feeder(machine) as feeder:
        (deliverer,) = await stand.start("deliverer")
        client: Child | None = None
        for _ in rounds(ROUNDS, budget_s=BUDGET_S, monotonic=monotonic):
            records = stand.workload.delivery_records(
                subscribers, DELIVERIES, now_ms=clock.now_ms()
            )
            ours.append(await _deliver(machine, feeder, deliverer, records))
            client = client or await _bare_client(machine)
            bare.append(await _post(client))
        assert client is not None
        await machine.children.stop(client)
    await stand.stop_all_but()
    return _figures(ours[1:], bare[1:], partitions)


async def _deliver(machine: Machine, feeder: Feeder, deliverer: Child, records: list) -> Round:  # type: ignore[type-arg]
    before = await machine.received()
    loop = asyncio.get_running_loop()
    cpu_s, started = deliverer.cpu_s, loop.time()
    await feeder.append(records)
    await machine.until_received(before + len(records))
    wall_s = loop.time() - started
    await asyncio.sleep(SETTLE_S)  # the last tick belongs to the round
    deliverer.check()
    return Round(len(records) / (deliverer.cpu_s - cpu_s), len(records) / wall_s)


async def _bare_client(machine: Machine) -> Child:
    """Start the bare loop with the request that the deliverer sent last."""
    head, _, _ = (await machine.last_request()).partition(b"\r\n\r\n")
    fields = [line.partition(": ") for line in head.decode().split("\r\n")[1:]]
    skipped = {"host", "content-length"}
    headers = {name.lower(): value for name, _, value in fields if name.lower() not in skipped}
    client = await machine.worker("bare-client", "bench.bare_client")
    plan = {
        "url": f"http://127.0.0.1:{machine.receiver_port}/hooks",
        "headers": headers,
        "body": DATA.decode(),
        "connections": LANES,
    }
    await client.ask(plan)
    return client


async def _post(client: Child) -> Round:
    cpu_s = client.cpu_s
    answer = await client.ask({"count": BARE_REQUESTS})
    assert isinstance(answer, dict)
    return Round(BARE_REQUESTS / (client.cpu_s - cpu_s), BARE_REQUESTS / answer["wall_s"])


def _figures(ours: list[Round], bare: list[Round], partitions: int) -> list[Figure]:
    name = f"deliverer, {partitions} partition{'s' if partitions > 1 else ''}"
    what = "aiohttp client, no Kafka"
    return [
        Figure(
            name,
            "deliveries/CPU-s",
            Spread.of([one.per_cpu_s for one in ours]),
            Bare(what, Spread.of([one.per_cpu_s for one in bare])),
            Goal(1.5, is_ratio=True),
        ),
        Figure(
            f"{name}, wall",
            "deliveries/s",
            Spread.of([one.per_wall_s for one in ours]),
            Bare(what, Spread.of([one.per_wall_s for one in bare])),
        ),
    ]
