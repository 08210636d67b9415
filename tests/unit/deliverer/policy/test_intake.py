"""Tests of the intake: the log (H1-H3) and changes of the registry (A5)."""

import msgspec

from deliverer.policy.items import AttemptLog, Limits, WindowState
from schemas.outcome import Outcome
from tests.unit.deliverer.policy.build import (
    LOOSE,
    NOW,
    STRICT,
    Registry,
    delivery,
    end,
    failing,
    feed,
    machine,
    outputs,
    read_back,
    report,
    start,
    state,
    tick,
)

DISABLED = msgspec.structs.replace(STRICT, status="disabled", lane_epoch=1, drop_before=1)


def test_a_record_read_again_is_ignored() -> None:
    """A rebalance makes the consumer start again from the committed offset (H1)."""
    made = machine()
    feed(made, delivery(0), delivery(1))

    feed(made, delivery(0), delivery(1), delivery(2))

    assert made.buffered_bytes == 30
    assert made.head_position == 3


def test_what_a_former_owner_settled_is_not_taken() -> None:
    """The finished set of `$window` survives the owner (H3)."""
    window = WindowState(0, [(1, 2)], [(0, [])] * 3)
    made = machine(Registry(s=LOOSE), recovered=state(window=window))

    feed(made, delivery(0), delivery(1), delivery(2))
    sequences = [start(made).delivery.sequence for _ in range(2)]

    assert sequences == [0, 2]
    assert made.next_start(NOW) is None


def test_deliveries_of_a_dead_epoch_or_a_deleted_subscription_are_final() -> None:
    """Nothing is written for them; they are counted by reason (H2)."""
    made = machine(Registry(s=DISABLED))

    feed(made, delivery(0), delivery(1, "nobody/0"))

    assert made.next_start(NOW) is None
    assert tick(made).window.w == 2
    assert (made.counts.dropped_disabled, made.counts.dropped_deleted) == (1, 1)


def test_a_skipped_record_is_settled_at_its_place_once() -> None:
    """Read again, or settled by a former owner, it must not be quarantined again."""
    made = machine()
    feed(made, delivery(0))

    answers = made.skip_head(1), made.skip_head(1)
    feed(made, delivery(2))
    end(made, start(made))

    assert answers == (True, False)
    assert tick(made).window.w == 2


def test_a_skipped_record_that_was_settled_before_the_takeover_is_no_news() -> None:
    """The former owner's tick carried its quarantine record."""
    made = machine(recovered=state(window=WindowState(0, [(1, 2)], [(0, [])] * 3)))
    feed(made, delivery(0))

    assert made.skip_head(1) is False


def test_the_reader_stops_at_the_window() -> None:
    """It bounds what a successor must know; a tick opens it again."""
    made = machine(limits=Limits(window_offsets=2))
    feed(made, delivery(0), delivery(1))

    stopped = made.can_read_head()
    end(made, start(made))
    tick(made)

    assert (stopped, made.can_read_head()) == (False, True)


def test_a_full_budget_does_not_stop_the_reader() -> None:
    """What finds no room lags, and costs nothing."""
    made = machine(limits=Limits(buffer_bytes=20))
    feed(made, *(delivery(i) for i in range(9)))

    assert made.can_read_head()
    assert made.buffered_bytes <= 20
    assert made.view.lanes_by_state()["lagging"] == 1


def test_a_delivery_that_a_lane_takes_makes_no_tick() -> None:
    """Nothing changed that a successor must know: the attempt's end will."""
    made = machine()

    feed(made, delivery(0))
    taken = made.has_output
    end(made, start(made))

    assert (taken, made.has_output) == (False, True)


def test_disabling_drops_what_waits_and_what_runs_is_only_logged() -> None:
    """The lane goes at once; the attempt that runs ends without a consequence (A5)."""
    registry = Registry(s=STRICT)
    made = machine(registry)
    feed(made, delivery(0), delivery(1))
    running = start(made)
    registry["s"] = DISABLED

    made.registry_changed("s", NOW)
    snapshot_w = tick(made).window.w
    made.finish(running, report(Outcome.HTTP_5XX), NOW)

    assert snapshot_w == 2
    assert [type(output) for output in tick(made).outputs] == [AttemptLog]
    assert (made.in_flight, made.buffered_bytes) == (0, 0)
    assert made.counts.dropped_disabled == 1


def test_disabling_a_held_lane_takes_its_record_away() -> None:
    """Else a successor would find a held lane that nobody ever wakes."""
    registry = Registry(s=STRICT)
    made = machine(registry)
    feed(made, delivery(0))
    failing(made)
    registry["s"] = DISABLED

    made.registry_changed("s", NOW)

    assert tick(made).lanes == [("s/0", None)]


def test_deleting_drops_and_a_late_answer_leaves_no_record() -> None:
    """An attempt of a removed subscription has neither record nor count."""
    registry = Registry(s=STRICT)
    made = machine(registry)
    feed(made, delivery(0), delivery(1))
    running = start(made)
    del registry["s"]

    made.registry_changed("s", NOW)
    made.finish(running, report(), NOW)

    assert outputs(tick(made), AttemptLog) == []
    assert made.counts.dropped_deleted == 1
    assert made.buffered_bytes == 0


def test_an_ended_attempt_of_a_dropped_lane_frees_its_place() -> None:
    """The other lanes of the subscription wait for one of its attempts to end."""
    both = msgspec.structs.replace(STRICT, modes={0: "strict", 1: "strict"}, max_in_flight=1)
    registry = Registry(s=msgspec.structs.replace(both, lane_epoch=1))
    made = machine(registry)
    feed(made, delivery(0), delivery(1, "s/1"))
    running = start(made)
    registry["s"] = msgspec.structs.replace(both, lane_epoch=1, drop_before=1)
    made.registry_changed("s", NOW)
    before = made.next_start(NOW)

    made.finish(running, report(), NOW)

    assert before is None
    assert start(made).delivery.sequence == 1


def test_a_change_of_an_unknown_subscription_is_no_matter() -> None:
    """Most subscriptions of a registry have nothing to deliver right now."""
    made = machine()

    made.registry_changed("stranger", NOW)

    assert made.next_start(NOW) is None


def test_only_what_its_receiver_does_not_hold_up_counts_as_our_delay() -> None:
    """First of a free lane: yes. Behind another, at the bound in flight, after a failure: no."""
    made = machine(Registry(s=STRICT, b=msgspec.structs.replace(LOOSE, max_in_flight=1)))
    first, behind = delivery(0), delivery(1)
    busy, beyond = delivery(2, "b/0"), delivery(3, "b/0")

    feed(made, first, behind, busy)
    started = [start(made), start(made)]
    feed(made, beyond)
    end(made, started[0], Outcome.HTTP_5XX)
    later = delivery(4)
    feed(made, later)

    assert [one.is_unhindered for one in (first, behind, busy, beyond, later)] == [
        True, False, True, False, False,
    ]  # fmt: skip


def test_what_lies_behind_a_cursor_is_dropped_and_counted() -> None:
    """Whether it was passed over by the reader of the log or given back to it."""
    registry = Registry(s=msgspec.structs.replace(STRICT, status="paused"))
    made = machine(registry, limits=Limits())
    feed(made, *(delivery(i) for i in range(3)))
    registry["s"] = DISABLED

    made.registry_changed("s", NOW)

    assert made.counts.dropped_disabled == 3


def test_a_delivery_is_dropped_once_wherever_it_went() -> None:
    """One was sent, one waits in a delay topic, one in a queue, one behind the cursor."""
    registry = Registry(s=msgspec.structs.replace(STRICT, status="paused"), t=STRICT)
    limits = Limits(lane_queue=2, lane_queue_max=2)
    made = machine(registry, limits=limits)
    log = [delivery(i) for i in range(4)]
    feed(made, *log)
    registry["s"] = STRICT
    made.registry_changed("s", NOW)
    made.read_sweep(log, start=made.sweep_target(NOW) or 0, end=4, now=NOW)
    end(made, start(made))  # 1 is queued, 2 and 3 lie behind the cursor
    park = failing(made)  # now 2 and 3 are all behind it, 1 waits in a delay topic
    del registry["s"]

    made.registry_changed("s", NOW)
    read_back(made, park)
    made.wake(park.due_at)

    assert made.counts.dropped_deleted == 3
