"""The worker over the real machine, with everything outside it faked."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest

from chassis.kafka import Record
from deliverer.fate import SharedFate
from deliverer.lease import LEASE_S, REGISTRY_SILENCE_S
from deliverer.policy.items import Attempt, Extent, Limits
from deliverer.running import AT_ONCE_MAX
from deliverer.state import CommittedState
from schemas.lane_state import TierState, WindowRecord
from schemas.outcome import Outcome
from schemas.topics import TIERS
from tests.fakes.deliverer import NAMES, Bench, FakeRecord, delivery_record, retry_record

Started = Callable[..., Awaitable[Bench]]


@pytest.fixture
async def started() -> AsyncIterator[Started]:
    """Give a factory of benches whose worker has taken its partition over."""
    benches: list[Bench] = []

    async def start(**options: object) -> Bench:
        bench = Bench(**options)  # type: ignore[arg-type]  # passed through as given
        benches.append(bench)
        return await bench.start()

    yield start
    for bench in benches:
        await bench.close()


async def spin() -> None:
    """Let the loop turn until nothing moves any more."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_takeover_stands_where_the_last_tick_ended(started: Started) -> None:
    """Position, delay topics and term come from `$window`; the claim comes first."""
    window = WindowRecord(
        term=4, tick=9, w=7, done=[], tiers=[TierState(k, []) for k in range(len(TIERS))]
    )
    state = CommittedState(
        window=window,
        lanes={},
        deliveries=Extent(0, 20),
        tiers=tuple(Extent(0, 10) for _ in TIERS),
        has_group_offset=True,
    )
    bench = await started(state=state)

    assert bench.log.claims == 1
    assert bench.worker.position == 7
    assert bench.delays.positions[0] == list(range(len(TIERS)))


async def test_a_delivered_record_is_committed_with_its_attempt(started: Started) -> None:
    """One tick carries the attempts record and `$window`; the first one tells the group, too."""
    bench = await started()

    await bench.feed(delivery_record(0), end=2)
    bench.attempts.finish(0)
    await bench.turn()

    assert [record.topic for record in bench.log.records] == [NAMES.attempts, NAMES.lanes]
    assert bench.log.windows[-1].w == 2
    assert bench.log.offsets[-1] == {(NAMES.deliveries, 0): 2}
    assert bench.count("hooklane_delivery_attempts_total", outcome="delivered", kind="first") == 1


async def test_a_tick_comes_by_itself_when_it_is_due(started: Started) -> None:
    """Nothing else need happen: each step says when the next one must come."""
    bench = await started()
    bench.worker.feed([delivery_record(0)], 1)  # type: ignore[list-item]
    for _ in range(3):
        await asyncio.sleep(0)
    bench.attempts.finish(0)
    for _ in range(3):
        await asyncio.sleep(0)
    assert bench.log.ticks == []

    async with asyncio.timeout(5):
        while not bench.log.ticks:
            bench.clock.advance(0.01)
            await asyncio.sleep(0)

    assert bench.log.windows[-1].w == 1


async def test_only_one_tick_is_under_way(started: Started) -> None:
    """What ends while a tick commits goes into the next one (C1)."""
    bench = await started()
    bench.registry.put(ordering="none")
    bench.log.gate.clear()
    await bench.feed(delivery_record(0), delivery_record(1))

    bench.attempts.finish(0)
    await bench.turn()
    bench.attempts.finish(1)
    await bench.turn()
    bench.log.gate.set()
    await bench.turn()
    await bench.turn()

    assert [len(tick) for tick in bench.log.ticks] == [2, 2]
    assert [window.w for window in bench.log.windows] == [1, 2]


async def test_a_batch_waits_for_the_registry_and_the_partition_reads_no_further(
    started: Started,
) -> None:
    """R1: nothing is handed to the machine before the table is there."""
    bench = await started()

    await bench.feed(delivery_record(0, registry_offset=5))

    assert not bench.worker.has_room()
    assert bench.attempts.sequences == []

    bench.registry.move(5)
    await bench.turn()

    assert bench.worker.has_room()
    assert bench.attempts.sequences == [0]


async def test_room_that_comes_back_wakes_the_poll_loop(started: Started) -> None:
    """A partition that had no room says so when it has it again."""
    bench = await started()
    await bench.feed(delivery_record(0, registry_offset=5))
    assert not bench.worker.has_room()
    before = bench.group.wakes

    bench.registry.move(5)
    await bench.turn()

    assert bench.group.wakes > before


async def test_a_record_that_cannot_be_read_is_quarantined_in_its_place(started: Started) -> None:
    """Its neighbours are delivered, and the low mark passes it with the tick that carries it."""
    bench = await started()
    junk = replace(delivery_record(1), headers=[("delivery", b"junk")])

    await bench.feed(delivery_record(0), junk, delivery_record(2))
    bench.attempts.finish(0)
    await bench.turn()
    bench.attempts.finish(2)
    await bench.turn()

    (aside,) = bench.log.of(NAMES.quarantine)
    assert aside.value is not None
    assert b'"offset":1' in aside.value
    assert bench.log.windows[-1].w == 3
    assert bench.count("hooklane_quarantined_total", stage="deliverer", reason="bad_json") == 1


async def test_a_delay_record_that_cannot_be_read_is_quarantined_and_passed(
    started: Started,
) -> None:
    """The delay topic's mark goes on behind it."""
    bench = await started()

    bench.worker.feed_tier(0, [FakeRecord(0, topic=NAMES.tiers[0])], 1)  # type: ignore[list-item]
    await bench.turn()

    assert len(bench.log.of(NAMES.quarantine)) == 1
    assert bench.log.windows[-1].tiers[0].w == 1


async def test_records_of_a_later_term_in_a_delay_topic_are_the_end(started: Started) -> None:
    """T2: a successor wrote there; the zombie stops and does not ask for a takeover."""
    bench = await started()
    await bench.feed(delivery_record(0))

    bench.worker.feed_tier(0, [retry_record(0, sequence=9, term=99)], 1)  # type: ignore[list-item]
    await bench.turn()

    assert bench.worker.is_dead
    assert not bench.worker.needs_takeover
    assert bench.slots.in_flight == 0
    assert bench.log.ticks == []


async def test_in_doubt_nothing_starts_until_the_tick_is_settled(started: Started) -> None:
    """C4: between an error of the producer and the group's answer no attempt starts."""
    bench = await started()
    bench.registry.put(ordering="none", max_in_flight=1)
    bench.log.failures = ["lost"]
    bench.group.answers = [None]
    await bench.feed(delivery_record(0), delivery_record(1))

    bench.attempts.finish(0)
    await bench.turn()

    assert bench.attempts.sequences == [0, 1]  # the second began before the tick failed
    bench.attempts.finish(1)
    await bench.feed(delivery_record(2))
    assert bench.attempts.sequences == [0, 1]
    assert bench.group.asked[0] == (0, 0)


async def test_a_refusing_group_ends_the_worker(started: Started) -> None:
    """C4 refused: attempts are cut, results dropped, and only an `assigned` brings it back."""
    bench = await started()
    bench.registry.put(ordering="none")
    bench.log.failures = ["lost"]
    bench.group.answers = [False]
    await bench.feed(delivery_record(0), delivery_record(1))

    bench.attempts.finish(0)
    await bench.turn()

    assert bench.worker.is_dead
    assert not bench.worker.needs_takeover
    assert bench.slots.in_flight == 0
    assert bench.log.claims == 1
    assert 0 not in bench.delays.feeds


async def test_another_owners_tick_asks_for_a_fresh_takeover(started: Started) -> None:
    """C5: a mark that is neither ours nor the one before ends the worker."""
    bench = await started()
    bench.log.failures = ["lost"]
    bench.reader.foreign_mark = (7, 7)
    await bench.feed(delivery_record(0))

    bench.attempts.finish(0)
    await bench.turn()

    assert bench.worker.is_dead
    assert bench.worker.needs_takeover


async def test_a_tick_that_landed_unseen_is_not_written_twice(started: Started) -> None:
    """C5: the mark shows our own tick, so the machine goes on behind it."""
    bench = await started()
    bench.log.failures = ["landed"]
    await bench.feed(delivery_record(0), delivery_record(1))

    bench.attempts.finish(0)
    await bench.turn()
    bench.attempts.finish(1)
    await bench.turn()

    assert not bench.worker.is_dead
    assert len(bench.log.of(NAMES.attempts)) == 2
    assert bench.log.windows[-1].w == 2


async def test_a_stale_lease_is_renewed_by_a_tick_before_anything_starts(started: Started) -> None:
    """C6: after 10 s without proof an attempt waits for a tick, also one without news."""
    bench = await started()
    await bench.turn(11)
    bench.log.gate.clear()

    await bench.feed(delivery_record(0))
    assert bench.attempts.sequences == []

    bench.log.gate.set()
    await bench.turn()

    assert len(bench.log.ticks) == 1
    assert bench.log.offsets == [{(NAMES.deliveries, 0): 0}]
    assert bench.attempts.sequences == [0]


async def test_the_lease_is_asked_again_before_bytes_are_written(started: Started) -> None:
    """An attempt that a frozen process carries on after its lease may not be sent any more."""
    bench = await started()
    before = bench.registry.view.may_send()

    bench.clock.advance(LEASE_S + 0.1)

    assert (before, bench.registry.view.may_send()) == (True, False)


async def test_the_registry_is_asked_again_before_bytes_are_written(started: Started) -> None:
    """P9: a process that froze while it dialled may have missed a pause."""
    bench = await started()
    before = bench.registry.view.may_send()

    bench.registry.silence = REGISTRY_SILENCE_S + 0.1

    assert (before, bench.registry.view.may_send()) == (True, False)


async def test_an_idle_partition_writes_nothing_for_its_lease(started: Started) -> None:
    """Only an attempt that wants to start renews; an hour's silence writes one tick."""
    bench = await started()

    await bench.turn(60)
    assert bench.log.ticks == []

    await bench.turn(3600)
    assert len(bench.log.ticks) == 1


async def test_a_silent_registry_stops_starts(started: Started) -> None:
    """C6: a disable could be missed, so nothing starts until a broker answers again."""
    bench = await started()
    bench.registry.silence = 3.5

    await bench.feed(delivery_record(0))
    assert bench.attempts.sequences == []

    bench.registry.silence = 0.1
    await bench.turn()
    assert bench.attempts.sequences == [0]


async def test_gone_is_disabled_only_after_its_tick(started: Started) -> None:
    """R4: the dead letter is committed first, the registry is written then."""
    bench = await started()
    bench.log.gate.clear()
    await bench.feed(delivery_record(0), delivery_record(1))

    bench.attempts.finish(0, Outcome.HTTP_410, status=410)
    await bench.turn()
    assert bench.disabling.asked == []

    bench.log.gate.set()
    await bench.turn()
    assert [reason for _, _, reason in bench.disabling.asked] == ["gone"]
    assert bench.attempts.sequences == [0]
    assert len(bench.log.of(NAMES.dead_letters)) == 1


async def test_full_slots_start_when_one_is_free(started: Started) -> None:
    """A partition that met full slots starts without any other event once one is freed."""
    bench = await started(max_in_flight=1)
    bench.slots.take(is_suspect=False)
    await bench.feed(delivery_record(0))
    assert bench.attempts.sequences == []

    bench.slots.release(is_suspect=False)
    for _ in range(10):
        await asyncio.sleep(0)

    assert bench.attempts.sequences == [0]


async def test_a_full_host_starts_when_a_place_is_free(started: Started) -> None:
    """Two subscriptions of one host: the second waits uncharged and starts by itself."""
    bench = await started(max_per_host=1)
    bench.registry.put("sub_b")
    await bench.feed(delivery_record(0), delivery_record(1, subscription="sub_b"))
    before = list(bench.attempts.sequences)

    bench.attempts.finish(0)
    await bench.turn()

    assert (before, bench.attempts.sequences) == ([0], [0, 1])
    assert bench.host_waits == ["sub_b"]
    assert bench.hosts.in_flight("hooks.example.com:443") == 1


async def test_a_partition_that_dies_gives_its_places_back(started: Started) -> None:
    """Else a host would stay full for ever."""
    bench = await started(max_per_host=1)
    await bench.feed(delivery_record(0), delivery_record(1))

    await bench.close()

    assert bench.hosts.in_flight("hooks.example.com:443") == 0
    assert bench.hosts.full == 0


async def test_a_revoked_partition_commits_what_ended_and_starts_nothing(started: Started) -> None:
    """Drain waits for what runs and writes a last tick; the next record does not start."""
    bench = await started()
    await bench.feed(delivery_record(0), delivery_record(1))

    draining = asyncio.create_task(bench.worker.drain(3))
    await bench.turn()
    bench.attempts.finish(0)
    await draining
    await bench.turn()

    assert bench.attempts.sequences == [0]
    assert bench.log.windows[-1].w == 1

    bench.worker.resume()
    await bench.turn()
    assert bench.attempts.sequences == [0, 1]


async def test_a_join_waits_for_the_tick_that_a_step_began_after_a_slow_one(
    started: Started,
) -> None:
    """Nothing is left to write when it begins, and all of that would be repeated without it."""
    bench = await started()
    bench.registry.put(ordering="none")
    await bench.feed(delivery_record(0), delivery_record(1))
    bench.log.gate.clear()
    bench.attempts.finish(0)
    await bench.turn()
    bench.attempts.finish(1)
    bench.clock.advance(2)

    draining = asyncio.create_task(bench.worker.drain(3))
    await spin()
    bench.log.gate.set()
    bench.log.gate.clear()  # one commit passes: the next one takes its time as well
    await spin()
    ended_with = (draining.done(), len(bench.log.ticks))
    bench.log.gate.set()
    await draining

    assert ended_with == (False, 1)
    assert [window.w for window in bench.log.windows] == [1, 2]
    assert [entry["event"] for entry in bench.said.entries] == ["takeover.done"]


async def test_a_stop_counts_what_it_cuts_as_cancelled(started: Started) -> None:
    """A6: the delivery stays, its attempts record says `cancelled`."""
    bench = await started()
    await bench.feed(delivery_record(0))

    await bench.worker.close("stop")

    (attempt,) = bench.log.of(NAMES.attempts)
    assert attempt.value is not None
    assert b'"outcome":"cancelled"' in attempt.value
    assert bench.attempts.told == [(0, Outcome.CANCELLED)]
    assert bench.log.windows[-1].w == 0
    assert not bench.registry.is_disowned, "a disable under way still needs the table"


async def test_a_lost_partition_drops_results(started: Started) -> None:
    """Nothing is written for a partition that belongs to somebody else."""
    bench = await started()
    await bench.feed(delivery_record(0))

    await bench.worker.close("lost")

    assert bench.log.ticks == []
    assert bench.slots.in_flight == 0
    assert bench.registry.is_disowned


async def test_a_stop_that_meets_a_defect_still_lets_go(started: Started) -> None:
    """Whatever breaks, the delay topics are no longer read and the slots are free."""
    bench = await started()
    await bench.feed(delivery_record(0))
    bench.worker._ticker._writer = None

    await bench.worker.close("stop")

    assert bench.worker.is_dead
    assert bench.delays.feeds == {}
    assert bench.slots.in_flight == 0


async def test_leaving_outlasts_a_rebalance(started: Started) -> None:
    """A process that is about to end starts nothing, even if it keeps the partition."""
    bench = await started()

    await bench.worker.leave(0)
    bench.worker.resume()
    await bench.feed(delivery_record(0))

    assert bench.attempts.sequences == []


async def test_a_crashed_attempt_goes_back_to_its_lane(started: Started) -> None:
    """A defect in an attempt is logged and burns no attempt number."""
    bench = await started()
    await bench.feed(delivery_record(0))

    bench.attempts.crash(0)
    await bench.turn()

    assert [attempt.number for attempt in bench.attempts.started] == [1, 1]
    assert "attempt.crashed" in [entry["event"] for entry in bench.said.entries]


async def test_a_defect_in_a_step_ends_the_partition_alone(started: Started) -> None:
    """The worker asks for a takeover instead of going on with a state nobody trusts."""
    bench = await started()
    bench.registry.at = "a defect"  # type: ignore[assignment]

    await bench.feed(delivery_record(0))

    assert bench.worker.is_dead
    assert bench.worker.needs_takeover


class BrokenFate(SharedFate):
    """Has a defect."""

    def note(self, *_: object) -> None:
        """Break."""
        raise RuntimeError("a defect")


async def test_a_defect_while_an_end_is_told_ends_the_partition_alone(started: Started) -> None:
    """The sender hears nothing of it; no slot is held for ever, and what else ran is cut off."""
    bench = await started(fate=BrokenFate(lambda *_: None))
    bench.registry.put(ordering="none")
    await bench.feed(delivery_record(0), delivery_record(1))

    bench.attempts.finish(0)

    assert bench.worker.is_dead
    assert bench.worker.needs_takeover
    assert bench.slots.in_flight == 0
    assert bench.delays.feeds == {}


async def test_a_defect_while_attempts_are_chosen_holds_no_slot(started: Started) -> None:
    """Those chosen before it were not begun: nothing of them would ever end."""
    bench = await started()
    bench.registry.put(ordering="none")

    def recall(partition: int, attempt: Attempt) -> None:
        if attempt.delivery.sequence == 1:
            raise RuntimeError("a defect")

    bench.parts.recollections.recall = recall  # type: ignore[method-assign]
    await bench.feed(delivery_record(0), delivery_record(1))

    assert bench.worker.is_dead
    assert bench.attempts.sequences == []
    assert bench.slots.in_flight == 0


async def test_more_than_are_begun_at_once_are_begun_in_one_step(started: Started) -> None:
    """The batches bound how long the first waits, not how many may run."""
    many = 2 * AT_ONCE_MAX + 1
    bench = await started(max_in_flight=10 * many, max_per_host=many)
    bench.registry.put(ordering="none", max_in_flight=many)

    await bench.feed(*(delivery_record(n) for n in range(many)))

    assert bench.attempts.sequences == list(range(many))


async def test_what_lags_is_read_again(started: Started) -> None:
    """A lane that cannot take falls back to the log; the sweep's batch feeds it again."""
    bench = await started(limits=Limits(lane_queue=1, lane_queue_max=1))
    await bench.feed(*(delivery_record(n) for n in range(4)))
    bench.attempts.finish(0)
    await bench.turn()

    target = bench.worker.sweep_target()
    assert target == 1
    assert bench.sweeps.wakes > 0

    again = [delivery_record(1), FakeRecord(2), delivery_record(3)]
    bench.worker.feed_sweep(again, start=target, end=4)  # type: ignore[arg-type]
    assert bench.worker.sweep_target() is None, "one batch at a time"
    await bench.turn()
    assert bench.attempts.sequences == [0, 1]


async def test_a_failed_delivery_is_parked_with_the_owners_term(started: Started) -> None:
    """The record of the delay topic stands alone and keeps header `delivery` unchanged."""
    bench = await started()
    original = delivery_record(0)
    await bench.feed(original)

    bench.attempts.finish(0, Outcome.HTTP_5XX, status=500)
    await bench.turn()

    parked: Record = bench.log.of(NAMES.tiers[0])[0]
    headers = dict(parked.headers)
    assert headers["delivery"] == dict(original.headers)["delivery"]
    assert b'"term":1' in headers["retry"]
    assert bench.count("hooklane_retry_scheduled_total", tier="5s") == 1


async def test_a_failure_that_many_share_is_tried_again_uncharged(started: Started) -> None:
    """The twentieth of its kind in this process: ours, so nothing is parked."""
    bench = await started()
    fate, now = bench.parts.fate, bench.clock.now_ms()
    for name in range(19):
        fate.note(f"sub_{name}", b"acme_%d" % (name % 5), Outcome.TIMEOUT, now)
    await bench.feed(delivery_record(0))
    bench.clock.advance(2)

    bench.attempts.finish(0, Outcome.TIMEOUT)
    await bench.turn()

    assert fate.is_suspected
    assert not bench.log.of(NAMES.tiers[0])
    assert bench.count("hooklane_delivery_attempts_total", outcome="local_fault", kind="first") == 1
