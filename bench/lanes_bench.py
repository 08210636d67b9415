"""What a dead receiver's backlog costs its neighbours, its recovery, and a takeover.

`python -m bench.lanes_bench [SCALE]`: 1 = 200,000 events behind one dead lane, 10,000 held lanes.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec
import uvloop

from bench.children import Child
from bench.figures import Bare, Figure, Goal, Spread, percentile
from bench.http_load import Exchanges, connect, get
from bench.report import document, table
from bench.run import surroundings
from bench.stand import Feeder, Machine, Stand
from bench.workload import FIRST_EPOCH, Subscriber, spread_names
from chassis.clock import SystemClock
from chassis.kafka import Record
from hooklane.embedded_kafka import EmbeddedKafka, EmbeddedKafkaError
from hooklane.kafka_properties import free_ports
from schemas.delivery import DELIVERY_HEADER, DeliveryEnvelope, decode_delivery, encode_delivery

RESULTS = Path(__file__).with_name("lanes.json")
RUN_S_MAX = 900.0
BACKLOG = 200_000
DRAINED = 5_000
LANES = 10_000
FEW_LANES = 100
LANES_EACH = 64
"""Lanes of a subscription with ordering keys."""
LIVE = 64
ROUNDS = 9
DELIVERIES = 2_000
SEGMENTS = 4
RATE = 50
SECONDS = 4
CHUNK = 5_000
SETTLE_S = 0.3
POLL_S = 0.05
SWEEP_READS = "hooklane_sweep_read_records_total"

PROBES = {"HOOKLANE_BREAKER__PROBE_S": "0.1", "HOOKLANE_BREAKER__PROBE_MAX_S": "0.1"}
"""Else breakers would keep the lanes of a dead receiver from failing, hence from being held."""
T = TypeVar("T")


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
        async with asyncio.timeout(20):
            while True:
                try:
                    return cls(port, await connect(port))
                except OSError:
                    await asyncio.sleep(POLL_S)

    async def tell(self, path: str = "/state") -> dict[str, int]:
        """Switch it by `/break` or `/mend`; gives how many it accepted and refused so far."""
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

    async def subscribe_dead(self, port: int, count: int, *, held_s: float) -> None:
        """Create subscriptions to the fickle receiver, whose failures wait so long."""
        client = await connect(self.stand.gateway_port)
        body = {
            "url": f"http://127.0.0.1:{port}/hooks",
            "max_in_flight": LANES_EACH,
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
            sent[_envelope(record).webhook_id] = time.monotonic_ns()
            await self.feeder.append([record])
        await self.machine.until_received(before + len(records))
        arrived = await self.machine.arrivals()
        return [(arrived[one] - at) / 1e6 for one, at in sent.items()]


async def measure(machine: Machine, *, scale: float) -> list[Figure]:
    """Measure all of it."""
    fickle = await Fickle.start(machine)
    async with Feeder(machine) as feeder:
        figures = await _isolation(machine, feeder, fickle, backlog=int(BACKLOG * scale))
        for lanes, each in ((FEW_LANES, 50), (int(LANES * scale), 3)):
            _say(f"{lanes} lanes held, a takeover, recovery")
            figures += await _many(machine, feeder, fickle, lanes=lanes, each=each)
    return figures


async def _isolation(
    machine: Machine, feeder: Feeder, fickle: Fickle, *, backlog: int
) -> list[Figure]:
    """Alternate rounds of two deployments: one with a dead lane and its backlog, one without."""
    clean = await Deployment.make(machine, "clean", feeder)
    burdened = await Deployment.make(machine, "burdened", feeder)
    for one in (clean, burdened):
        one.live = await one.stand.subscribers("live", LIVE, each=1)
    await burdened.subscribe_dead(fickle.port, 1, held_s=5)
    await clean.run()
    deliverer = await burdened.run()
    await burdened.deliver_live()
    before_mb = _peak_mb(deliverer)
    _say(f"{backlog} events behind one dead lane")
    await burdened.append(burdened.dead, 1)
    await fickle.until("refused", 1, within_s=30)
    await burdened.append(burdened.dead, backlog)
    await burdened.deliver_live()  # behind the backlog: the reader of the log has passed it
    _say("live lanes, with and without it")
    rates = await _alternate(ROUNDS, clean.deliver_live, burdened.deliver_live)
    delays = await _alternate(SEGMENTS, clean.delays_ms, burdened.delays_ms)
    growth_mb = _peak_mb(deliverer) - before_mb
    await clean.stand.stop_all_but()
    figures = [
        *_beside(rates, delays, backlog),
        Figure(
            "growth of a deliverer's peak memory",
            "MB",
            Spread.of([growth_mb]),
            goal=Goal(100, "at most"),
            note=f"from before the backlog of {backlog:,} events to after all rounds beside it",
        ),
    ]
    figures += await _recovery(burdened, fickle, drained=min(backlog, DRAINED))
    await burdened.stand.stop_all_but()
    return figures


async def _alternate(
    rounds: int, clean: Callable[[], Awaitable[T]], burdened: Callable[[], Awaitable[T]]
) -> tuple[list[T], list[T]]:
    """Measure both in turn; the first round of each warms up."""
    pairs = [(await clean(), await burdened()) for _ in range(rounds + 1)][1:]
    return [one for one, _ in pairs], [other for _, other in pairs]


def _beside(
    rates: tuple[list[float], list[float]],
    delays: tuple[list[list[float]], list[list[float]]],
    backlog: int,
) -> list[Figure]:
    what = "no dead lane"
    clean, burdened = ([percentile(one, 0.99) for one in side] for side in delays)
    allowed_ms = 2 * Spread.of(clean).middle + 50
    return [
        Figure(
            "live lanes beside a dead one",
            "deliveries/CPU-s",
            Spread.of(rates[1]),
            Bare(what, Spread.of(rates[0])),
            Goal(0.95, is_ratio=True),
            note=f"{LIVE} lanes on the partition of a lane with {backlog:,} events behind its head",
        ),
        Figure(
            f"live lanes beside a dead one, p99 at {RATE}/s",
            "ms",
            Spread.of(burdened),
            Bare(what, Spread.of(clean)),
            Goal(allowed_ms, "at most"),
            note="from the append to `deliveries` to the first byte; goal: twice the bare + 50 ms",
        ),
    ]


async def _recovery(burdened: Deployment, fickle: Fickle, *, drained: int) -> list[Figure]:
    """Mend the receiver; the one lane drains, one request at a time."""
    _say("recovery of the dead lane")
    assert burdened.deliverer is not None
    reads = await burdened.stand.metric("deliverer", SWEEP_READS)
    before = (await fickle.tell("/mend"))["accepted"]
    await fickle.until("accepted", before + 1, within_s=30)
    loop, cpu_s = asyncio.get_running_loop(), burdened.deliverer.cpu_s
    started = loop.time()
    await fickle.until("accepted", before + drained, within_s=120)
    wall_s, used_s = loop.time() - started, burdened.deliverer.cpu_s - cpu_s
    accepted = (await fickle.tell("/break"))["accepted"] - before
    reads = await burdened.stand.metric("deliverer", SWEEP_READS) - reads
    name = "recovery of one lane"
    return [
        Figure(f"{name}, wall", "deliveries/s", Spread.of([accepted / wall_s])),
        Figure(f"{name}", "deliveries/CPU-s", Spread.of([accepted / used_s])),
        Figure("log read again, 1 lagging lane", "reads/delivery", Spread.of([reads / accepted])),
    ]


async def _many(
    machine: Machine, feeder: Feeder, fickle: Fickle, *, lanes: int, each: int
) -> list[Figure]:
    """Hold many lanes, take their partition over, then let all of them catch up."""
    crowd = -(-lanes // LANES_EACH)
    lanes = crowd * -(-lanes // crowd)  # as many for each subscription
    held_s = 10 + lanes / 200
    many = await Deployment.make(machine, str(lanes), feeder)
    await many.subscribe_dead(fickle.port, crowd, held_s=held_s)
    await many.run()
    refused = (await fickle.tell("/break"))["refused"]
    records = list(_keyed(many, lanes=lanes, count=lanes * each))
    await many.feeder.append(records[:lanes])
    await fickle.until("refused", refused + lanes, within_s=2 * held_s)
    await many.feeder.append(records[lanes:])
    await asyncio.sleep(SETTLE_S)
    await many.stand.stop("deliverer")
    deliverer = await many.run()
    takeover = await _takeover(deliverer)
    before = (await fickle.tell("/mend"))["accepted"]
    await fickle.until("accepted", before + lanes * each, within_s=60 + 3 * held_s)
    reads = await many.stand.metric("deliverer", SWEEP_READS)
    await many.stand.stop_all_but()
    return [
        Figure(
            f"log read again, {lanes:,} lagging lanes",
            "reads/delivery",
            Spread.of([reads / (lanes * (each - 1))]),
            note=f"{each - 1} deliveries behind each head, by turns",
        ),
        Figure(
            f"takeover of {takeover['lanes']:,} lanes",
            "s",
            Spread.of([takeover["took_ms"] / 1000]),
            goal=Goal(3, "at most"),
            note="claim, registry, `lanes` and positions read, machine made; without the group's "
            f"session. Held when it began: {lanes:,}",
        ),
    ]


def _keyed(deployment: Deployment, *, lanes: int, count: int) -> Iterator[Record]:
    """Give deliveries that go round all lanes of all subscriptions."""
    now_ms = SystemClock().now_ms()
    made = deployment.stand.workload.delivery_records(deployment.dead, count, now_ms=now_ms)
    for number, record in enumerate(made):
        envelope = _envelope(record)
        part = number % lanes // len(deployment.dead)
        lane = f"{envelope.subscription}/{FIRST_EPOCH}/{part}"
        moved = encode_delivery(msgspec.structs.replace(envelope, lane=lane))
        rest = [header for header in record.headers if header[0] != DELIVERY_HEADER]
        yield record._replace(headers=[(DELIVERY_HEADER, moved), *rest])


def _envelope(record: Record) -> DeliveryEnvelope:
    envelope = decode_delivery(record.headers)
    assert isinstance(envelope, DeliveryEnvelope)
    return envelope


async def _takeover(deliverer: Child) -> dict[str, int]:
    """Read from its log what the takeover found and how long it took."""
    async with asyncio.timeout(60):
        while True:
            log = deliverer.log.read_text(errors="replace")
            mine = log.rpartition('"process.starting"')[2]  # processes share the file, in turn
            for line in mine.splitlines():
                if '"takeover.done"' in line and (found := dict(json.loads(line)))["lanes"]:
                    return found
            await asyncio.sleep(POLL_S)


def _peak_mb(child: Child) -> float:
    """Return the largest resident size a process had so far."""
    status = Path(f"/proc/{child.process.pid}/status").read_text(encoding="ascii")
    line = next(one for one in status.splitlines() if one.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def _say(text: str) -> None:
    print(f"measuring: {text}", file=sys.stderr, flush=True)


async def _run(node: EmbeddedKafka, folder: Path, scale: float) -> list[Figure]:
    async with asyncio.timeout(RUN_S_MAX), Machine(node, folder) as machine:
        return await measure(machine, scale=scale)


def main(arguments: list[str]) -> int:
    """Run at the scale given; only a whole one is written down."""
    scale = float(arguments[0]) if arguments else 1.0
    os.environ.update(PROBES)  # the services inherit it
    try:
        with tempfile.TemporaryDirectory(prefix="hooklane-bench-") as at, EmbeddedKafka() as node:
            figures = uvloop.run(_run(node, Path(at), scale))
    except EmbeddedKafkaError as error:
        print(error, file=sys.stderr)
        return 1
    print("\n" + table(figures))
    if scale == 1:
        text = json.dumps(document(figures, surroundings()), indent=1)
        RESULTS.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
