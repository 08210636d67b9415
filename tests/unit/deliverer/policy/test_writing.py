"""Tests of what is written: parks and dead letters."""

from deliverer.policy.items import (
    Attempt,
    DeadLetter,
    Extent,
    Limits,
    OwnFate,
    Park,
    RecoveredState,
)
from deliverer.policy.partition import Partition
from deliverer.policy.takeover import take_over
from deliverer.policy.writing import dead, expire_first, park
from schemas.dead_letter import DeadLetterReason
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


def test_parking_chooses_the_tier_by_the_rest() -> None:
    """The longest that does not overshoot."""
    p = _partition()

    park(p, Attempt(delivery(0), 1), 2, due_at=NOW + 31_000, wake_at=NOW + 31_000, now=NOW)

    assert isinstance(p.outputs[0], Park)
    assert (p.outputs[0].tier, p.outputs[0].attempt) == (1, 2)


def test_a_dead_letter_of_a_lane_without_order_blocks_nothing() -> None:
    """Only strict lanes wait for its commit."""
    p = _partition(Registry(s=STRICT.__class__(modes={0: "none"}, schedule_ms=(), max_age_ms=1)))
    lane = p.lane_for(delivery(0))
    assert lane is not None

    letter = DeadLetter(delivery(0), DeadLetterReason.GONE, 1, None, None, None, None)
    dead(p, lane, letter)

    assert p.outputs == [letter]
    assert p.settling == {}


def test_an_expired_head_is_settled_in_the_order_of_the_log() -> None:
    """One dead letter each, first the first."""
    p = _partition()
    lane = p.lane_for(delivery(0))
    assert lane is not None
    lane.queue.extend((delivery(0), delivery(1)))
    p.window.read(0)
    p.window.read(1)

    expire_first(p, lane)
    expire_first(p, lane)

    letters = [output.delivery.sequence for output in p.outputs]
    assert (letters, p.window.mark) == ([0, 1], 2)
    assert list(p.settling) == [lane]
