"""Tests of lanes that fall back to a cursor (H4, E1), and of the byte budget (B1)."""

import msgspec
import pytest

from deliverer.policy.items import Attempt, DeadLetter, LaneState, Limits
from deliverer.policy.machine import Machine
from schemas.outcome import Outcome
from tests.unit.deliverer.policy.build import (
    DAY,
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
    report,
    start,
    sweep,
    tick,
)

SWEEP = Limits()
PAUSED = msgspec.structs.replace(STRICT, status="paused")


def test_a_held_lane_leaves_what_comes_to_the_log() -> None:
    """It lags from the first record it did not take; the mark passes it."""
    made = machine(limits=SWEEP)
    feed(made, delivery(0))
    failing(made)

    feed(made, delivery(1), delivery(2))
    written = tick(made)

    assert made.buffered_bytes == 0
    assert written.window.w == 3
    assert made.view.lanes_by_state() == {"live": 0, "held": 1, "lagging": 0}


def test_a_failure_gives_the_queue_back() -> None:
    """Held lanes cost a record in the log, not memory (E1)."""
    made = machine(limits=SWEEP)
    feed(made, delivery(0), delivery(1), delivery(2))

    failing(made)
    written = tick(made)

    assert made.buffered_bytes == 0
    assert made.low_mark == 3
    assert written.lanes == []


def test_the_record_of_a_held_lane_says_where_to_go_on() -> None:
    """Low is the first delivery behind the head."""
    made = machine(limits=SWEEP)
    feed(made, delivery(0), delivery(1), delivery(2))
    made.finish(start(made), report(Outcome.TIMEOUT), NOW)

    assert tick(made).lanes == [("s/0", LaneState(1, [], (0, 2), NOW))]


def test_a_paused_lane_lags_and_holds_nothing_back() -> None:
    """Its record says from where; the reader goes on for the others."""
    made = machine(Registry(s=PAUSED, t=STRICT), limits=SWEEP)
    feed(made, delivery(0), delivery(1, "t/0"))
    end(made, start(made))

    written = tick(made)

    assert written.window.w == 2
    assert written.lanes == [("s/0", LaneState(0, [], None, NOW))]


def test_a_partition_of_held_and_paused_lanes_comes_to_rest() -> None:
    """Nothing to write, nothing to sweep, and one timer: it costs nothing while it waits."""
    made = machine(Registry(s=STRICT, t=PAUSED), limits=SWEEP)
    feed(made, delivery(0), delivery(1), delivery(2, "t/0"))
    failing(made)
    made.sweep_target(NOW)
    tick(made)

    assert not made.has_output
    assert made.sweep_target(NOW) is None
    assert made.next_start(NOW) is None
    assert made.wake(NOW) == NOW + DAY + 1


def test_a_pause_gives_queued_deliveries_back() -> None:
    """What was taken before goes back to the log when the lane's turn comes."""
    registry = Registry(s=STRICT)
    made = machine(registry, limits=SWEEP)
    feed(made, delivery(0), delivery(1))
    registry["s"] = PAUSED
    made.registry_changed("s", NOW)

    assert made.next_start(NOW) is None
    assert made.buffered_bytes == 0
    assert made.view.lanes_by_state()["lagging"] == 1


def test_a_full_queue_lags() -> None:
    """A lane takes what it can use soon, more only while the budget is half free."""
    made = machine(limits=Limits(lane_queue=2, lane_queue_max=3, buffer_bytes=60))
    feed(made, *(delivery(i) for i in range(3)))
    roomy = made.view.lanes_by_state()["lagging"]
    feed(made, delivery(3))

    assert roomy == 0
    assert made.view.lanes_by_state()["lagging"] == 1
    assert made.buffered_bytes == 30


def test_over_the_budget_the_longest_queue_goes_back_but_for_its_first() -> None:
    """The one that may start next stays, else it would be read again at once."""
    limits = Limits(buffer_bytes=60, lane_queue=10, lane_queue_max=10)
    made = machine(Registry(a=STRICT, b=STRICT), limits=limits)

    feed(made, *(delivery(i, "a/0") for i in range(5)), delivery(5, "b/0"))

    assert made.buffered_bytes == 20
    assert made.view.lanes_by_state() == {"live": 1, "held": 0, "lagging": 1}
    assert [start(made).delivery.sequence for _ in range(2)] == [0, 5]


def test_an_attempt_that_hangs_does_not_stop_the_mark_for_ever() -> None:
    """When the window is half full the lane gets a record with what it has settled."""
    made = machine(Registry(s=LOOSE), limits=Limits(window_offsets=4))
    feed(made, delivery(0), delivery(1))
    hanging = start(made)
    end(made, start(made))

    written = tick(made)
    end(made, hanging)
    after = tick(made)

    assert written.window.w == 2
    assert written.lanes == [("s/0", LaneState(0, [(1, 2)], None, NOW))]
    assert after.lanes == [("s/0", None)]


def test_a_done_set_at_its_bound_makes_its_lane_lag() -> None:
    """The record of a lane stays small, however long its oldest attempt hangs."""
    made = machine(Registry(s=LOOSE), limits=Limits(lane_done=2))
    feed(made, delivery(0), delivery(1), delivery(2))
    start(made)
    for _ in range(2):
        end(made, start(made))

    feed(made, delivery(3))

    assert made.next_start(NOW) is None
    assert made.view.lanes_by_state()["lagging"] == 1


def test_a_paused_backlog_expires_from_the_log() -> None:
    """The timer of the oldest cursor asks for the sweep (S1)."""
    made = machine(Registry(s=PAUSED), limits=SWEEP)
    feed(made, delivery(0), delivery(1, accepted_at=NOW + 60_000))
    asleep = made.sweep_target(NOW)
    at = made.wake(NOW)
    assert at == NOW + DAY + 1

    made.wake(at)
    target = made.sweep_target(at)
    made.read_sweep([delivery(0)], start=0, end=1, now=at)
    made.next_start(at)

    assert (asleep, target) == (None, 0)
    assert [o.delivery.sequence for o in outputs(tick(made), DeadLetter)] == [0]


@pytest.mark.parametrize("limits", [Limits(), SWEEP])
def test_a_test_event_is_taken_while_paused(limits: Limits) -> None:
    """Its lane accepts although the others do not."""
    made = machine(Registry(s=PAUSED), limits=limits)

    feed(made, delivery(0, "s/0/test"))

    assert start(made).delivery.kind == "test"


def _given_back_below_one_in_flight(registry: Registry) -> tuple[Machine, Attempt]:
    """Return a machine whose lane reads from 0 on again while the attempt of 1 is out."""
    made = machine(registry)
    feed(made, delivery(0, "n/0"), delivery(1, "n/0"))
    lower, upper = start(made), start(made)
    end(made, lower, Outcome.CANCELLED)
    registry["n"] = msgspec.structs.replace(LOOSE, status="paused")
    made.registry_changed("n", NOW)
    assert made.next_start(NOW) is None
    return made, upper


def _resume(made: Machine, registry: Registry) -> list[int]:
    """Let the lane read again; returns what starts."""
    registry["n"] = LOOSE
    made.registry_changed("n", NOW)
    sweep(made, delivery(0, "n/0"), delivery(1, "n/0"))
    started = []
    while (attempt := made.next_start(NOW)) is not None:
        started.append(attempt.delivery.sequence)
    return started


def test_what_is_in_flight_above_the_cursor_is_not_read_again() -> None:
    """Of two attempts of an unordered lane the lower came back, then its queue went (500104)."""
    registry = Registry(n=LOOSE)
    made, upper = _given_back_below_one_in_flight(registry)

    started = _resume(made, registry)

    assert started == [0]
    assert end(made, upper) == []


def test_an_attempt_given_back_above_the_cursor_is_read_again_once() -> None:
    """The log has it, so the queue need not."""
    registry = Registry(n=LOOSE)
    made, upper = _given_back_below_one_in_flight(registry)
    end(made, upper, Outcome.CANCELLED)

    assert _resume(made, registry) == [0, 1]
