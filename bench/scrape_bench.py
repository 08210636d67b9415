"""What a scrape costs the event loop: `python -m bench.scrape_bench` prints one JSON document.

Beside the bare loop (the same work without scrapes) and beside what we did not build: the page made
at once on the loop, and the page made in a thread. The loop is busy half of its time with requests
of a millisecond. CPU times are the thread's own, so that neighbours do not count; lateness is the
clock's, and only the ratio to the bare loop says something.
"""

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from itertools import pairwise

from prometheus_client import CollectorRegistry, generate_latest

from chassis.clock import SystemClock
from chassis.exposition import MetricsPages
from hooklane.instruments import SERVICES, registry_of

SCRAPES = 60
PAUSE_S = 0.05
WORK_S = 0.001

Scrape = Callable[[CollectorRegistry], Awaitable[None]]


async def bare(_registry: CollectorRegistry) -> None:
    """Do nothing."""


async def sliced(registry: CollectorRegistry) -> None:
    """Render as the services do."""
    await MetricsPages(registry, SystemClock()).page("")


async def at_once(registry: CollectorRegistry) -> None:
    """Render on the loop in one go."""
    generate_latest(registry)


async def in_thread(registry: CollectorRegistry) -> None:
    """Render in a thread, which takes the interpreter from the loop."""
    await asyncio.to_thread(generate_latest, registry)


async def lateness_ms(registry: CollectorRegistry, scrape: Scrape) -> list[float]:
    """Return how late each millisecond of work began, while the page is scraped again and again."""
    late: list[float] = []
    is_over = False

    async def work() -> None:
        while not is_over:
            due = time.perf_counter() + WORK_S
            await asyncio.sleep(WORK_S)
            late.append((time.perf_counter() - due) * 1000)
            end = time.thread_time() + WORK_S
            while time.thread_time() < end:
                pass

    worker = asyncio.create_task(work())
    for _ in range(SCRAPES):
        await scrape(registry)
        await asyncio.sleep(PAUSE_S)
    is_over = True
    await worker
    return late


async def longest_slice_ms(registry: CollectorRegistry) -> float:
    """Return the CPU time of the longest hold of the loop in one scrape."""
    marks: list[float] = []

    async def mark() -> None:
        marks.append(time.thread_time())

    marks.append(time.thread_time())
    await MetricsPages(registry, SystemClock(), between=mark).page("")
    return max(b - a for a, b in pairwise(marks)) * 1000


def page_ms(registry: CollectorRegistry) -> float:
    """Return the CPU time of a whole page."""
    began = time.thread_time()
    generate_latest(registry)
    return (time.thread_time() - began) * 1000


def figures(service: str) -> dict[str, object]:
    """Measure one service."""
    registry = registry_of(service)
    whole = statistics.median(page_ms(registry) for _ in range(SCRAPES))
    slices = [asyncio.run(longest_slice_ms(registry)) for _ in range(SCRAPES)]
    late = {
        scrape.__name__: asyncio.run(lateness_ms(registry, scrape))
        for scrape in (bare, sliced, at_once, in_thread)
    }
    return {
        "page_bytes": len(generate_latest(registry)),
        "page_cpu_ms": round(whole, 2),
        "longest_slice_cpu_ms": round(statistics.median(slices), 2),
        "lateness_p99_ms": {
            name: round(statistics.quantiles(found, n=100)[98], 2) for name, found in late.items()
        },
    }


def main() -> int:
    """Print the figures of all services."""
    json.dump({service: figures(service) for service in SERVICES}, sys.stdout, indent=2)
    sys.stdout.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
