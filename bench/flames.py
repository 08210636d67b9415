"""`python -m bench.flames [SERVICE…]`: where the CPU time of each service goes, as flame graphs.

Runs the benchmark of a service with py-spy (https://github.com/benfred/py-spy) beside it and writes
docs/flames/SERVICE.svg. Only samples in which the process was on a CPU count. What the profiler
takes makes the figures of such a run worthless; they are not written anywhere.
"""

import asyncio
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path

import uvloop

from bench import deliverer_bench, fanout_bench, gateway_bench
from bench.children import Child
from bench.run import PARTITIONS, crowds_of
from bench.stand import Machine, Stand, broker
from hooklane.embedded_kafka import EmbeddedKafka, EmbeddedKafkaError

FOLDER = Path(__file__).parents[1] / "docs" / "flames"
SAMPLES_PER_S = 250
SECONDS = 20
WARM_UP_S = 6.0
"""Imports and the first connections are no part of the picture."""
SEEN_S = 60.0
POLL_S = 0.05


async def _deliverer(machine: Machine) -> None:
    await deliverer_bench.measure(machine, partitions=1)


async def _gateway(machine: Machine) -> None:
    stand = await _stand(machine, "flames-gateway")
    await gateway_bench.measure(machine, stand)


async def _fanout(machine: Machine) -> None:
    stand = await _stand(machine, "flames-fanout")
    await stand.start("gateway")
    crowds = await crowds_of(stand)
    await stand.stop_all_but("fanout")
    await fanout_bench.measure(machine, stand, crowds)


LOADS: dict[str, Callable[[Machine], Coroutine[None, None, None]]] = {
    "gateway": _gateway,
    "fanout": _fanout,
    "deliverer": _deliverer,
}


def main(arguments: Sequence[str]) -> int:
    """Draw the services named, all without a name."""
    names = list(arguments) or list(LOADS)
    unknown = [name for name in names if name not in LOADS]
    if unknown:
        print(f"no such service: {' '.join(unknown)}; there are: {' '.join(LOADS)}")
        return 2
    profiler = shutil.which("py-spy")
    if profiler is None:
        print("py-spy is not in PATH; install it with: pipx install py-spy", file=sys.stderr)
        return 1
    FOLDER.mkdir(exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix="hooklane-bench-") as at, broker() as node:
            uvloop.run(_draw(node, Path(at), names, profiler))
    except EmbeddedKafkaError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


async def _draw(node: EmbeddedKafka, scratch: Path, names: Sequence[str], profiler: str) -> None:
    async with Machine(node, scratch) as machine:
        for name in names:
            print(f"drawing: {name}", file=sys.stderr, flush=True)
            async with asyncio.TaskGroup() as group:
                load = group.create_task(LOADS[name](machine))
                child = await _seen(machine, name)
                await asyncio.sleep(WARM_UP_S)
                await _record(profiler, child, FOLDER / f"{name}.svg")
                await load


async def _stand(machine: Machine, prefix: str) -> Stand:
    stand = Stand(machine, prefix, partitions=PARTITIONS)
    await stand.prepare()
    return stand


async def _seen(machine: Machine, name: str) -> Child:
    """Wait until the benchmark has started the service."""
    async with asyncio.timeout(SEEN_S):
        while (child := machine.children.find(name)) is None:  # noqa: ASYNC110 - not our event
            await asyncio.sleep(POLL_S)
    return child


async def _record(profiler: str, child: Child, target: Path) -> None:
    options = ("--format", "flamegraph", "--output", str(target), "--duration", str(SECONDS))
    process = await asyncio.create_subprocess_exec(
        profiler,
        "record",
        *options,
        *("--rate", str(SAMPLES_PER_S), "--pid", str(child.process.pid)),
        stdout=asyncio.subprocess.DEVNULL,
    )
    if await process.wait() != 0:
        raise RuntimeError(f"py-spy could not watch {child.name}; see its message above")
    _entitle(target, f"{child.name}: CPU time by function, bench/{child.name}_bench.py")


def _entitle(target: Path, title: str) -> None:
    """Name the picture for its content; the profiler's title is its own command line."""
    drawn = target.read_text(encoding="utf-8")
    named = re.sub(r'(<text id="title"[^>]*>)[^<]*', lambda found: found[1] + title, drawn)
    target.write_text(named.rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
