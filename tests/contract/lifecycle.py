"""What every long-lived thing must stand: the one suite behind `chassis.lifecycle.Component`.

Use it by subclassing in a unit or integration test:

    class TestAdminServerLife(LifecycleContract):
        @pytest.fixture
        def component(self) -> Component: return AdminServer(…)
        @pytest.fixture
        def failing(self) -> Component: return …   # optional: a component whose start() raises

"Leaves nothing behind" means: no asyncio task more than before, and no open socket or thread pool
work that keeps the loop from closing (the suite runs with warnings as errors).
"""

import asyncio
from collections.abc import AsyncIterator

import pytest

from chassis.lifecycle import Component

STEP_TIMEOUT_S = 20.0
CANCEL_POINTS = 12
"""Turns of the event loop after which a step is cancelled, one run for each."""


def _others() -> set[asyncio.Task[object]]:
    return asyncio.all_tasks() - {asyncio.current_task()}


async def _cancel_after(turns: int, work: "asyncio.Task[None]") -> None:
    for _ in range(turns):
        await asyncio.sleep(0)
    work.cancel()
    await asyncio.wait({work}, timeout=STEP_TIMEOUT_S)
    assert work.done(), "a cancelled step went on"


class LifecycleContract:
    """Subclass, give the fixture `component`, and pytest runs the contract."""

    @pytest.fixture
    def failing(self) -> Component | None:
        """Give a component whose start() raises, if there is such a thing."""
        return None

    @pytest.fixture(autouse=True)
    async def _nothing_left(self, component: Component) -> AsyncIterator[None]:
        before = _others()
        yield
        async with asyncio.timeout(STEP_TIMEOUT_S):
            await component.stop()
        await _settle(before)
        assert _others() - before == set(), "tasks are left behind"

    async def test_starts_drains_and_stops(self, component: Component) -> None:
        """The ordinary life ends by itself, well within its bounds."""
        async with asyncio.timeout(STEP_TIMEOUT_S):
            await component.start()
            await component.drain(1.0)
            await component.stop()

    async def test_stops_without_start(self, component: Component) -> None:
        """A component behind one that failed to start is stopped all the same."""
        async with asyncio.timeout(STEP_TIMEOUT_S):
            await component.stop()

    async def test_drains_without_start(self, component: Component) -> None:
        """A drain of what never ran is no fault."""
        async with asyncio.timeout(STEP_TIMEOUT_S):
            await component.drain(0.1)

    async def test_stops_twice(self, component: Component) -> None:
        """The second stop finds nothing to do."""
        async with asyncio.timeout(STEP_TIMEOUT_S):
            await component.start()
            await component.stop()
            await component.stop()

    async def test_stops_without_drain(self, component: Component) -> None:
        """A crash elsewhere may skip the drain."""
        async with asyncio.timeout(STEP_TIMEOUT_S):
            await component.start()
            await component.stop()

    async def test_stops_after_a_failed_start(
        self, component: Component, failing: Component | None
    ) -> None:
        """What a failed start opened is closed by stop."""
        if failing is None:
            return
        before = _others()

        with pytest.raises(Exception):  # noqa: B017, PT011 - which one is the component's own test
            await failing.start()
        await failing.stop()

        await _settle(before)
        assert _others() - before == set()

    @pytest.mark.parametrize("turns", range(CANCEL_POINTS))
    async def test_survives_cancellation_of_start(self, component: Component, turns: int) -> None:
        """SIGTERM may come at any await of start; stop then still cleans up."""
        await _cancel_after(turns, asyncio.create_task(component.start()))

    @pytest.mark.parametrize("turns", range(CANCEL_POINTS))
    async def test_survives_cancellation_of_stop(self, component: Component, turns: int) -> None:
        """A stop that ran out of time is cancelled; another stop finishes it."""
        async with asyncio.timeout(STEP_TIMEOUT_S):
            await component.start()

        await _cancel_after(turns, asyncio.create_task(component.stop()))


async def _settle(before: set[asyncio.Task[object]]) -> None:
    """Let tasks that are already ending take their last turns."""
    for _ in range(50):
        if not _others() - before:
            return
        await asyncio.sleep(0)
