"""A takeover, step by step."""

import asyncio
from dataclasses import replace

import pytest

from chassis.kafka import KafkaUnavailable
from deliverer.endpoints import PartitionEndpoints
from deliverer.life import Life, take_over
from deliverer.policy.items import Extent
from deliverer.policy.machine import StateRefused
from deliverer.state import CommittedState
from schemas.lane_state import Held, LaneRecord, TierState, WindowRecord
from schemas.topics import TIERS
from tests.fakes.deliverer import Bench

LOST = "hooklane_records_lost_total"


def committed(
    w: int, lanes: dict[str, LaneRecord] | None = None, *, begin: int = 0
) -> CommittedState:
    """Return what a former owner left, with the log beginning somewhere."""
    window = WindowRecord(term=4, tick=9, w=w, done=[], tiers=[TierState(2, []) for _ in TIERS])
    return CommittedState(
        window=window,
        lanes=lanes or {},
        deliveries=Extent(begin, 20),
        tiers=tuple(Extent(0, 10) for _ in TIERS),
        has_group_offset=True,
    )


async def life_of(bench: Bench) -> Life:
    """Take over."""
    return await take_over(
        0, bench.parts, bench.worker._ticker, ended=lambda _: None, wake=lambda: None
    )


async def test_the_new_term_follows_the_last_one() -> None:
    """What it parks is known as its own, and nothing starts behind a held head."""
    held = LaneRecord(low=7, done=[], held=Held(6, 2), since=1)

    life = await life_of(Bench(state=committed(7, {"sub_a/0": held})))

    assert life.machine.term == 5
    assert life.machine.head_position == 7
    assert [life.machine.tier_position(k) for k in range(len(TIERS))] == [2] * len(TIERS)
    assert life.machine.view.lanes_by_state()["held"] == 1


async def test_the_lease_counts_from_before_the_claim() -> None:
    """Reading may take long; the proof is the claim's, not the reading's."""
    bench = Bench()

    life = await life_of(bench)

    began_at = bench.clock.monotonic()
    assert life.lease.is_fresh(began_at + 10)
    assert not life.lease.is_fresh(began_at + 10.1)


async def test_what_retention_took_is_alarmed() -> None:
    """The log begins above the mark: lost, but never silently."""
    bench = Bench(state=committed(7, begin=9))

    life = await life_of(bench)

    lost = [entry for entry in bench.said.entries if entry["event"] == "takeover.records_lost"]
    assert [(entry["deliveries"], entry["retries"]) for entry in lost] == [(2, 0)]
    assert bench.count(LOST, kind="deliveries") == 2
    assert life.machine.head_position == 9


async def test_a_lane_that_retention_cut_is_alarmed() -> None:
    """The mark of the partition has left it behind, so the log seems whole."""
    paused = LaneRecord(low=5, done=[], held=None, since=1)
    bench = Bench(state=committed(12, begin=9, lanes={"sub_a/0": paused}))

    await life_of(bench)

    lost = [entry for entry in bench.said.entries if entry["event"] == "takeover.records_lost"]
    assert [(entry["deliveries"], entry["lanes"]) for entry in lost] == [(0, 1)]
    assert bench.count(LOST, kind="lanes") == 1


async def test_a_mark_beyond_the_log_refuses() -> None:
    """Somebody deleted the topic; going on would skip what comes."""
    with pytest.raises(StateRefused):
        await life_of(Bench(state=committed(21)))


async def test_a_registry_that_is_away_ends_the_reading_of_the_state() -> None:
    """Both are read at once; the next try begins both anew."""
    bench = Bench()
    never = asyncio.Event()

    class Away:
        async def take_over(self, partition: int) -> PartitionEndpoints:
            raise KafkaUnavailable("no brokers")

    class Slow:
        async def read(self, partition: int) -> CommittedState:
            await never.wait()
            raise AssertionError

    parts = replace(bench.parts, registry=Away(), reader=Slow())  # type: ignore[arg-type]

    with pytest.raises(KafkaUnavailable):
        await take_over(0, parts, bench.worker._ticker, ended=lambda _: None, wake=lambda: None)
    await asyncio.sleep(0)

    assert "state" not in {task.get_name() for task in asyncio.all_tasks()}
