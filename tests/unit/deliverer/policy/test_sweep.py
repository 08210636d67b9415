"""Tests of the state of the sweep, and of the heap of lows."""

from deliverer.policy.lanes import Lane
from deliverer.policy.sweep import Lows, Sweep


def _lane(key: str = "s/0") -> Lane:
    return Lane(key, subscription="s", epoch=0, is_strict=True)


def test_a_lane_that_leaves_is_served_by_a_later_pass() -> None:
    """Its mark is the number of the pass it left."""
    sweep = Sweep()
    lane = _lane()
    sweep.begin(7, [lane])

    sweep.leave(lane)
    left = lane.left_pass == sweep.number
    sweep.begin(7, [lane])

    assert left
    assert lane.left_pass != sweep.number
    assert (sweep.start, sweep.position, list(sweep.joined)) == (7, 7, [lane])


def test_a_live_lane_is_on_no_list() -> None:
    """Forgetting takes it off all of them."""
    sweep = Sweep()
    lane = _lane()
    sweep.begin(0, [lane])
    sweep.lagging[lane] = sweep.candidates[lane] = None

    sweep.forget(lane)

    assert (sweep.lagging, sweep.candidates, sweep.joined) == ({}, {}, {})


def test_the_lowest_low_is_first_and_a_lane_is_watched_once() -> None:
    """A low that grew is corrected when it comes to the top."""
    lows = Lows()
    low, high = _lane("s/0/1"), _lane("s/0/2")
    lows.push(9, high)
    lows.push(3, low)
    lows.push(1, low)
    first = lows.first()

    lows.correct(12)

    assert first == (3, low)
    assert (lows.pop(), lows.pop(), lows.first()) == (high, low, None)
    assert not low.is_watched
