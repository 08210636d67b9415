"""Tests of the delay topics in memory: wakes and bounds."""

from deliverer.policy.items import Limits, Park, Parked
from deliverer.policy.tiers import Tiers
from deliverer.policy.window import Window
from tests.unit.deliverer.policy.build import NOW, TIERS, delivery, parked


def _tiers(**limits: int) -> Tiers:
    return Tiers(TIERS, [Window(0) for _ in TIERS], Limits(**limits))


def _parked(tier: int, due_at: int, *, appended_at: int = NOW, offset: int = 0) -> Parked:
    park = Park(delivery(1), tier, 2, due_at, None, None, None)
    return parked(park, offset, appended_at=appended_at)


def _hold(tiers: Tiers, record: Parked) -> None:
    tiers.hold(record, NOW, wake_at=record.due_at)


def test_an_upper_tier_wakes_after_its_delay_and_the_lowest_when_due() -> None:
    """A tier's records are sorted by append time, so its wakes are too."""
    tiers = _tiers()

    _hold(tiers, _parked(1, NOW + 50_000))
    upper = tiers.next_at
    _hold(tiers, _parked(0, NOW + 7_000))

    assert (upper, tiers.next_at) == (NOW + 30_000, NOW + 7_000)


def test_a_broker_clock_that_runs_ahead_costs_no_delay() -> None:
    """The wake is never later than the due time."""
    tiers = _tiers()

    _hold(tiers, _parked(1, NOW + 40_000, appended_at=NOW + 3_600_000))

    assert tiers.next_at == NOW + 40_000


def test_what_will_be_too_old_wakes_then() -> None:
    """Its due time stays what it is, for whoever raises the limit meanwhile."""
    tiers = _tiers()

    tiers.hold(_parked(1, NOW + 40_000), NOW, wake_at=NOW + 10_000)

    assert tiers.next_at == NOW + 10_000


def test_a_long_wait_in_the_lowest_tier_hops() -> None:
    """It was to be too old soon, and is not any more: nothing of it may lie in memory for long."""
    tiers = _tiers()

    _hold(tiers, _parked(0, NOW + 30_000))

    assert tiers.next_at == NOW + TIERS[0]


def test_nothing_wakes_before_its_time() -> None:
    """A wake is a due time or a delay, never a guess."""
    tiers = _tiers()
    record = _parked(0, NOW + 10)
    _hold(tiers, record)

    assert tiers.pop(NOW + 9) is None
    assert tiers.pop(NOW + 10) is record
    assert tiers.pop(NOW + 10) is None


def test_read_ahead_is_bounded_in_records_and_bytes() -> None:
    """What lies far ahead stays in its topic; one record always fits."""
    by_count = _tiers(tier_read_ahead=2)
    by_bytes = _tiers(tier_ahead_bytes=10)
    for tiers in (by_count, by_bytes):
        _hold(tiers, _parked(1, NOW + 40_000))

    first = by_count.has_room(1), by_bytes.has_room(1)
    _hold(by_count, _parked(1, NOW + 40_000, offset=1))

    assert first == (True, False)
    assert (by_count.has_room(1), by_count.has_room(2)) == (False, True)


def test_retries_take_a_quarter_of_a_small_budget_at_most() -> None:
    """A partition with a small share must still have room for first attempts."""
    tiers = _tiers(buffer_bytes=40, rest_heap_bytes=1_000)

    _hold(tiers, _parked(0, NOW + 10))

    assert not tiers.has_room(0)


def test_the_last_rests_are_bounded_in_bytes_and_free_again_when_settled() -> None:
    """A full rest heap stops every tier, since each may fill it."""
    tiers = _tiers(rest_heap_bytes=20)
    _hold(tiers, _parked(0, NOW + 10))
    has_room = tiers.has_room(0)
    _hold(tiers, _parked(1, NOW + 40_000))
    ahead = tiers.rest_bytes
    tiers.pop(NOW + 10)
    tiers.pop(NOW + 30_000)

    assert (has_room, ahead, tiers.rest_bytes) == (True, 10, 20)
    assert not tiers.has_room(0)
    assert not tiers.has_room(2)
