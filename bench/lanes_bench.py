"""What a dead receiver's backlog costs its neighbours, its recovery, and a takeover.

`python -m bench.lanes_bench [SCALE] [PART…]`: 1 = 200,000 events behind one dead lane, 10,000 held
lanes. Parts: isolation, crowd, retries, takeover (the last two are bench.tiers_bench); all without.
"""

import asyncio
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec
import uvloop

from bench.children import Child
from bench.figures import Bare, Figure, Goal, Spread, percentile
from bench.lanes_stand import (
    LANES_EACH,
    RATE,
    SETTLE_S,
    Deployment,
    Fickle,
    envelope_of,
    say,
    takeover_of,
)
from bench.report import document, replaced, table
from bench.run import surroundings
from bench.stand import Feeder, Machine
from bench.tiers_bench import retries, takeover
from bench.workload import FIRST_EPOCH
from chassis.clock import SystemClock
from chassis.kafka import Record
from hooklane.embedded_kafka import EmbeddedKafka, EmbeddedKafkaError
from schemas.delivery import DELIVERY_HEADER, encode_delivery

RESULTS = Path(__file__).with_name("lanes.json")
RUN_S_MAX = 900.0
BACKLOG = 200_000
DRAINED = 5_000
LANES = 10_000
FEW_LANES = 100
LIVE = 64
ROUNDS = 9
SEGMENTS = 4
SWEEP_READS = "hooklane_sweep_read_records_total"

PROBES = {"HOOKLANE_BREAKER__PROBE_S": "0.1", "HOOKLANE_BREAKER__PROBE_MAX_S": "0.1"}
"""Else breakers would keep the lanes of a dead receiver from failing, hence from being held."""
T = TypeVar("T")


async def isolation(
    machine: Machine, feeder: Feeder, fickle: Fickle, *, scale: float
) -> list[Figure]:
    """Alternate rounds of two deployments: one with a dead lane and its backlog, one without."""
    backlog = int(BACKLOG * scale)
    clean = await Deployment.make(machine, "clean", feeder)
    burdened = await Deployment.make(machine, "burdened", feeder)
    for one in (clean, burdened):
        one.live = await one.stand.subscribers("live", LIVE, each=1)
    await burdened.subscribe_dead(fickle.port, 1, held_s=5)
    await clean.run()
    deliverer = await burdened.run()
    await burdened.deliver_live()
    before_mb = _peak_mb(deliverer)
    say(f"{backlog} events behind one dead lane")
    await burdened.append(burdened.dead, 1)
    await fickle.until("refused", 1, within_s=30)
    await burdened.append(burdened.dead, backlog)
    await burdened.deliver_live()  # behind the backlog: the reader of the log has passed it
    say("live lanes, with and without it")
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
    say("recovery of the dead lane")
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


async def crowd(machine: Machine, feeder: Feeder, fickle: Fickle, *, scale: float) -> list[Figure]:
    """Let few and many lanes come back together."""
    figures = []
    for lanes, each in ((FEW_LANES, 50), (int(LANES * scale), 3)):
        say(f"{lanes} lanes held, a takeover, recovery")
        figures += await _many(machine, feeder, fickle, lanes=lanes, each=each)
    return figures


async def _many(
    machine: Machine, feeder: Feeder, fickle: Fickle, *, lanes: int, each: int
) -> list[Figure]:
    """Hold many lanes, take their partition over, then let all of them catch up."""
    subscriptions = -(-lanes // LANES_EACH)
    lanes = subscriptions * -(-lanes // subscriptions)  # as many for each of them
    held_s = 10 + lanes / 200
    many = await Deployment.make(machine, str(lanes), feeder)
    await many.subscribe_dead(fickle.port, subscriptions, held_s=held_s)
    await many.run()
    refused = (await fickle.tell("/break"))["refused"]
    records = list(_keyed(many, lanes=lanes, count=lanes * each))
    await many.feeder.append(records[:lanes])
    await fickle.until("refused", refused + lanes, within_s=2 * held_s)
    await many.feeder.append(records[lanes:])
    await asyncio.sleep(SETTLE_S)
    await many.stand.stop("deliverer")
    deliverer = await many.run()
    takeover = await takeover_of(deliverer)
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
        envelope = envelope_of(record)
        part = number % lanes // len(deployment.dead)
        lane = f"{envelope.subscription}/{FIRST_EPOCH}/{part}"
        moved = encode_delivery(msgspec.structs.replace(envelope, lane=lane))
        rest = [header for header in record.headers if header[0] != DELIVERY_HEADER]
        yield msgspec.structs.replace(record, headers=[(DELIVERY_HEADER, moved), *rest])


def _peak_mb(child: Child) -> float:
    """Return the largest resident size a process had so far."""
    status = Path(f"/proc/{child.process.pid}/status").read_text(encoding="ascii")
    line = next(one for one in status.splitlines() if one.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


async def _run(node: EmbeddedKafka, folder: Path, parts: Sequence[str], scale: float) -> None:
    async with asyncio.timeout(RUN_S_MAX), Machine(node, folder) as machine:
        fickle = await Fickle.start(machine)
        async with Feeder(machine) as feeder:
            for part in parts:
                figures = await PARTS[part](machine, feeder, fickle, scale=scale)
                print("\n" + table(figures), flush=True)
                if scale == 1:
                    _keep(part, figures)


def _keep(part: str, figures: Sequence[Figure]) -> None:
    known = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else "{}"
    text = replaced(known, part, document(figures, surroundings()))
    RESULTS.write_text(text, encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Run parts at the scale given; only a whole one is written down."""
    is_scaled = bool(arguments) and arguments[0] not in PARTS
    scale = float(arguments[0]) if is_scaled else 1.0
    parts = arguments[1 if is_scaled else 0 :] or list(PARTS)
    os.environ.update(PROBES)  # the services inherit it
    try:
        with tempfile.TemporaryDirectory(prefix="hooklane-bench-") as at, EmbeddedKafka() as node:
            uvloop.run(_run(node, Path(at), parts, scale))
    except EmbeddedKafkaError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


PARTS: Mapping[str, Callable[..., Awaitable[list[Figure]]]] = {
    "isolation": isolation,
    "crowd": crowd,
    "retries": retries,
    "takeover": takeover,
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
