"""Tests of the shared state: small moves that several rules are made of."""

from deliverer.policy.items import Extent, Limits, OwnFate, RecoveredState
from deliverer.policy.partition import Partition
from deliverer.policy.takeover import take_over
from tests.unit.deliverer.policy.build import NOW, STRICT, TIERS, Registry, delivery


def _partition(registry: Registry | None = None) -> Partition:
    return take_over(
        RecoveredState(deliveries=Extent(0, 9), tiers=(Extent(0, 9),) * len(TIERS)),
        subscriptions=registry if registry is not None else Registry(s=STRICT),
        limits=Limits(),
        tiers=TIERS,
        jitter=lambda: 0.0,
        fate=OwnFate(),
    )


def test_a_lane_is_made_once_and_belongs_to_its_subscription() -> None:
    """Lanes of one subscription share its place in the ring."""
    p = _partition()

    lane = p.lane_for(delivery(0))
    other = p.lane_for(delivery(1, "s/0/7"))

    assert p.lane_for(delivery(2)) is lane
    assert other is not None
    assert set(p.seats["s"].lanes) == {"s/0", "s/0/7"}


def test_a_subscription_that_must_wait_is_remembered() -> None:
    """Its Retry-After outlives its last lane."""
    p = _partition()
    assert p.lane_for(delivery(0)) is not None
    seat = p.seats["s"]
    seat.lanes.clear()
    seat.not_before = NOW + 5

    p.forget_seat(seat, NOW)
    remembered = "s" in p.seats
    p.forget_seat(seat, NOW + 5)

    assert remembered
    assert "s" not in p.seats


def test_an_old_seat_does_not_take_its_successor_away() -> None:
    """A timer may still know the former object of a subscription."""
    p = _partition()
    assert p.lane_for(delivery(0)) is not None
    old = p.seats.pop("s")
    old.lanes.clear()
    p.lanes.clear()
    assert p.lane_for(delivery(1)) is not None

    p.forget_seat(old, NOW)

    assert "s" in p.seats
