"""Tests of the actor of a partition, with fakes for everything that waits."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from chassis import logs
from chassis.kafka import record_bytes
from chassis.metrics import make_registry
from fanout.event_log import Bounds
from fanout.metrics import FanoutMetrics
from fanout.parts import Parts, Place
from fanout.pipeline import PartitionFanout
from fanout.settings import FanoutLimits
from schemas.delivery import DeliveryEnvelope, decode_delivery
from tests.fakes.clock import ManualClock
from tests.fakes.fanout import FakeEventLog, FakeProducer, FakeReceived, FakeRegistry
from tests.unit.fanout.events import NOW_MS, event_type, put, received, subscription

PLACE = Place(
    partition=0,
    partitions=1,
    events_topic="p.events",
    group="p-fanout",
    topic_of=lambda suffix: f"p.{suffix}",
)


class Bench:
    """An actor and all its surroundings."""

    def __init__(self) -> None:
        self.producer = FakeProducer()
        self.registry = FakeRegistry()
        self.event_log = FakeEventLog()
        self.instruments = make_registry("fanout")
        self.metrics = FanoutMetrics(self.instruments)
        self.woken = asyncio.Event()
        self.clock = ManualClock(NOW_MS + 500)
        self.actors: list[PartitionFanout] = []
        put(self.registry.directory, subscription())

    async def actor(self, **limits: object) -> PartitionFanout:
        """Make an actor and let it take over."""
        parts = Parts(
            producer=self.producer,
            registry=self.registry,
            log_reader=self.event_log,
            clock=self.clock,
            metrics=self.metrics,
            log=logs.get("test"),
            wake=self.woken.set,
        )
        actor = PartitionFanout(PLACE, parts, limits=FanoutLimits.model_validate(limits))
        self.actors.append(actor)
        await actor.take_over()
        return actor

    def written(self) -> list[str]:
        """Return the ids of the events whose deliveries were committed, in order."""
        return [
            dict(record.headers)["ce_id"].decode()
            for tick in self.producer.ticks
            for record in tick.records
            if record.topic == "p.deliveries"
        ]

    def committed(self) -> list[int]:
        """Return the committed offsets."""
        return [tick.offsets["p.events", 0] for tick in self.producer.ticks]


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """Give a bench; closes the actors it made."""
    bench = Bench()
    yield bench
    for actor in bench.actors:
        await actor.close("stop")


def _events(*numbers: int) -> list[FakeReceived]:
    return [received(number, offset=number) for number in numbers]


def _feed(actor: PartitionFanout, records: Sequence[FakeReceived]) -> None:
    actor.feed(records, records[-1].offset + 1)


async def test_deliveries_and_offset_are_committed_together(bench: Bench) -> None:
    """One tick holds what an event became and the input position behind it."""
    actor = await bench.actor()

    _feed(actor, _events(0, 1, 2))
    await bench.producer.until(lambda producer: len(producer.ticks) == 1)

    assert bench.written() == ["0", "1", "2"]
    assert bench.committed() == [3]
    assert bench.producer.ticks[0].group == "p-fanout"


async def test_a_tick_says_what_it_weighs(bench: Bench) -> None:
    """A large one is given the time that it takes, else it would fail again and again."""
    actor = await bench.actor()

    _feed(actor, _events(0, 1))
    await bench.producer.until(lambda producer: len(producer.ticks) == 1)
    (tick,) = bench.producer.ticks

    exact = sum(record_bytes(record) for record in tick.records)
    assert 0 < exact <= tick.size_bytes < 2 * exact


async def test_a_delivery_says_how_far_the_registry_was_read(bench: Bench) -> None:
    """The deliverer waits for that position before it calls a subscription deleted."""
    actor = await bench.actor()

    _feed(actor, _events(0))
    await bench.producer.until(lambda producer: bool(producer.ticks))

    envelope = decode_delivery(bench.producer.ticks[0].records[0].headers)
    assert isinstance(envelope, DeliveryEnvelope)
    assert envelope.registry_offset == 17


async def test_schemas_are_enforced_and_counted_with_the_tick(bench: Bench) -> None:
    """One event set aside, one counted; the metric has the mode."""
    bench.registry.event_types.change("order.paid", event_type())
    bench.registry.event_types.change("order.seen", event_type("order.seen", validation="warn"))
    actor = await bench.actor()
    value = bench.instruments.get_sample_value

    _feed(actor, [received(0), received(1, offset=1, event_type="order.seen")])
    await bench.producer.until(lambda producer: bench.committed()[-1:] == [2])
    await actor.drain(5)

    assert bench.written() == ["1"]
    assert value("hooklane_schema_violations_total", {"mode": "enforce"}) == 1
    assert value("hooklane_schema_violations_total", {"mode": "warn"}) == 1
    reason = {"stage": "fanout", "reason": "schema_violation"}
    assert value("hooklane_quarantined_total", reason) == 1


async def test_an_event_too_costly_for_a_filter_is_counted(bench: Bench) -> None:
    """Somebody has to hear of it: that subscription got nothing."""
    costly = {f"data.a.{name}": {"$ne": 1} for name in "abcdefgh"}
    put(bench.registry.directory, subscription("sub_costly", filter=costly))
    actor = await bench.actor()

    _feed(actor, [received(0, value=b'{"a":[' + b",".join([b"{}"] * 80_000) + b"]}")])
    await bench.producer.until(lambda producer: bool(producer.ticks))
    await actor.drain(5)

    value = bench.instruments.get_sample_value
    assert value("hooklane_fanout_rule_faults_total", {"kind": "filter_costly"}) == 1


async def test_the_next_tick_fills_while_one_commits(bench: Bench) -> None:
    """Ticks grow with the load, and no two commits run at once."""
    actor = await bench.actor()
    bench.producer.gate.clear()
    _feed(actor, _events(0))
    await bench.producer.until(lambda producer: producer.committing == 1)

    _feed(actor, _events(1, 2))
    _feed(actor, _events(3))
    bench.producer.gate.set()
    await bench.producer.until(lambda producer: bench.committed()[-1:] == [4])

    assert bench.written() == ["0", "1", "2", "3"]
    assert len(bench.producer.ticks) <= 3


async def test_ticks_are_bounded(bench: Bench) -> None:
    """A backlog becomes many ticks, in order."""
    actor = await bench.actor(tick_records=2)

    _feed(actor, _events(0, 1, 2, 3, 4))
    await bench.producer.until(lambda producer: bench.committed()[-1:] == [5])

    assert bench.written() == ["0", "1", "2", "3", "4"]
    assert max(len(tick.records) for tick in bench.producer.ticks) == 2


async def test_records_read_twice_are_taken_once(bench: Bench) -> None:
    """After a rebalance aiokafka may hand out what was there before."""
    actor = await bench.actor()

    _feed(actor, _events(0, 1))
    _feed(actor, _events(1, 2))
    await bench.producer.until(lambda producer: bench.committed()[-1:] == [3])

    assert bench.written() == ["0", "1", "2"]


async def test_the_offset_moves_past_transaction_markers(bench: Bench) -> None:
    """Else the lag would never be zero."""
    actor = await bench.actor()

    actor.feed(_events(0), 3)
    await bench.producer.until(lambda producer: bool(producer.ticks))

    assert bench.committed() == [3]
    assert actor.position == actor.committed == 3


async def test_events_that_become_nothing_move_the_offset(bench: Bench) -> None:
    """A tick without records still commits its position."""
    actor = await bench.actor()

    _feed(actor, [received(0, offset=0, subscriber="nobody")])
    await bench.producer.until(lambda producer: bool(producer.ticks))

    assert bench.committed() == [1]
    assert bench.producer.ticks[0].records == []


async def test_the_queue_is_bounded_in_records_and_bytes(bench: Bench) -> None:
    """Without room nothing more is fetched; when there is room again the poll loop hears."""
    bench.registry.is_behind = True
    actor = await bench.actor(queue_records=2)
    heavy = await bench.actor(queue_bytes=1024)
    assert actor.has_room()

    _feed(actor, _events(0, 1))
    _feed(heavy, [received(0, offset=0, value=b"x" * 2000)])
    assert not actor.has_room()
    assert not heavy.has_room()

    bench.registry.is_behind = False
    async with asyncio.timeout(5):
        await bench.woken.wait()
    assert actor.has_room() or heavy.has_room()


async def test_what_was_planned_takes_no_room(bench: Bench) -> None:
    """Else a partition would stop reading after `queue_bytes`, for good."""
    actor = await bench.actor(queue_bytes=1024)

    for number in range(3):
        assert actor.has_room()
        _feed(actor, [received(number, offset=number, value=b"x" * 2000)])
        assert not actor.has_room()
        await bench.producer.until(lambda producer: bench.committed()[-1:] == [actor.position])

    assert actor.describe()["queued_bytes"] == 0


async def test_an_event_is_matched_against_no_older_registry(bench: Bench) -> None:
    """What comes in after the question was asked needs one of its own (PROTOCOL R3)."""
    actor = await bench.actor()
    bench.registry.gate.clear()
    _feed(actor, _events(0))
    async with asyncio.timeout(5):
        await bench.registry.was_asked.wait()

    _feed(actor, _events(1))
    bench.registry.gate.set()
    await bench.producer.until(lambda producer: bench.committed()[-1:] == [2])

    assert bench.written() == ["0", "1"]
    assert bench.registry.asked == 2


async def test_nothing_is_matched_against_a_registry_that_is_behind(bench: Bench) -> None:
    """An acknowledged subscription must not miss the event (PROTOCOL R3)."""
    bench.registry.is_behind = True
    actor = await bench.actor()
    _feed(actor, _events(0))
    async with asyncio.timeout(5):
        await bench.registry.was_asked.wait()
    assert bench.producer.ticks == []

    put(bench.registry.directory, subscription("sub_2"))
    bench.registry.is_behind = False
    await bench.producer.until(lambda producer: bool(producer.ticks))

    assert bench.written() == ["0", "0"]


async def test_the_registry_is_asked_once_for_all_that_is_queued(bench: Bench) -> None:
    """Not once an event: one question covers every record that was there before it."""
    actor = await bench.actor(tick_records=1)

    _feed(actor, _events(*range(10)))
    await bench.producer.until(lambda producer: bench.committed()[-1:] == [10])

    assert bench.registry.asked == 1


async def test_a_registry_out_of_reach_is_asked_again(bench: Bench) -> None:
    """The event waits; the partition goes on when the brokers are back."""
    bench.registry.is_unreachable = True
    actor = await bench.actor()
    _feed(actor, _events(0))
    async with asyncio.timeout(5):
        await bench.registry.was_asked.wait()

    bench.registry.is_unreachable = False
    await bench.producer.until(lambda producer: bool(producer.ticks))

    assert bench.written() == ["0"]


async def test_a_lost_producer_ends_the_actor(bench: Bench) -> None:
    """Nobody knows whether the tick landed: only a takeover may go on (PROTOCOL F1)."""
    actor = await bench.actor()
    bench.producer.is_lost = True

    _feed(actor, _events(0))
    async with asyncio.timeout(5):
        await bench.woken.wait()

    assert actor.is_dead
    assert actor.position == 0  # where its successor begins
    assert actor.needs_takeover
    assert not actor.is_running
    assert not actor.has_room()
    assert bench.instruments.get_sample_value("hooklane_commits_total", {"result": "lost"}) == 1


async def test_a_successor_goes_on_from_the_committed_offset(bench: Bench) -> None:
    """What the dead one had planned but not committed is planned again, not dropped as seen."""
    first = await bench.actor()
    _feed(first, _events(0))
    await bench.producer.until(lambda producer: bool(producer.ticks))
    bench.producer.is_lost = True
    _feed(first, _events(1))
    async with asyncio.timeout(5):
        await bench.woken.wait()
    await first.close("dead")

    bench.producer.is_lost = False
    bench.event_log.offset, bench.event_log.past = 1, _events(0, 1)
    second = await bench.actor()
    _feed(second, [*_events(1), received(0, offset=2)])
    await bench.producer.until(lambda producer: bench.committed()[-1:] == [3])

    assert second.committed == 3
    assert bench.written() == ["0", "1"]


async def test_the_first_owner_commits_where_it_begins_before_it_writes(bench: Bench) -> None:
    """A first tick that fails leaves aborted deliveries: they must not look like a lost offset."""
    bench.event_log.offset, bench.event_log.is_committed = 4, False

    await bench.actor()

    (tick,) = bench.producer.ticks
    assert (tick.records, tick.offsets, tick.group) == ([], {("p.events", 0): 4}, "p-fanout")


async def test_the_window_is_bounded_as_set(bench: Bench) -> None:
    """A takeover reads no further back than the settings say, whatever the time is."""
    await bench.actor(dedupe_s=60, dedupe_events=7, dedupe_bytes=2048)

    assert bench.event_log.bounds == Bounds(span_ms=60_000, events_max=7, bytes_max=2048)


async def test_a_repeat_that_waited_is_known_however_late_it_is_planned(bench: Bench) -> None:
    """Fan-out was away for longer than the window: only the time in the log counts."""
    bench.clock.advance(24 * 3600)
    bench.event_log.offset, bench.event_log.past = 1, _events(0)
    actor = await bench.actor(dedupe_s=60)

    repeat = received(0, offset=1)
    _feed(actor, [repeat, *_events(2)])
    await bench.producer.until(lambda producer: bench.committed()[-1:] == [3])

    assert bench.written() == ["2"]


async def test_a_drain_commits_what_is_planned_and_plans_no_more(bench: Bench) -> None:
    """What stays in the queue is planned after `resume`, or by the next owner."""
    actor = await bench.actor(tick_records=1)
    bench.producer.gate.clear()
    _feed(actor, _events(0, 1, 2))
    await bench.producer.until(lambda producer: producer.committing == 1)

    draining = asyncio.create_task(actor.drain(5))
    await asyncio.sleep(0)
    bench.producer.gate.set()
    await draining
    planned = list(bench.written())
    assert planned in (["0"], ["0", "1"])

    actor.resume()
    await bench.producer.until(lambda producer: bench.committed()[-1:] == [3])
    assert bench.written() == ["0", "1", "2"]


async def test_a_drain_ends_at_its_deadline(bench: Bench) -> None:
    """A commit without an answer does not hold the group up."""
    actor = await bench.actor()
    bench.producer.gate.clear()
    _feed(actor, _events(0))
    await bench.producer.until(lambda producer: producer.committing == 1)

    await actor.drain(0)

    assert bench.producer.ticks == []


async def test_an_idle_actor_drains_at_once_also_when_dead(bench: Bench) -> None:
    """Nothing to commit, nothing to wait for."""
    actor = await bench.actor()
    async with asyncio.timeout(5):
        await actor.drain(60)
    await actor.close("lost")

    await actor.drain(60)

    assert actor.is_dead


async def test_closing_gives_everything_back(bench: Bench) -> None:
    """Also in the middle of a commit, and twice."""
    actor = await bench.actor()
    bench.producer.gate.clear()
    _feed(actor, _events(0))
    await bench.producer.until(lambda producer: producer.committing == 1)

    await actor.close("lost")
    await actor.close("lost")

    assert bench.producer.committing == 0
    assert not bench.producer.is_claimed
    assert bench.registry.owned == set()


async def test_a_closed_actor_keeps_no_window(bench: Bench) -> None:
    """Tens of megabytes, and a successor builds its own."""
    actor = await bench.actor()
    _feed(actor, _events(0, 1))
    await bench.producer.until(lambda producer: bench.committed()[-1:] == [2])
    assert actor.describe()["remembered"] == 2

    await actor.close("lost")

    assert actor.describe()["remembered"] == 0


async def test_events_are_counted_when_their_tick_is_committed(bench: Bench) -> None:
    """Results, deliveries, delay, reasons and the broker's clock."""
    actor = await bench.actor()
    value = bench.instruments.get_sample_value

    _feed(actor, [*_events(0), received(0, offset=1), received(9, offset=2, event_type="")])
    await bench.producer.until(lambda producer: bench.committed()[-1:] == [3])
    await actor.drain(5)

    assert value("hooklane_fanout_events_total", {"result": "matched"}) == 1
    assert value("hooklane_fanout_events_total", {"result": "duplicate"}) == 1
    assert value("hooklane_fanout_events_total", {"result": "quarantined"}) == 1
    assert value("hooklane_fanout_deliveries_total") == 1
    assert value("hooklane_quarantined_total", {"stage": "fanout", "reason": "bad_event"}) == 1
    assert value("hooklane_fanout_delay_seconds_sum") == 0.5
    assert value("hooklane_clock_skew_seconds") == 0.7
