"""The registry of a process and the event-loop lag."""

import asyncio
from collections.abc import Callable

import pytest
from prometheus_client import Counter

from chassis.lifecycle import Component
from chassis.metrics import (
    SERIES_MAX,
    LoopLag,
    make_registry,
    product_version,
    series_count,
)
from tests.contract.lifecycle import LifecycleContract
from tests.fakes.clock import ManualClock


def _late_sleep(clock: ManualClock, late_s: float, rounds: int) -> Callable[[float], object]:
    """Make a sleep that oversleeps for some rounds and then for ever."""
    left = rounds

    async def sleep(seconds: float) -> None:
        nonlocal left
        if left == 0:
            await asyncio.Event().wait()
        left -= 1
        clock.advance(seconds + late_s)
        await asyncio.sleep(0)

    return sleep


def test_the_build_is_a_constant_series() -> None:
    """Dashboards join it to see which version runs where."""
    registry = make_registry("shop")

    [metric] = [m for m in registry.collect() if m.name == "hooklane_build_info"]
    [sample] = metric.samples
    assert sample.value == 1
    assert sample.labels["service"] == "shop"
    assert sample.labels["version"] == product_version()


def test_created_series_are_off() -> None:
    """They would double every counter."""
    registry = make_registry("shop")
    Counter("hooklane_x", "X.", registry=registry).inc()

    names = {sample.name for metric in registry.collect() for sample in metric.samples}
    assert "hooklane_x_total" in names
    assert not any(name.endswith("_created") for name in names)


def test_the_chassis_takes_few_of_the_series() -> None:
    """The label sets of every process are closed: a small share of the bound."""
    registry = make_registry("shop")
    LoopLag(registry, clock=ManualClock())

    assert 0 < series_count(registry) < SERIES_MAX / 15


def test_registries_are_independent() -> None:
    """Two services in one test process do not collide."""
    first, second = make_registry("a"), make_registry("b")

    Counter("hooklane_x", "X.", registry=first)
    Counter("hooklane_x", "X.", registry=second)


async def test_lateness_of_the_loop_is_observed() -> None:
    """Only what exceeds the interval counts."""
    registry = make_registry("shop")
    clock = ManualClock()
    lag = LoopLag(registry, clock=clock, sleep=_late_sleep(clock, late_s=0.3, rounds=4))  # type: ignore[arg-type]

    await lag.start()
    for _ in range(20):
        await asyncio.sleep(0)
    await lag.stop()

    name = "hooklane_event_loop_lag_seconds"
    assert registry.get_sample_value(f"{name}_count") == 4
    assert registry.get_sample_value(f"{name}_sum") == pytest.approx(1.2)
    assert registry.get_sample_value(f"{name}_bucket", {"le": "0.25"}) == 0
    assert registry.get_sample_value(f"{name}_bucket", {"le": "0.5"}) == 4


async def test_a_broken_ticker_is_reported() -> None:
    """What ended the task is the answer of wait_failed."""

    async def sleep(_seconds: float) -> None:
        raise OSError("no timers")

    lag = LoopLag(make_registry("shop"), clock=ManualClock(), sleep=sleep)
    await lag.start()

    error = await lag.wait_failed()

    await lag.stop()
    assert isinstance(error, OSError)


class TestLoopLagLife(LifecycleContract):
    """The ticker is a component like any other."""

    @pytest.fixture
    def component(self) -> Component:
        """Give a ticker that never ticks."""
        clock = ManualClock()
        sleep = _late_sleep(clock, late_s=0, rounds=0)
        return LoopLag(make_registry("shop"), clock=clock, sleep=sleep)  # type: ignore[arg-type]
