"""Draw what the dashboards show of a real run: `python -m tests.e2e.record_dashboards docs/…`.

Not a test: it takes minutes and overwrites the pictures of the documents. A Kafka of its own, the
three services, a receiver that is well, fails for a while and comes back, and a Prometheus.
"""

import asyncio
import platform
import sys
import tempfile
from pathlib import Path

from hooklane.embedded_kafka import EmbeddedKafka
from tests.e2e.monitoring import PrometheusServer, Traffic, filled_in, server
from tests.e2e.receiver import Receiver
from tests.e2e.stack import Stack
from tools.dashboards.emit import DASHBOARDS
from tools.dashboards.model import Panel, Target
from tools.dashboards.plot import Data, Line, Span, page
from tools.prometheus import ensure

PER_S = 60.0
PHASES_S = (40.0, 30.0, 50.0)
"""All well; every receiver fails; they come back."""

STEP_S = 2.0


async def run(traffic: Traffic) -> None:
    """Publish through the three phases."""
    for number, seconds in enumerate(PHASES_S):
        traffic.is_down = number == 1
        await traffic.run(per_s=PER_S, seconds=seconds)


async def lines_of(prometheus: PrometheusServer, panel: Panel, span: Span) -> list[Line]:
    """Ask every query of a panel over the whole run."""
    found = []
    for target in panel.targets:
        expr = filled_in(target.expr, interval_s=10, range_s=round(span.end - span.start))
        start = span.end if panel.kind == "stat" else span.start
        for labels, points in await prometheus.values(
            expr, start=start, end=span.end, step_s=STEP_S
        ):
            found.append(Line(_name(target, labels), points))
    return found


def _name(target: Target, labels: dict[str, str]) -> str:
    name = target.legend
    for label, value in labels.items():
        name = name.replace(f"{{{{{label}}}}}", value)
    return name or target.expr


async def record(folder: Path, scratch: Path, bootstrap_servers: str) -> None:
    """Run the scenario and write one picture a dashboard."""
    stack, receiver = Stack(bootstrap_servers, "pictures", scratch), Receiver()
    prometheus = server(ensure().prometheus, scratch / "prometheus")
    await receiver.start()
    try:
        await stack.topics()
        services = await stack.start()
        traffic = Traffic(stack, receiver)
        await traffic.subscribe()
        await prometheus.start(services)
        await asyncio.sleep(12)
        start = await prometheus.now_s()
        await traffic.quarantine_one()
        await run(traffic)
        span = Span(start, await prometheus.now_s())
        for name, dashboard in DASHBOARDS.items():
            data: Data = {
                panel.title: await lines_of(prometheus, panel, span) for panel in dashboard.panels
            }
            text = page(dashboard, data, span=span, caption=caption(span))
            (folder / f"{name}.svg").write_text(text, encoding="utf-8")
    finally:
        await prometheus.stop()
        await stack.stop()
        await receiver.stop()


def caption(span: Span) -> str:
    """Say what this is a picture of."""
    return (
        f"A real run of {span.end - span.start:.0f} s: Kafka, one process a service, a receiver "
        f"and Prometheus (scrape 1 s) on one {platform.machine()} machine of 2 cores, shared with "
        "other work. First all well, then for a quarter of it every receiver of a tenant answers "
        "503, then well again."
    )


def main(arguments: list[str]) -> int:
    """Record into the folder that is given."""
    folder = Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    with EmbeddedKafka() as node, tempfile.TemporaryDirectory() as scratch:
        asyncio.run(record(folder, Path(scratch), node.bootstrap_servers))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
