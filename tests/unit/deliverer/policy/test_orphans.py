"""Tests of heads whose record in a delay topic was taken by retention."""

from deliverer.policy.items import Extent, LaneState, WindowState
from deliverer.policy.machine import Machine
from tests.unit.deliverer.policy.build import (
    NOW,
    STRICT,
    Registry,
    delivery,
    failing,
    feed,
    machine,
    parked,
    read_back,
    start,
    state,
    tick,
)


def _taken_over(*, begin: int, end: int, registry: Registry | None = None) -> Machine:
    """Take over a partition whose strict lane is held by delivery 0; its tier begins later."""
    held = {"s/0": LaneState(1, [], (0, 2), NOW)}
    return machine(
        registry,
        recovered=state(
            window=WindowState(1, [], [(0, []), (0, []), (0, [])]),
            lanes=held,
            tiers=(Extent(begin, end), Extent(0, 0), Extent(0, 0)),
        ),
    )


def test_a_lane_goes_on_when_its_head_is_lost() -> None:
    """Nothing else would ever end the hold; the loss is counted, and the record goes."""
    made = _taken_over(begin=1, end=1)

    made.wake(NOW)
    lanes = tick(made).lanes
    feed(made, delivery(1))

    assert made.counts.lost_heads == 1
    assert lanes == [("s/0", None)]
    assert start(made).delivery.sequence == 1


def test_a_head_that_may_still_come_is_waited_for() -> None:
    """Before the delay topics are read to where the takeover found their ends, nothing is lost."""
    made = _taken_over(begin=1, end=3)
    feed(made, delivery(1))

    made.wake(NOW)

    assert made.next_start(NOW) is None
    assert made.counts.lost_heads == 0


def test_a_head_that_was_read_is_not_lost() -> None:
    """Its lane stays held until the attempt."""
    former = machine()
    feed(former, delivery(0))
    park = failing(former)
    made = _taken_over(begin=0, end=1)

    read_back(made, park)
    made.wake(NOW)

    assert made.counts.lost_heads == 0
    assert made.view.lanes_by_state()["held"] == 1


def test_another_attempt_of_the_head_does_not_count() -> None:
    """A record with another number is not the one the lane waits for."""
    former = machine()
    feed(former, delivery(0))
    park = failing(former)
    stale = parked(park, 0)
    stale.attempt = 7
    made = _taken_over(begin=0, end=1)

    assert made.read_tier(0, [stale], end=1, now=NOW)
    made.wake(NOW)

    assert made.counts.lost_heads == 1


def test_a_lane_that_was_dropped_meanwhile_is_left_alone() -> None:
    """A delete ends the hold first."""
    registry = Registry(s=STRICT)
    made = _taken_over(begin=1, end=1, registry=registry)
    registry.clear()
    made.registry_changed("s", NOW)

    made.wake(NOW)

    assert made.counts.lost_heads == 0
