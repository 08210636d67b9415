"""When a tick begins, and what follows from its end."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from deliverer.commits import Commits
from deliverer.policy.items import Disable, Extent
from deliverer.policy.pacing import (
    AWAITED_SPACING_S,
    IDLE_S,
    SPACING_S,
    TOLD_RECORDS_MAX,
    TOLD_SPACING_S,
)
from deliverer.state import CommittedState
from deliverer.ticking import Lost
from schemas.lane_state import Held, LaneRecord, TierState, WindowRecord
from schemas.outcome import Outcome
from schemas.topics import TIERS
from tests.fakes.deliverer import NAMES, Bench, delivery_record


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """Give a worker that has taken over."""
    bench = await Bench().start()
    yield bench
    await bench.close()


def commits_of(bench: Bench) -> Commits:
    """Return the ticks of a bench's worker."""
    assert bench.worker._life is not None
    return bench.worker._life.commits


async def test_ticks_are_spaced_while_there_is_output_and_rare_without(bench: Bench) -> None:
    """Group commit under load, one tick an hour in silence."""
    commits = commits_of(bench)
    began_at = commits._began_at

    assert commits.due_in(began_at) == pytest.approx(IDLE_S)

    bench.worker._life.machine.skip_head(0)  # type: ignore[union-attr]
    assert commits.has_output
    assert commits.due_in(began_at) == pytest.approx(SPACING_S)
    assert commits.due_in(began_at + 1) < 0


async def test_a_tick_that_is_waited_for_comes_soon(bench: Bench) -> None:
    """A subscription to disable must not get deliveries for as long as a tick may take."""
    commits = commits_of(bench)

    commits.note(Disable("sub_1", "gone"))

    assert commits.due_in(commits._began_at) == pytest.approx(AWAITED_SPACING_S)


async def test_the_group_is_told_once_a_second(bench: Bench) -> None:
    """Its offset is for tools; the ticks between carry everything that a successor reads."""
    commits = commits_of(bench)
    await bench.feed(*(delivery_record(offset) for offset in range(4)))
    for offset in range(4):
        bench.attempts.finish(offset)
        await bench.turn(SPACING_S)

    windows = [window.w for window in bench.log.windows]
    told = [offsets.get((NAMES.deliveries, 0)) for offsets in bench.log.offsets]

    assert windows == [1, 2, 3, 4]
    assert [at for at in told if at is not None] == [1, 4]
    assert not commits.has_output


async def test_the_group_is_told_the_last_word_when_nothing_follows(bench: Bench) -> None:
    """A lag that stays above zero would be an alarm for ever (K2)."""
    commits = commits_of(bench)
    await bench.feed(*(delivery_record(offset) for offset in range(2)))
    for offset in range(2):
        bench.attempts.finish(offset)
        await bench.turn(SPACING_S)
    assert bench.log.offsets[-1] == {}

    assert commits.due_in(commits._began_at) == pytest.approx(TOLD_SPACING_S)
    await bench.turn(TOLD_SPACING_S)

    assert bench.log.offsets[-1] == {(NAMES.deliveries, 0): 2}
    assert commits.due_in(commits._began_at) == pytest.approx(IDLE_S)


async def test_the_group_is_told_sooner_when_the_mark_moved_far(bench: Bench) -> None:
    """What tools call lag would else be up to a second of all deliveries."""
    await bench.feed(delivery_record(0), end=1)
    bench.attempts.finish(0)
    await bench.turn(SPACING_S)

    await bench.feed(delivery_record(1), end=1 + TOLD_RECORDS_MAX)
    bench.attempts.finish(1)
    await bench.turn(0.0)

    assert bench.log.offsets == [
        {(NAMES.deliveries, 0): 1},
        {(NAMES.deliveries, 0): 1 + TOLD_RECORDS_MAX},
    ]


@pytest.mark.parametrize("failure", ["landed", "lost"])
async def test_after_a_doubt_the_group_is_told_again(bench: Bench, failure: str) -> None:
    """It was asked by a commit of the position before the tick, which set its offset back."""
    await bench.feed(delivery_record(0))
    bench.attempts.finish(0)
    await bench.turn(SPACING_S)
    bench.log.failures = [failure]
    await bench.feed(delivery_record(1))
    bench.attempts.finish(1)
    await bench.turn(TOLD_SPACING_S)
    assert bench.group.asked == [(0, 1)]

    await bench.turn(TOLD_SPACING_S)

    assert bench.log.offsets[-1] == {(NAMES.deliveries, 0): 2}
    assert bench.log.windows[-1].w == 2
    assert len(bench.log.ticks) == 3
    assert not commits_of(bench).has_output


async def test_a_committed_tick_is_counted_and_proves_ownership(bench: Bench) -> None:
    """The lease counts from the begin of the tick, not from its end."""
    commits = commits_of(bench)
    bench.clock.advance(8)
    bench.log.gate.clear()

    commits.begin()
    await asyncio.sleep(0)
    bench.clock.advance(5)
    bench.log.gate.set()
    await commits.wait()
    await asyncio.sleep(0)

    lease = bench.worker._life.lease  # type: ignore[union-attr]
    now = bench.clock.monotonic()
    assert lease.is_fresh(now + 5)
    assert not lease.is_fresh(now + 5.1)
    assert bench.count("hooklane_commits_total", result="committed") == 2
    assert bench.count("hooklane_commit_duration_seconds_count") == 2


async def test_notices_follow_the_tick_that_was_begun_after_them(bench: Bench) -> None:
    """A notice noted while a tick is under way waits for the next one (R4)."""
    commits = commits_of(bench)
    bench.log.gate.clear()
    commits.begin()
    commits.note(Disable("sub_a", "gone"))
    bench.log.gate.set()
    await commits.wait()
    await asyncio.sleep(0)
    assert bench.disabling.asked == []

    await bench.turn()
    commits.begin() if not commits.is_open else None
    await commits.wait()
    await asyncio.sleep(0)
    assert [reason for _, _, reason in bench.disabling.asked] == ["gone"]


async def test_a_notice_of_a_subscription_that_is_gone_is_dropped(bench: Bench) -> None:
    """It was deleted before the tick landed."""
    commits = commits_of(bench)

    commits.note(Disable("sub_x", "gone"))
    commits.begin()
    await commits.wait()
    await asyncio.sleep(0)

    assert bench.disabling.asked == []


async def test_a_doubt_lasts_until_the_tick_is_settled(bench: Bench) -> None:
    """It is counted once, and ends with the answer."""
    commits = commits_of(bench)
    bench.log.failures = ["lost"]
    bench.group.answers = [True]

    commits.begin()
    await commits.wait()
    await asyncio.sleep(0)

    assert not commits.is_in_doubt
    assert bench.count("hooklane_commits_total", result="lost") == 1


async def test_a_defect_in_a_tick_ends_the_worker(bench: Bench) -> None:
    """Whether it landed is for the next takeover to read."""
    bench.worker._ticker._writer = None

    await bench.feed(delivery_record(0))
    bench.attempts.finish(0)
    await bench.turn()

    assert bench.worker.is_dead
    assert bench.worker.needs_takeover


async def test_a_cancelled_tick_tells_nobody(bench: Bench) -> None:
    """The worker that cancelled it is on its way out itself."""
    commits = commits_of(bench)
    ended: list[Lost | None] = []
    commits._ended = ended.append
    bench.log.gate.clear()
    commits.begin()

    await commits.cancel()
    await commits.cancel()

    assert ended == []
    assert not commits.is_open


async def test_what_a_deadline_leaves_uncommitted_is_told_and_so_is_its_loss(bench: Bench) -> None:
    """A partition that moves with results in no tick will be repeated: the log says how much."""
    bench.registry.put(ordering="none")
    await bench.feed(*(delivery_record(offset) for offset in range(3)))
    bench.log.gate.clear()
    bench.attempts.finish(0)
    await bench.turn()
    bench.attempts.finish(1)
    bench.attempts.finish(2, Outcome.HTTP_5XX, status=500)

    await commits_of(bench).finish(0, is_over=lambda: False)
    await bench.worker.close("lost")

    left = {"partition": 0, "attempts": 3, "delivered": 2, "is_tick_open": True}
    assert bench.said.entries[1:] == [
        {"event": "tick.late", "log_level": "warning", "deadline_s": 0, **left},
        {"event": "worker.uncommitted", "log_level": "warning", **left},
    ]


async def test_a_tick_under_way_is_told_though_it_carries_no_attempt(bench: Bench) -> None:
    """What it carries besides (a place in the log, what was quarantined) may be made again, too."""
    bench.log.gate.clear()
    commits_of(bench).begin()

    await bench.worker.close("lost")

    left = {"partition": 0, "attempts": 0, "delivered": 0, "is_tick_open": True}
    assert bench.said.entries[1:] == [
        {"event": "worker.uncommitted", "log_level": "warning", **left},
    ]


async def test_a_partition_with_nothing_left_goes_without_a_word(bench: Bench) -> None:
    """Every ordinary rebalance would warn else."""
    await bench.feed(delivery_record(0))
    bench.attempts.finish(0)

    await bench.worker.drain(0)
    await bench.worker.close("lost")

    assert len(bench.log.of(NAMES.attempts)) == 1
    assert [entry["event"] for entry in bench.said.entries] == ["takeover.done"]


async def test_a_head_whose_retry_retention_took_is_alarmed() -> None:
    """It is known only once the delay topics were read to their ends, long after the takeover."""
    held = LaneRecord(low=7, done=[], held=Held(6, 2), since=1)
    state = CommittedState(
        window=WindowRecord(term=4, tick=9, w=7, done=[], tiers=[TierState(2, []) for _ in TIERS]),
        lanes={"sub_a/0": held},
        deliveries=Extent(0, 7),
        tiers=tuple(Extent(0, 2) for _ in TIERS),
        has_group_offset=True,
    )
    bench = await Bench(state=state).start()

    await bench.turn()

    lost = [entry for entry in bench.said.entries if entry["event"] == "worker.records_lost"]
    assert [(entry["log_level"], entry["heads"]) for entry in lost] == [("error", 1)]
    assert bench.count("hooklane_records_lost_total", kind="heads") == 1
    await bench.close()


async def test_the_body_of_a_delivered_record_is_let_go(bench: Bench) -> None:
    """Its tick may be far away while the brokers are; one that failed is still to be written."""
    bench.registry.put(ordering="none")
    bench.log.gate.clear()
    records = [delivery_record(0), delivery_record(1)]
    await bench.feed(*records)

    bench.attempts.finish(0)
    bench.attempts.finish(1, Outcome.HTTP_5XX)
    await bench.turn()
    held = [record.value is not None for record in records]
    bench.log.gate.set()
    await bench.turn()
    await bench.turn()

    assert held == [False, True]
    assert NAMES.tiers[0] in [record.topic for record in bench.log.records]
