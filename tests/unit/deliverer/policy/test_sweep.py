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
    lows.push(5, low)
    first = lows.first()

    lows.correct(12)

    assert first == (3, low)
    assert lows.first() == (9, high)
    assert (lows.pop(), lows.first()) == (high, (12, low))
    assert (lows.pop(), lows.first(), low.watched_low) == (low, None, None)


def test_of_several_lows_of_a_lane_the_lowest_counts() -> None:
    """A lane that catches up meets a record at the head before it is watched for what lies below.

    Found by seed 417541: the mark passed a delivery that no record named, and a crash lost it.
    """
    lows = Lows()
    lane, other = _lane("s/0/1"), _lane("s/0/2")
    lows.push(8, lane)
    lows.push(6, other)
    lows.push(4, lane)

    assert lows.first() == (4, lane)
    lows.correct(9)
    assert lows.first() == (6, other)
    assert (lows.pop(), lows.first()) == (other, (9, lane))
