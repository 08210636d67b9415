"""The page of metrics: the library's own bytes, made while the loop turns."""

import asyncio

import pytest
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder

from chassis.exposition import MetricsPages
from tests.fakes.clock import ManualClock

OPEN_METRICS = "application/openmetrics-text; version=1.0.0"
FAMILIES = 20


def filled() -> CollectorRegistry:
    """Give a registry with every kind of instrument, large and small."""
    disable_created_metrics()  # type: ignore[no-untyped-call]  # as every process does
    registry = CollectorRegistry()
    for number in range(FAMILIES - 2):
        Gauge(f"hooklane_gauge_{number}", "A gauge.", registry=registry).set(number)
    counter = Counter("hooklane_things", "Things.", ["kind"], registry=registry)
    for kind in range(150):
        counter.labels(f"k{kind}").inc(kind)
    Histogram("hooklane_wait_seconds", 'A "wait".\nLong.', registry=registry).observe(0.3)
    return registry


@pytest.mark.parametrize("accept", ["", "text/plain", OPEN_METRICS])
async def test_slices_add_up_to_the_page_of_the_library(accept: str) -> None:
    """Byte for byte, in each format Prometheus may ask for."""
    registry = filled()
    encode, wanted_type = choose_encoder(accept)

    body, content_type = await MetricsPages(registry, ManualClock()).page(accept)

    assert content_type == wanted_type
    assert body == encode(registry)


async def test_other_tasks_run_between_two_slices() -> None:
    """A scrape holds the loop no longer than a slice takes."""
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(turn())
    await asyncio.sleep(0)
    before = turns
    await MetricsPages(filled(), ManualClock()).page("")
    other.cancel()

    assert turns - before >= FAMILIES


async def test_two_scrapes_at_once_share_one_rendering() -> None:
    """The second waits for the first one's page."""
    pauses = 0

    async def pause() -> None:
        nonlocal pauses
        pauses += 1
        await asyncio.sleep(0)

    pages = MetricsPages(filled(), ManualClock(), between=pause)
    first, second = await asyncio.gather(pages.page(""), pages.page(""))

    assert first == second
    assert pauses == FAMILIES + 2  # 150 series are three slices


async def test_few_pages_are_kept() -> None:
    """Whatever formats are asked for, memory stays bounded."""
    pages = MetricsPages(filled(), ManualClock())

    for version in range(1, 40):
        await pages.page(f"application/openmetrics-text; version={version}.0.0")

    assert len(pages._kept) <= 8
