"""Tests of the shared state: small moves that several rules are made of."""

from deliverer.policy.items import Attempt, DeadLetter, Extent, Limits, Park, RecoveredState
from deliverer.policy.partition import Partition
from deliverer.policy.takeover import take_over
from schemas.dead_letter import DeadLetterReason
from tests.unit.deliverer.policy.build import NOW, STRICT, TIERS, Registry, delivery


def _partition(registry: Registry | None = None) -> Partition:
    return take_over(
        RecoveredState(deliveries=Extent(0, 9), tiers=(Extent(0, 9),) * len(TIERS)),
        subscriptions=registry if registry is not None else Registry(s=STRICT),
        limits=Limits(),
        tiers=TIERS,
        jitter=lambda: 0.0,
    )


def test_a_lane_is_made_once_and_belongs_to_its_subscription() -> None:
    """Lanes of one subscription share its place in the ring."""
    p = _partition()

    lane = p.lane_for(delivery(0))
    other = p.lane_for(delivery(1, "s/0/7"))

    assert p.lane_for(delivery(2)) is lane
    assert other is not None
    assert set(p.seats["s"].lanes) == {"s/0", "s/0/7"}


def test_parking_chooses_the_tier_by_the_rest() -> None:
    """The longest that does not overshoot."""
    p = _partition()

    p.park(Attempt(delivery(0), 1), 2, due_at=NOW + 31_000, now=NOW)

    assert isinstance(p.outputs[0], Park)
    assert (p.outputs[0].tier, p.outputs[0].attempt) == (1, 2)


def test_a_dead_letter_of_a_lane_without_order_blocks_nothing() -> None:
    """Only strict lanes wait for its commit."""
    p = _partition(Registry(s=STRICT.__class__(modes={0: "none"}, schedule_ms=(), max_age_ms=1)))
    lane = p.lane_for(delivery(0))
    assert lane is not None

    letter = DeadLetter(delivery(0), DeadLetterReason.GONE, 1, None, None, None, None)
    p.dead(lane, letter)

    assert p.outputs == [letter]
    assert p.settling == {}


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
