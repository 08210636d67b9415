"""A registry of our own per process, and the instruments every service has.

Not for the instruments of one service: each has a `metrics.py` with a class of typed instruments
made from the registry. Labels are closed sets, children are resolved once; never label by
subscriber, subscription, URL, event id or error text (exposition costs 13 ms per 1,000 series).
"""

import asyncio
from collections.abc import Awaitable, Callable
from importlib.metadata import PackageNotFoundError, version
from platform import python_version

from prometheus_client import (
    CollectorRegistry,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from chassis.background import BackgroundTask
from chassis.clock import Clock

SERIES_MAX = 1500
"""Bound on the series of one process: more would stop the event loop at each scrape."""

LAG_BUCKETS_S = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


def product_version() -> str:
    """Return the version of the installed distribution."""
    try:
        return version("hooklane")
    except PackageNotFoundError:
        return "0+unknown"


def make_registry(service: str) -> CollectorRegistry:
    """Create the registry of one process; `_created` series are off, they double counters."""
    disable_created_metrics()  # type: ignore[no-untyped-call] # the library's own gap
    registry = CollectorRegistry(auto_describe=True)
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    info = Gauge(
        "hooklane_build_info",
        "Constant 1; its labels say what runs here.",
        ["service", "version", "python_version"],
        registry=registry,
    )
    info.labels(service, product_version(), python_version()).set(1)
    return registry


def series_count(registry: CollectorRegistry) -> int:
    """Count what a scrape would return, for tests of the bound."""
    return sum(len(metric.samples) for metric in registry.collect())


class LoopLag:
    """Component that measures how late the event loop runs its timers.

    A loop that is late by a second answers no probe, renews no lease and sends nothing.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        clock: Clock,
        interval_s: float = 0.25,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._clock = clock
        self._interval_s = interval_s
        self._sleep = sleep
        self._background = BackgroundTask("loop-lag", self._measure)
        self._lag = Histogram(
            "hooklane_event_loop_lag_seconds",
            "How late a timer of the event loop ran; four a second.",
            buckets=LAG_BUCKETS_S,
            registry=registry,
        )

    async def start(self) -> None:
        """Begin to measure."""
        self._background.start()

    async def drain(self, deadline_s: float) -> None:
        """Go on: the lag during a drain is worth seeing."""

    async def stop(self) -> None:
        """End the measuring task."""
        await self._background.stop()

    async def wait_failed(self) -> BaseException:
        """Return what ended the measuring task; waits as long as it runs."""
        return await self._background.wait_failed()

    async def _measure(self) -> None:
        while True:
            before = self._clock.monotonic()
            await self._sleep(self._interval_s)
            self._lag.observe(max(0.0, self._clock.monotonic() - before - self._interval_s))
