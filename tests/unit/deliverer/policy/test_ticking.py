"""Tests of the tick (C1-C3)."""

import msgspec
import pytest

from deliverer.policy.items import Limits, WindowState
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
    start,
    state,
    tick,
)


def test_a_tick_holds_what_ended_before_it_and_nothing_later() -> None:
    """What happens while it is open belongs to the next one."""
    made = machine(Registry(s=LOOSE))
    feed(made, delivery(0), delivery(1))
    first, second = start(made), start(made)
    end(made, first)

    snapshot = made.begin_tick(NOW)
    end(made, second)
    made.committed(NOW)
    later = tick(made)

    assert [o.delivery.sequence for o in snapshot.outputs] == [0]
    assert snapshot.window.w == 1
    assert [o.delivery.sequence for o in later.outputs] == [1]
    assert later.window.w == 2


def test_what_is_not_known_to_be_written_is_in_the_open_tick_or_in_none_yet() -> None:
    """Both may be lost with the partition (C5)."""
    made = machine(Registry(s=LOOSE))
    feed(made, delivery(0), delivery(1), delivery(2))
    attempts = [start(made) for _ in range(3)]

    def unwritten() -> list[int]:
        return [log.delivery.sequence for log in made.unwritten]

    end(made, attempts[0])
    assert unwritten() == [0]
    made.begin_tick(NOW)
    end(made, attempts[1])
    assert unwritten() == [0, 1]
    made.committed(NOW)
    end(made, attempts[2])
    assert unwritten() == [1, 2]


@pytest.mark.parametrize("outcome", [Outcome.DELIVERED, Outcome.HTTP_5XX])
def test_what_waits_for_a_tick_takes_no_more_memory_than_the_budget(outcome: Outcome) -> None:
    """The brokers may be silent for long while receivers answer: then no more is begun."""
    made = machine(Registry(s=LOOSE), limits=Limits(buffer_bytes=100))
    made.begin_tick(NOW)
    begun = 0
    for sequence in range(40):
        feed(made, delivery(sequence))
        while (attempt := made.next_start(NOW)) is not None:
            end(made, attempt, outcome)
            begun += 1

    held = made.buffered_bytes
    made.committed(NOW)
    tick(made)
    tick(made)
    has_been_freed = made.buffered_bytes == 0

    assert begun < 20
    assert held <= 100 + 20
    assert has_been_freed
    assert made.sweep_target(NOW) == begun


def test_no_retry_is_read_while_much_waits_for_a_tick() -> None:
    """One that hops or goes back would wait in memory for the tick, too."""
    made = machine(Registry(s=LOOSE), limits=Limits(buffer_bytes=100))
    feed(made, *[delivery(sequence) for sequence in range(8)])
    for _ in range(3):
        end(made, start(made), Outcome.HTTP_5XX)
    could_read = made.can_read_tier(0)

    made.begin_tick(NOW)
    can_read = made.can_read_tier(0)
    made.committed(NOW)

    assert (could_read, can_read, made.can_read_tier(0)) == (False, False, True)


def test_settled_offsets_above_the_mark_are_written() -> None:
    """A successor must not repeat what ended out of order."""
    made = machine(Registry(s=LOOSE))
    feed(made, delivery(0), delivery(1), delivery(2))
    _, second, _ = start(made), start(made), start(made)
    end(made, second)

    assert tick(made).window == WindowState(0, [(1, 2)], [(0, []), (0, []), (0, [])])


def test_ticks_are_numbered_and_carry_the_term() -> None:
    """The mark by which a lost answer is found again (C5)."""
    made = machine(recovered=state(term=4, tick=9, window=WindowState(0, [], [(0, [])] * 3)))

    snapshot = made.begin_tick(NOW)

    assert (snapshot.term, snapshot.tick) == (5, 11)


def test_at_most_one_tick_is_open() -> None:
    """The next one starts when the answer to this one is known."""
    made = machine()
    made.begin_tick(NOW)

    with pytest.raises(AssertionError):
        made.begin_tick(NOW)
    made.committed(NOW)
    with pytest.raises(AssertionError):
        made.committed(NOW)


def test_nothing_new_is_an_empty_tick() -> None:
    """Only an idle heartbeat would write it."""
    made = machine()

    assert not made.has_output
    tick = made.begin_tick(NOW)
    assert (tick.outputs, tick.lanes, tick.failing) == ([], [], [])


def test_markers_alone_move_the_mark() -> None:
    """Without this the lag of an idle partition would never show zero (K2)."""
    made = machine()

    feed(made, end=4)

    assert made.has_output
    assert tick(made).window.w == 4
    assert made.low_mark == 4
    assert not made.has_output


def test_an_unchanged_held_lane_is_written_once() -> None:
    """Ten thousand held lanes must not be rewritten every tick."""
    made = machine()
    feed(made, delivery(0))
    failing(made)
    feed(made, delivery(1, "s/0/7"))
    end(made, start(made))

    assert tick(made).lanes == []


def test_idle_lanes_are_forgotten() -> None:
    """A partition holds objects only for lanes that have something."""
    made = machine()
    feed(made, delivery(0))
    end(made, start(made))
    before = made.view.lanes_by_state()["live"]

    tick(made)

    assert (before, made.view.lanes_by_state()) == (1, {"live": 0, "held": 0, "lagging": 0})


def test_a_lane_that_got_something_new_meanwhile_is_kept() -> None:
    """It was idle when its attempt ended, not when the tick landed."""
    made = machine()
    feed(made, delivery(0))
    end(made, start(made))
    feed(made, delivery(1))

    tick(made)

    assert start(made).delivery.sequence == 1


def test_a_failure_and_its_hold_are_in_one_tick() -> None:
    """Else a successor could start what comes behind the held head."""
    made = machine()
    feed(made, delivery(0), delivery(1))
    end(made, start(made), Outcome.HTTP_5XX)

    snapshot = made.begin_tick(NOW)

    assert [type(output).__name__ for output in snapshot.outputs] == ["Park", "AttemptLog"]
    assert [key for key, lane in snapshot.lanes if lane is not None] == ["s/0"]


def test_a_tick_is_awaited_by_a_new_owner_and_behind_a_dead_letter() -> None:
    """Nothing starts before the first one, and the next of a lane not before a letter lands."""
    fresh = machine(is_confirmed=False)
    made = machine()
    feed(made, delivery(0), delivery(1))
    success = start(made)
    before = made.is_tick_awaited
    end(made, success)
    after_success = made.is_tick_awaited
    end(made, start(made), Outcome.HTTP_5XX, wants_abort=True)
    after_letter = made.is_tick_awaited
    tick(made)

    assert (before, after_success, after_letter) == (False, False, True)
    assert not made.is_tick_awaited
    assert fresh.is_tick_awaited


def test_the_mark_stays_below_what_this_owner_has_read() -> None:
    """Else a live lane would seem to lie below it, and its record would stay (seed 12366)."""
    done_before = WindowState(0, [(0, 5)], [(0, [])] * 3)
    made = machine(recovered=state(window=done_before))

    unread = made.low_mark
    feed(made, delivery(0), delivery(1))

    assert unread == 0
    assert tick(made).window == WindowState(2, [(2, 5)], [(0, [])] * 3)


def test_what_was_settled_above_a_passed_hole_makes_a_tick() -> None:
    """A deleted lane leaves its unread offsets open; what is settled above them is to be written.

    Else a window that is full of such offsets is never written, and the log is read no further.
    """
    registry = Registry(s=msgspec.structs.replace(STRICT, status="paused"))
    made = machine(registry)
    feed(made, delivery(0))
    registry.clear()
    made.registry_changed("s", NOW)
    made.begin_tick(NOW)
    feed(made, delivery(1))

    made.committed(NOW)

    assert made.has_output
    assert tick(made).window.w == 2
