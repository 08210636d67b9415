"""What many subscriptions cost: load, memory, one more, and the filters of one event.

`python -m bench.registry_bench [SCALE]`: 1 = 100,000 subscriptions.
"""

import asyncio
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import uvloop

from bench import crowd
from bench.children import Child
from bench.figures import Figure, Goal, Spread, percentile
from bench.http_load import connect
from bench.report import document, table
from bench.run import surroundings
from bench.stand import Machine, Stand
from bench.workload import DATA, SOURCE, TYPE
from chassis.clock import SystemClock
from hooklane.dev.plan import SERVICES
from hooklane.embedded_kafka import EmbeddedKafka, EmbeddedKafkaError
from schemas.event import Event
from schemas.filters import CompiledFilter, compile_filter
from schemas.filters.view import EventView

RESULTS = Path(__file__).with_name("registry.json")
SUBSCRIPTIONS = 100_000
PARTITIONS = 12
RUN_S_MAX = 235.0
CREATED = 300
WARM = 20
SETTLE_S = 1.5
LOAD_S_GOAL = 10.0
CREATE_MS_GOAL = 150.0
MEMORY_BYTES_GOAL = 2_048.0
CROWDS = (1, 100, 1_000)
ROUNDS = 7
EVENTS = {1: 2_000, 100: 200, 1_000: 40}

SHAPES: tuple[Callable[[int], dict[str, object]], ...] = (
    lambda number: {"type": TYPE, "data.currency": ("EUR", "USD", "GBP")[number % 3]},
    lambda number: {"data.amount": {"$gte": number % 9_000, "$lt": number % 9_000 + 5_000}},
    lambda number: {"data.customer.country": {"$in": ["PT", "ES", "FR"][: 1 + number % 3]}},
    lambda number: {"data.lines.sku": f"sku-{number % 40:04d}"},
    lambda number: {
        "$or": [{"data.customer.id": f"cus_{number}"}, {"data.note": {"$prefix": "leave"}}]
    },
)
"""What people filter by: a field, a range, a list, an array's elements, a choice."""


def rss_bytes(child: Child) -> int:
    """Return the resident memory of a process now."""
    pages = Path(f"/proc/{child.process.pid}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * resource.getpagesize()


async def _started(stand: Stand, service: str) -> tuple[float, int]:
    """Start a service; gives seconds until it was ready and its memory a moment later."""
    began = time.monotonic()
    (child,) = await stand.start(service)
    took_s = time.monotonic() - began
    await asyncio.sleep(SETTLE_S)
    return took_s, rss_bytes(child)


async def _loads(machine: Machine, count: int) -> list[Figure]:
    """Compare each service on an empty registry with the same on a full one."""
    empty = Stand(machine, "empty", partitions=PARTITIONS)
    await empty.prepare()
    bare: dict[str, tuple[float, int]] = {}
    for service in SERVICES:
        bare[service] = await _started(empty, service)
        await empty.stop(service)
    full = Stand(machine, "full", partitions=PARTITIONS)
    await full.prepare()
    now_ms = SystemClock().now_ms()
    record_bytes = await crowd.write(
        machine, crowd.records(full, full.vault_key, count, now_ms=now_ms)
    )
    figures = []
    for service in SERVICES:
        took_s, memory = await _started(full, service)
        bare_s, bare_bytes = bare[service]
        note = f"{took_s:.1f} s from start to ready; {bare_s:.1f} s with an empty registry"
        figures += [
            _one(f"{service}, load", "s", took_s - bare_s, goal=LOAD_S_GOAL, note=note),
            _one(
                f"{service}, memory per subscription",
                "bytes",
                (memory - bare_bytes) / count,
                goal=MEMORY_BYTES_GOAL,
                note=f"beyond {bare_bytes / 2**20:.0f} MiB; a record has {record_bytes:.0f} bytes",
            ),
        ]
        if service != "gateway":
            await full.stop(service)
    return figures + await _creations(full)


async def _creations(stand: Stand) -> list[Figure]:
    """Create subscriptions one after another on the full registry."""
    client = await connect(stand.gateway_port)
    took_ms = []
    for number in range(WARM + CREATED):
        path = f"/v1/subscribers/newcomer-{number % 40}/subscriptions"
        request = stand.post(path, json.dumps(crowd.body_of(number)).encode())
        began = time.perf_counter()
        answer = await client.ask(request)
        took_ms.append((time.perf_counter() - began) * 1000)
        if answer.status != 201:
            raise RuntimeError(f"answered {answer.status}: {answer.body[:500]!r}")
    client.close()
    alone = took_ms[WARM:]
    return [
        _one("create, p50", "ms", percentile(alone, 0.5)),
        _one("create, p99", "ms", percentile(alone, 0.99), goal=CREATE_MS_GOAL),
    ]


def filter_costs() -> list[Figure]:
    """Judge one event by many filters, as fan-out does: the event is parsed once for all."""
    event = Event(
        subscriber="acme",
        id="1",
        source=SOURCE,
        type=TYPE,
        datacontenttype="application/json",
        data=DATA,
    )
    figures = []
    for crowd_size in CROWDS:
        filters = [compiled(SHAPES[one % len(SHAPES)](one)) for one in range(crowd_size)]
        rounds = []
        for _ in range(ROUNDS):
            began = time.process_time()
            for _ in range(EVENTS[crowd_size]):
                view = EventView(event)
                for one in filters:
                    one.matches(view)
            rounds.append((time.process_time() - began) / EVENTS[crowd_size] * 1e6)
        figures.append(Figure(f"filters, {crowd_size} an event", "µs CPU", Spread.of(rounds)))
    return figures


def compiled(document: dict[str, object]) -> CompiledFilter:
    """Compile a filter of ours, which has no mistakes."""
    found = compile_filter(document)
    assert isinstance(found, CompiledFilter)
    return found


def _one(
    name: str, unit: str, value: float, *, goal: float | None = None, note: str = ""
) -> Figure:
    wanted = None if goal is None else Goal(goal, "at most")
    return Figure(name, unit, Spread.of([value]), goal=wanted, note=note)


async def _run(node: EmbeddedKafka, folder: Path, count: int) -> list[Figure]:
    async with asyncio.timeout(RUN_S_MAX), Machine(node, folder) as machine:
        return await _loads(machine, count)


def main(arguments: list[str]) -> int:
    """Run at the scale given; only a whole one is written down."""
    scale = float(arguments[0]) if arguments else 1.0
    os.environ.setdefault("HOOKLANE_LOG__LEVEL", "warning")
    try:
        with tempfile.TemporaryDirectory(prefix="hooklane-bench-") as at, EmbeddedKafka() as node:
            figures = uvloop.run(_run(node, Path(at), round(SUBSCRIPTIONS * scale)))
    except EmbeddedKafkaError as error:
        print(error, file=sys.stderr)
        return 1
    figures += filter_costs()
    print("\n" + table(figures))
    if scale == 1:
        text = json.dumps(document(figures, surroundings()), indent=1)
        RESULTS.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
