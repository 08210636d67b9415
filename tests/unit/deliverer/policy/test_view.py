"""Tests of the gauges."""

import msgspec

from deliverer.policy.items import Limits, Park
from tests.unit.deliverer.policy.build import (
    NOW,
    STRICT,
    TIERS,
    Registry,
    delivery,
    failing,
    feed,
    machine,
    parked,
)


def test_due_records_are_counted_by_tier() -> None:
    """Those past their time, whether they wait for a slot or for the next wake."""
    made = machine()
    feed(made, delivery(0))
    park = failing(made)
    assert made.read_tier(0, [parked(park, 0)], end=1, now=NOW)
    later = Park(delivery(1, "s/0/7"), 1, 2, NOW + 40_000, None, None, None)
    assert made.read_tier(1, [parked(later, 0)], end=1, now=NOW)

    before = made.view.due_by_tier(NOW)
    asleep = made.view.due_by_tier(NOW + TIERS[0])
    made.wake(NOW + TIERS[0])

    assert before == [(0, None)] * 3
    assert (
        asleep
        == made.view.due_by_tier(NOW + TIERS[0])
        == [
            (1, NOW + TIERS[0]),
            (0, None),
            (0, None),
        ]
    )


def test_the_oldest_that_waits_is_known_in_queue_and_log() -> None:
    """A lane that lags counts from its cursor."""
    paused = msgspec.structs.replace(STRICT, status="paused")
    made = machine(Registry(s=STRICT, t=paused), limits=Limits())
    empty = made.view.oldest_queued_at()
    feed(made, delivery(0, accepted_at=NOW - 5), delivery(1, "t/0", accepted_at=NOW - 9))

    assert (empty, made.view.oldest_queued_at()) == (None, NOW - 9)


def test_lanes_are_counted_once() -> None:
    """A held lane may lag as well; it counts as held."""
    made = machine(limits=Limits())
    feed(made, delivery(0), delivery(1))
    failing(made)

    assert made.view.lanes_by_state() == {"live": 0, "held": 1, "lagging": 0}
    assert made.view.describe()["lagging"] == 1
