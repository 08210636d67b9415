"""What a third of all receivers costs the others when it hangs, rates, reuse, a silent name server.

`python -m bench.isolation_bench [SCALE]`: 1 = 1,000 endpoints, a minute of a limited rate.

Two deployments run beside each other and are measured in turn: in one every endpoint answers, in
the other 30 % take each request and never answer, until the attempt times out. All settings are the
defaults. What is measured are the endpoints that answer in both.
"""

import asyncio
import json
import os
import resource
import secrets
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uuid_utils
import uvloop

from bench.children import Child
from bench.figures import Bare, Figure, Goal, Spread, percentile
from bench.http_load import Exchanges, get, reach
from bench.report import document, table
from bench.run import surroundings
from bench.stand import Feeder, Machine, Stand
from bench.workload import Subscriber, spread_names
from chassis.clock import SystemClock
from chassis.egress import EgressPolicy
from chassis.kafka import Record
from chassis.vault import Vault, parse_keys
from gateway.kafka_registry import encode_change
from gateway.problems import Problem
from gateway.subscriptions import Rules, create, parse_create
from hooklane.embedded_kafka import EmbeddedKafka, EmbeddedKafkaError
from hooklane.kafka_properties import free_ports
from schemas.delivery import decode_delivery
from schemas.ids import id_of
from schemas.topics import partition_of

RESULTS = Path(__file__).with_name("isolation.json")
RUN_S_MAX = 235.0
ENDPOINTS = 1_000
HANGING_SHARE = 0.3
PARTITIONS = 4
ROUNDS = 4
EACH = 4
"""Deliveries for each endpoint in a round."""
SEGMENTS = 3
RATE = 100
SECONDS = 5
HANG_S = 5
PACED_PER_S = 10
PACED_S = 60
LOOKUPS = 400
SILENT = 300
DNS_ROUNDS = 3
POLL_S = 0.05
MB = 1_048_576
RULES = Rules(EgressPolicy.of(allow_http=True, allow_cidrs=["127.0.0.0/8"]), secrets.token_bytes)
CONNECTIONS = "hooklane_delivery_connections_total"
TUNED = {
    "HOOKLANE_EGRESS__ALLOW_CIDRS": "127.0.0.0/8",
}


class Crowd:
    """The process of all receivers, seen from here."""

    def __init__(self, port: int, asker: Exchanges) -> None:
        self.port = port
        self._asker = asker

    @classmethod
    async def start(cls, machine: Machine) -> "Crowd":
        """Start it."""
        (port,) = free_ports(1)
        await machine.worker("hanging-receiver", "bench.hanging_receiver", str(port))
        return cls(port, await reach(port))

    async def ask(self, path: str) -> Any:
        """Ask the process."""
        return json.loads((await self._asker.ask(get(path))).body)

    async def until(self, count: int, *, within_s: float = 60) -> None:
        """Wait until so many were answered."""
        async with asyncio.timeout(within_s):
            while await self.ask("/count") < count:  # noqa: ASYNC110 - another process counts
                await asyncio.sleep(0.01)


@dataclass
class Deployment:
    """One stand, its endpoints, and the deliverer that runs them."""

    stand: Stand
    crowd: Crowd
    feeder: Feeder
    answering: list[Subscriber] = field(default_factory=list)
    others: list[Subscriber] = field(default_factory=list)
    deliverer: Child | None = None

    @classmethod
    async def make(
        cls, machine: Machine, name: str, *, crowd: Crowd, feeder: Feeder
    ) -> "Deployment":
        """Create its topics."""
        stand = Stand(machine, f"bench-isolation-{name}", partitions=PARTITIONS)
        await stand.prepare()
        return cls(stand, crowd, feeder)

    async def populate(self, count: int, *, others_hang: bool) -> None:
        """Create the endpoints: each an address of its own, one subscription a subscriber."""
        hanging = int(count * HANGING_SHARE)
        names = spread_names("end", count, PARTITIONS)
        others = names[:hanging]
        kind = 2 if others_hang else 1
        bodies = {name: self._body(kind, 9, number) for number, name in enumerate(others)}
        for number, name in enumerate(others):
            # Half of them keep no order, so that each has several attempts out.
            bodies[name] |= {"ordering": "none"} if number % 2 else {}
        bodies |= {name: self._body(1, 0, n) for n, name in enumerate(names[hanging:])}
        made = await self._create(bodies)
        self.others, self.answering = made[:hanging], made[hanging:]

    async def pace(self, per_second: float) -> Subscriber:
        """Create an endpoint with a limited rate."""
        body = self._body(3, 0, 0) | {"rate_limit": {"per_second": per_second}, "max_in_flight": 50}
        (made,) = await self._create({"paced-0": body})
        return made

    def _body(self, kind: int, block: int, number: int) -> dict[str, object]:
        address = f"127.{kind}.{block + number // 250}.{number % 250 + 1}"
        return {"url": f"http://{address}:{self.crowd.port}/hooks", "timeout_s": HANG_S}

    async def _create(self, bodies: dict[str, dict[str, object]]) -> list[Subscriber]:
        """Write the subscriptions as the gateway would have written them."""
        vault, topic = Vault(parse_keys(self.stand.vault_key)), self.stand.topic("registry")
        records, made = [], []
        for name, body in bodies.items():
            parsed = parse_create(dict(body), RULES)  # type: ignore[arg-type]  # plain JSON
            assert not isinstance(parsed, Problem), parsed
            identity = id_of("sub", uuid_utils.uuid7().bytes)
            change = create(
                parsed, subscriber=name, subscription_id=identity, now_ms=SystemClock().now_ms()
            )
            key, value, _ = encode_change(change, vault)
            partition = partition_of(name.encode(), PARTITIONS)
            records.append(Record(topic, partition, key, value, []))
            made.append(Subscriber(name, partition, (identity,)))
        await self.feeder.append(records)
        return made

    async def run(self) -> None:
        """Start the deliverer, alone."""
        (self.deliverer,) = await self.stand.start("deliverer")

    def _records(self, count: int) -> list[Record]:
        """Make deliveries for all endpoints in turn, those that answer and the others mixed."""
        answering, others = iter(self.answering), iter(self.others)
        every = max(1, round(1 / HANGING_SHARE))
        mixed = []
        for number in range(len(self.answering) + len(self.others)):
            first, second = (others, answering) if number % every == 0 else (answering, others)
            one = next(first, None) or next(second, None)
            assert one is not None
            mixed.append(one)
        now_ms = SystemClock().now_ms()
        return self.stand.workload.delivery_records(mixed, count, now_ms=now_ms)

    async def deliver(self, each: int = EACH) -> float:
        """Append a round; gives deliveries per second to those that answer, until the last one."""
        wanted = each * len(self.answering)
        is_all_answering = self._has_only_answering
        total = wanted + (each * len(self.others) if is_all_answering else 0)
        records = self._records(each * (len(self.answering) + len(self.others)))
        before, began = await self.crowd.ask("/count"), time.monotonic()
        await self.feeder.append(records)
        await self.crowd.until(before + total)
        return wanted / (time.monotonic() - began)

    async def delays_ms(self) -> list[float]:
        """Append at a steady rate; milliseconds until the first byte at those that answer."""
        records = self._records(RATE * SECONDS)
        loop, sent = asyncio.get_running_loop(), dict[str, int]()
        await self.crowd.ask("/arrivals")
        started = loop.time()
        for number, record in enumerate(records):
            await asyncio.sleep(max(0.0, started + number / RATE - loop.time()))
            envelope = decode_delivery(record.headers)
            sent[envelope.webhook_id] = time.monotonic_ns()  # type: ignore[union-attr]  # ours
            await self.feeder.append([record])
        await asyncio.sleep(1)
        arrived = dict(await self.crowd.ask("/arrivals"))
        await self.crowd.ask("/stop-arrivals")
        return [(at - sent[one]) / 1e6 for one, at in arrived.items() if one in sent]

    @property
    def _has_only_answering(self) -> bool:
        return self.stand.prefix.endswith("clean")

    async def reused(self) -> tuple[float, float]:
        """Return how many connections were reused, and how many used in all."""
        kept = await self.stand.metric("deliverer", f'{CONNECTIONS}{{reused="true"}}')
        return kept, await self.stand.metric("deliverer", CONNECTIONS)

    def rss_mb(self) -> float:
        """Return the resident memory of the deliverer now."""
        assert self.deliverer is not None
        statm = Path(f"/proc/{self.deliverer.process.pid}/statm").read_text(encoding="ascii")
        return int(statm.split()[1]) * resource.getpagesize() / MB


async def measure(machine: Machine, *, scale: float) -> list[Figure]:
    """Measure all of it."""
    crowd = await Crowd.start(machine)
    async with Feeder(machine) as feeder:
        clean = await Deployment.make(machine, "clean", crowd=crowd, feeder=feeder)
        hurt = await Deployment.make(machine, "hurt", crowd=crowd, feeder=feeder)
        _say(f"{int(ENDPOINTS * scale)} endpoints, twice")
        await clean.populate(int(ENDPOINTS * scale), others_hang=False)
        await hurt.populate(int(ENDPOINTS * scale), others_hang=True)
        paced = await clean.pace(PACED_PER_S)
        await clean.run()
        await hurt.run()
        now_ms = SystemClock().now_ms()
        limited = int(PACED_PER_S * PACED_S * scale * 1.1) + 20
        await feeder.append(clean.stand.workload.delivery_records([paced], limited, now_ms=now_ms))
        _say("those that answer, with and without the others hanging")
        figures = await _beside(clean, hurt)
        _say(f"\n{table(figures)}\n")
        _say("the limited rate")
        figures.append(await _rate(crowd, int(PACED_S * scale)))
        await clean.stand.stop_all_but()
        await hurt.stand.stop_all_but()
    return figures + await _silent_names(machine, crowd)


async def _beside(clean: Deployment, hurt: Deployment) -> list[Figure]:
    """Alternate the two; the onset of the attack is measured apart, then its long run."""
    await clean.deliver(1)
    onset_clean, onset = await clean.deliver(), await hurt.deliver()
    before_mb = hurt.rss_mb()
    _say(f"onset: {onset:.0f}/s beside {onset_clean:.0f}/s; rounds")
    rates = [(await clean.deliver(), await hurt.deliver()) for _ in range(ROUNDS)]
    _say(f"rounds: {rates}; a steady rate")
    reused = await clean.reused()
    delays = [(await clean.delays_ms(), await hurt.delays_ms()) for _ in range(SEGMENTS)]
    kept, used = (now - then for now, then in zip(await clean.reused(), reused, strict=True))
    growth_mb = hurt.rss_mb() - before_mb
    hung = await hurt.crowd.ask("/hung")
    normal = [percentile(one, 0.99) for one, _ in delays]
    what = "all answer"
    share = f"{HANGING_SHARE:.0%} of {len(hurt.answering) + len(hurt.others):,} endpoints hang"
    return [
        Figure(
            "healthy throughput at the onset",
            "deliveries/s",
            Spread.of([onset]),
            Bare(what, Spread.of([onset_clean])),
            note=f"{share}; the first round, in which nothing is known of them yet",
        ),
        Figure(
            "healthy throughput",
            "deliveries/s",
            Spread.of([one for _, one in rates]),
            Bare(what, Spread.of([one for one, _ in rates])),
            Goal(0.95, is_ratio=True),
            note=f"{share}, half of them with eight attempts out each: {hung:,} requests hung",
        ),
        Figure(
            f"healthy p99 at {RATE}/s",
            "ms",
            Spread.of([percentile(one, 0.99) for _, one in delays]),
            Bare(what, Spread.of(normal)),
            Goal(2 * Spread.of(normal).middle + 50, "at most"),
            note="from the append to `deliveries` to the first byte; goal: twice the bare + 50 ms",
        ),
        Figure(
            "growth of memory meanwhile",
            "MB",
            Spread.of([growth_mb]),
            goal=Goal(30, "at most"),
            note="resident, from after the onset to the end",
        ),
        Figure(
            "connections reused",
            "share",
            Spread.of([kept / used]),
            goal=Goal(0.95),
            note=f"at {RATE}/s over all endpoints",
        ),
    ]


async def _rate(crowd: Crowd, seconds: int) -> Figure:
    """Count the requests of the limited endpoint in the busiest such span."""
    while True:
        times: list[int] = await crowd.ask("/paced")
        if times and times[-1] - times[0] >= seconds * 1e9:
            break
        await asyncio.sleep(1)
    span = seconds * 10**9
    busiest, first = 0, 0
    for last, at in enumerate(times):
        while at - times[first] >= span:
            first += 1
        busiest = max(busiest, last - first + 1)
    return Figure(
        f"`rate_limit` of {PACED_PER_S}/s",
        "requests/s",
        Spread.of([busiest / seconds]),
        goal=Goal(PACED_PER_S * 1.05, "at most"),
        note=f"in the busiest {seconds} s, a full burst among them",
    )


async def _silent_names(machine: Machine, crowd: Crowd) -> list[Figure]:
    """Send to names that are looked up each time, with and without silent ones beside them."""
    _say("look-ups beside names whose server is silent")
    worker = await machine.worker("resolver", "bench.resolver_worker", str(crowd.port))
    p99: dict[int, list[float]] = {0: [], SILENT: []}
    rates: dict[int, list[float]] = {0: [], SILENT: []}
    for number in range(DNS_ROUNDS + 1):
        for silent in (0, SILENT):
            answer: Any = await worker.ask({"count": LOOKUPS, "silent": silent})
            if number:  # the first round warms up
                p99[silent].append(percentile(answer["took_ms"], 0.99))
                rates[silent].append(LOOKUPS / answer["seconds"])
    await machine.children.stop(worker)
    normal = Spread.of(p99[0])
    return [
        Figure(
            "fresh names beside silent ones, p99",
            "ms",
            Spread.of(p99[SILENT]),
            Bare("no silent name", normal),
            Goal(2 * normal.middle + 50, "at most"),
            note=f"look-up, connection, answer; {SILENT} look-ups of silent names under way",
        ),
        Figure(
            "fresh names beside silent ones",
            "deliveries/s",
            Spread.of(rates[SILENT]),
            Bare("no silent name", Spread.of(rates[0])),
        ),
    ]


def _say(text: str) -> None:
    print(f"measuring: {text}", file=sys.stderr, flush=True)


async def _run(node: EmbeddedKafka, folder: Path, scale: float) -> list[Figure]:
    async with asyncio.timeout(RUN_S_MAX), Machine(node, folder) as machine:
        return await measure(machine, scale=scale)


def main(arguments: list[str]) -> int:
    """Run at the scale given; only a whole one is written down."""
    scale = float(arguments[0]) if arguments else 1.0
    os.environ.update(TUNED)  # the services inherit it
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
