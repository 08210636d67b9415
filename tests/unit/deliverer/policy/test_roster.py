"""Tests of the roster: the ring, and timers that bring a subscription back."""

import msgspec

from deliverer.policy.lanes import Lane
from deliverer.policy.roster import Roster, Seat
from tests.unit.deliverer.policy.build import NOW, STRICT, delivery


def _seat(name: str = "s") -> tuple[Seat, Lane]:
    seat = Seat(name, STRICT)
    lane = Lane(f"{name}/0", subscription=name, epoch=0, is_strict=True)
    lane.queue.append(delivery(1, f"{name}/0"))
    seat.lanes[lane.key] = lane
    return seat, lane


def test_a_lane_is_listed_once() -> None:
    """Offering again what stands in line costs nothing."""
    roster = Roster()
    seat, lane = _seat()

    roster.offer(seat, lane)
    roster.offer(seat, lane)

    assert (list(roster.ring), seat.ready) == ([seat], [lane])


def test_a_timer_fires_once() -> None:
    """An earlier time replaces a later one; the later one fires into nothing."""
    roster = Roster()
    seat, _ = _seat()
    roster.wake_at(seat, NOW + 9)
    roster.wake_at(seat, NOW + 5)
    roster.wake_at(seat, NOW + 7)

    early = roster.fire(NOW + 4)
    fired = roster.fire(NOW + 5)
    late = roster.fire(NOW + 9)

    assert (early, fired, late) == ([], [seat], [])
    assert roster.next_at is None


def test_reopening_lists_the_lanes_that_have_something() -> None:
    """Those without stay off the ring."""
    roster = Roster()
    seat, lane = _seat()
    empty = Lane("s/0/7", subscription="s", epoch=0, is_strict=True)
    seat.lanes[empty.key] = empty

    roster.reopen(seat)

    assert (list(roster.ring), seat.ready) == ([seat], [lane])


def test_who_accepts() -> None:
    """Active and not asked to wait; a test event goes out while paused, too."""
    seat, _ = _seat()
    seat.not_before = NOW

    assert (seat.accepts(NOW - 1), seat.accepts(NOW)) == (False, True)

    seat.policy = msgspec.structs.replace(STRICT, status="paused")
    assert (seat.accepts(NOW), seat.accepts_tests(NOW)) == (False, True)

    seat.policy = msgspec.structs.replace(STRICT, status="disabled")
    assert (seat.accepts(NOW), seat.accepts_tests(NOW)) == (False, False)


def test_a_stopped_subscription_waits_for_a_later_epoch() -> None:
    """After 410 nothing starts until the registry shows the disabling, and what came after."""
    seat, _ = _seat()
    seat.stopped_epoch = 0
    stopped = seat.accepts(NOW), seat.accepts_tests(NOW)
    seat.policy = msgspec.structs.replace(STRICT, lane_epoch=1)

    assert stopped == (False, False)
    assert seat.accepts(NOW)
