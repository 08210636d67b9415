"""Which benchmarks there are, in which order, on what; the table and `bench/results.json`."""

import asyncio
import json
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from time import process_time

import uvloop

from bench import deliverer_bench, fanout_bench, gateway_bench, latency_bench, pipeline_bench
from bench.figures import Figure
from bench.report import document, table
from bench.stand import Machine, Stand, broker
from bench.workload import Subscriber
from bench.yardstick import plain_python_ms
from chassis.clock import SystemClock
from hooklane.embedded_kafka import EmbeddedKafka, EmbeddedKafkaError
from schemas.rfc3339 import format_ms

RESULTS = Path(__file__).with_name("results.json")
NAMES = ("pipeline", "latency", "gateway", "fanout", "deliverer")
RUN_S_MAX = 900.0
PARTITIONS = 4
CROWDS = {1: 64, 10: 16}
"""Subscriptions per event → subscribers."""


def main(arguments: Sequence[str]) -> int:
    """Run the benchmarks named, all without a name; only a whole run is written down."""
    unknown = [name for name in arguments if name not in NAMES]
    if unknown:
        print(f"no such benchmark: {' '.join(unknown)}; there are: {' '.join(NAMES)}")
        return 2
    names = [name for name in NAMES if name in arguments] or list(NAMES)
    figures: list[Figure] = []
    try:
        with tempfile.TemporaryDirectory(prefix="hooklane-bench-") as at, broker() as node:
            uvloop.run(_run(node, Path(at), names, figures))
    except EmbeddedKafkaError as error:
        print(error, file=sys.stderr)
        return 1
    except TimeoutError:
        print(f"a bound was hit; a whole run has {RUN_S_MAX:g} s. So far:", file=sys.stderr)
        print("\n" + table(figures))
        return 1
    print("\n" + table(figures))
    if list(names) == list(NAMES):
        text = json.dumps(document(figures, surroundings()), indent=1)
        RESULTS.write_text(text + "\n", encoding="utf-8")
        print(f"\nwritten to bench/{RESULTS.name}")
    return 0


def surroundings() -> dict[str, object]:
    """Describe what a run stood on; figures of different machines are not comparable."""
    packages = ("aiohttp", "aiokafka", "uvloop", "msgspec", "httptools")
    loop = plain_python_ms(process_time)
    return {
        "finished_at": format_ms(SystemClock().now_ms()),
        "cpus": os.cpu_count(),
        "load_average": [round(one, 2) for one in os.getloadavg()],
        "machine": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "plain_python_ms": {
            "min": round(loop.least, 1),
            "median": round(loop.middle, 1),
            "max": round(loop.largest, 1),
        },
        "packages": {name: metadata.version(name) for name in packages},
    }


async def _run(
    node: EmbeddedKafka, folder: Path, names: Sequence[str], figures: list[Figure]
) -> None:
    async with asyncio.timeout(RUN_S_MAX), Machine(node, folder) as machine:
        await _on_one_stand(machine, names, figures)
        if "deliverer" in names:
            for partitions in (1, PARTITIONS):
                _say(f"measuring: deliverer, {partitions} partition(s)")
                figures += await deliverer_bench.measure(machine, partitions=partitions)


async def _on_one_stand(machine: Machine, names: Sequence[str], figures: list[Figure]) -> None:
    """Run what shares a deployment; fan-out comes last, for it leaves a backlog of deliveries."""
    stand = Stand(machine, "bench", partitions=PARTITIONS)
    await stand.prepare()
    await stand.start("gateway")
    crowds = await crowds_of(stand)
    _say("warming up")
    await pipeline_bench.warm_up(machine, stand, crowds)
    if "pipeline" in names:
        _say("measuring: pipeline")
        figures += await pipeline_bench.measure(machine, stand, crowds)
    if "latency" in names:
        _say("measuring: latency")
        figures += await latency_bench.measure(machine, stand, crowds[1])
    if "gateway" in names:
        _say("measuring: gateway")
        await stand.stop_all_but("gateway")
        figures += await gateway_bench.measure(machine, stand)
    if "fanout" in names:
        _say("measuring: fan-out")
        await stand.stop_all_but("fanout")
        figures += await fanout_bench.measure(machine, stand, crowds)
    await stand.stop_all_but()


async def crowds_of(stand: Stand) -> dict[int, list[Subscriber]]:
    """Create the subscribers of a deployment, by subscriptions per event."""
    return {
        each: await stand.subscribers(f"crowd-{each}", count, each=each)
        for each, count in CROWDS.items()
    }


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
