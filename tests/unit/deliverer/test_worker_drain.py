"""The bounds of a drain, and what a worker may do after one that was cut."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from chassis.seats import DRAIN_MAX_S
from deliverer.worker import LAST_TICK_S
from tests.fakes.deliverer import Bench, delivery_record


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """Give a worker that has taken over."""
    bench = await Bench().start()
    yield bench
    await bench.close()


@pytest.mark.parametrize("ended_before", [1, 2], ids=["while one runs", "in the last tick"])
async def test_a_drain_that_is_cut_begins_no_tick_until_the_word_comes(
    bench: Bench, ended_before: int
) -> None:
    """Its tick lands after the bound; what ended meanwhile waits for `resume`."""
    bench.registry.put(ordering="none")
    await bench.feed(delivery_record(0), delivery_record(1))
    bench.log.gate.clear()
    bench.attempts.finish(0)
    await bench.turn()
    if ended_before == 2:
        bench.attempts.finish(1)
    draining = asyncio.create_task(bench.worker.drain(3))
    for _ in range(20):
        await asyncio.sleep(0)

    draining.cancel()
    await asyncio.wait({draining})
    if ended_before == 1:
        bench.attempts.finish(1)
    bench.log.gate.set()
    await bench.turn()
    before = [window.w for window in bench.log.windows]
    bench.worker.resume()
    await bench.turn()

    assert draining.cancelled()
    assert before == [1]
    assert [window.w for window in bench.log.windows] == [1, 2]


@pytest.mark.parametrize(("drain_s", "most_s"), [(3, 3 + LAST_TICK_S), (10, DRAIN_MAX_S - 1)])
async def test_the_last_ticks_have_the_time_that_requests_left_within_the_bound(
    bench: Bench, drain_s: float, most_s: float
) -> None:
    """Nothing runs, so they may take all of it; but the rebalance's bound must never come first."""
    given: list[float] = []

    async def finish(deadline_s: float, **_: object) -> None:
        given.append(deadline_s)

    bench.worker._life.commits.finish = finish  # type: ignore[union-attr,method-assign]

    await bench.worker.drain(drain_s)

    (deadline_s,) = given
    assert LAST_TICK_S < deadline_s <= most_s
