"""One tick, and what became of it (C4, C5)."""

import asyncio

import pytest

from chassis.kafka import Record
from deliverer.ticking import Committed, Lost, Tick, Ticker
from tests.fakes.clock import ManualClock
from tests.fakes.deliverer import NAMES, FakeGroup, FakeLog, FakeReader, FakeWriter, silent_log


class Rig:
    """A ticker over a fake log and group."""

    def __init__(self) -> None:
        self.log = FakeLog()
        self.group = FakeGroup()
        self.reader = FakeReader(self.log)
        self.doubts = 0
        self.ticker = Ticker(
            3,
            make_writer=lambda _: FakeWriter(self.log),
            reader=self.reader,
            ask_group=self.group.ask_group,
            topic=NAMES.deliveries,
            group="g",
            clock=ManualClock(),
            log=silent_log()[0],
        )

    async def claimed(self) -> "Rig":
        """Claim, as a takeover does."""
        await self.ticker.claim()
        self.log.mark = (1, 0)  # not the first tick of its term
        self.ticker.begin((1, 0), 5)
        return self

    async def commit(self, number: int = 1) -> Committed | Lost:
        """Commit a tick whose `$window` says its mark."""
        return await self.ticker.commit(tick(number), on_doubt=self.doubt)

    def doubt(self) -> None:
        """Count."""
        self.doubts += 1


def tick(number: int) -> Tick:
    """Return a tick of term 1."""
    value = b'{"v":1,"term":1,"tick":%d,"w":6,"done":[],"tiers":[]}' % number
    record = Record(NAMES.lanes, 3, b"$window", value)
    return Tick(mark=(1, number), records=[record], position=6)


async def test_a_tick_commits_records_and_offset() -> None:
    """The ordinary case asks nobody."""
    rig = await Rig().claimed()

    result = await rig.commit()

    assert isinstance(result, Committed)
    assert result.append_skew_ms == 0
    assert rig.log.offsets == [{(NAMES.deliveries, 3): 6}]
    assert (rig.doubts, rig.group.asked) == (0, [])


async def test_a_tick_says_what_it_weighs_each_time() -> None:
    """A large one needs longer, also when it is sent again: else it would fail for ever."""
    rig = await Rig().claimed()
    rig.log.failures = ["lost"]

    await rig.commit()

    weight = len(tick(1).records[0].value or b"")
    assert rig.log.sizes_bytes == [weight, weight]


async def test_a_tick_that_did_not_land_is_sent_again() -> None:
    """C5: the mark shows the tick before, so the very same records follow."""
    rig = await Rig().claimed()
    rig.log.failures = ["lost"]

    result = await rig.commit()

    assert isinstance(result, Committed)
    assert rig.log.ticks == [tick(1).records]
    assert rig.log.claims == 2
    assert rig.group.asked == [(3, 5)]
    assert rig.doubts == 1


async def test_a_tick_that_landed_is_not_sent_again() -> None:
    """C5: the mark shows the tick itself."""
    rig = await Rig().claimed()
    rig.log.failures = ["landed"]

    result = await rig.commit()

    assert isinstance(result, Committed)
    assert len(rig.log.ticks) == 1


@pytest.mark.parametrize("failure", ["lost", "landed"])
@pytest.mark.parametrize("before", [None, (0, 7)])
async def test_the_first_tick_of_a_term_is_not_asked_after(
    failure: str, before: tuple[int, int] | None
) -> None:
    """Another owner that read the same state marks its first tick alike: take over once more."""
    rig = await Rig().claimed()
    rig.ticker.begin(before, 5)
    rig.log.failures = [failure]

    result = await rig.commit()

    assert isinstance(result, Lost)
    assert result.needs_takeover
    assert (rig.group.asked, rig.log.claims) == ([(3, 5)], 1)


async def test_the_mark_of_later_ticks_is_the_last_committed_one() -> None:
    """After a tick the one before is that tick, and the offset asked with is its."""
    rig = await Rig().claimed()
    await rig.commit(1)
    rig.log.failures = ["lost"]

    result = await rig.commit(2)

    assert isinstance(result, Committed)
    assert rig.log.mark == (1, 2)
    assert rig.group.asked == [(3, 6)]


async def test_the_group_is_asked_before_the_claim() -> None:
    """C4: a blind InitProducerId would fence whoever owns the partition now."""
    rig = await Rig().claimed()
    rig.log.failures = ["lost"]
    rig.group.answers = [False]

    result = await rig.commit()

    assert result == Lost(needs_takeover=False, cause="the group refused")
    assert rig.log.claims == 1


async def test_no_answer_of_the_group_is_asked_again() -> None:
    """Silence is neither yes nor no."""
    rig = await Rig().claimed()
    rig.log.failures = ["lost"]
    rig.group.answers = [None, True]

    assert isinstance(await rig.commit(), Committed)
    assert len(rig.group.asked) == 2


async def test_a_claim_that_fails_is_tried_after_asking_again() -> None:
    """Each claim has its own yes of the group before it."""
    rig = await Rig().claimed()
    rig.log.failures = ["lost"]
    rig.log.claim_failures = 1

    assert isinstance(await rig.commit(), Committed)
    assert len(rig.group.asked) == 2


async def test_a_second_failure_is_settled_like_the_first() -> None:
    """The tick sent again may be in doubt again, and land unseen."""
    rig = await Rig().claimed()
    rig.log.failures = ["lost", "landed"]

    assert isinstance(await rig.commit(), Committed)
    assert len(rig.log.ticks) == 1


@pytest.mark.parametrize("mark", [(2, 0), (1, 3), (2, 2)])
async def test_any_other_mark_is_somebody_elses(mark: tuple[int, int]) -> None:
    """C5: somebody ticked in between; only a full takeover knows what."""
    rig = await Rig().claimed()
    rig.log.failures = ["lost"]
    rig.reader.foreign_mark = mark

    result = await rig.commit()

    assert result == Lost(needs_takeover=True, cause="another owner ticked")
    assert rig.log.ticks == []


async def test_a_tick_without_a_claim_is_a_defect() -> None:
    """Nothing is written by who never claimed."""
    rig = Rig()

    with pytest.raises(RuntimeError):
        await rig.commit()


async def test_a_cancelled_commit_stops_at_once() -> None:
    """A partition that was lost does not wait for its tick."""
    rig = await Rig().claimed()
    rig.log.gate.clear()
    committing = asyncio.create_task(rig.commit())
    await asyncio.sleep(0)

    committing.cancel()
    await asyncio.wait({committing})

    assert committing.cancelled()
    assert rig.log.ticks == []
