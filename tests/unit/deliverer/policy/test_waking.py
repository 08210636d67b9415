"""Tests of what wakes from the delay topics (T2-T4)."""

import msgspec

from deliverer.policy.items import DeadLetter, Limits, Park
from schemas.dead_letter import DeadLetterReason
from schemas.outcome import Outcome
from tests.unit.deliverer.policy.build import (
    DAY,
    LOOSE,
    NOW,
    STRICT,
    TIERS,
    Registry,
    delivery,
    end,
    failing,
    feed,
    machine,
    outputs,
    parked,
    read_back,
    report,
    start,
    tick,
)


def test_a_record_of_a_later_term_stops_a_zombie() -> None:
    """A successor wrote it: whatever we would do is stale (T2)."""
    made = machine()
    park = Park(delivery(0), 0, 2, NOW, None, None, None)

    assert made.read_tier(0, [parked(park, 0, term=1)], end=1, now=NOW) is True
    assert made.read_tier(0, [parked(park, 1, term=2)], end=2, now=NOW) is False


def test_a_retry_starts_when_due_and_not_before() -> None:
    """The attempt keeps number, first attempt and last outcome."""
    made = machine()
    feed(made, delivery(0))
    read_back(made, failing(made))

    at = made.wake(NOW)
    made.wake(NOW + 4_999)
    early = made.next_start(NOW + 4_999)
    made.wake(NOW + 5_000)
    attempt = start(made, NOW + 5_000)

    assert (at, early) == (NOW + 5_000, None)
    assert (attempt.number, attempt.first_attempt_at, attempt.last_outcome) == (2, NOW, "http_5xx")
    assert attempt.due_at == NOW + 5_000


def test_a_long_wait_hops_to_the_tier_that_suits_the_rest() -> None:
    """A hop keeps number and due time and settles the record it came from."""
    made = machine(Registry(s=msgspec.structs.replace(STRICT, schedule_ms=(290_000,))))
    feed(made, delivery(0))
    park = failing(made)
    read_back(made, park)

    made.wake(NOW + 30_000)
    written = tick(made)

    assert park.tier == 1
    assert [(o.tier, o.attempt, o.due_at) for o in outputs(written, Park)] == [
        (1, 2, NOW + 290_000)
    ]
    assert written.window.tiers[1] == (1, [])
    assert written.lanes == []
    assert made.counts.hops == 1


def test_a_short_rest_waits_in_memory() -> None:
    """Under the lowest delay a hop would make the attempt late."""
    made = machine(Registry(s=msgspec.structs.replace(STRICT, schedule_ms=(33_000,))))
    feed(made, delivery(0))
    read_back(made, failing(made))

    at = made.wake(NOW + 30_000)

    assert at == NOW + 33_000
    assert made.next_start(NOW + 32_999) is None
    made.wake(NOW + 33_000)
    assert made.next_start(NOW + 33_000) is not None


def test_a_record_that_is_not_the_held_one_is_settled_and_counted() -> None:
    """It cannot happen; if it does, the alarm is the count and nobody is sent anything."""
    made = machine()
    feed(made, delivery(0))
    park = failing(made)
    wrong = msgspec.structs.replace(park, attempt=3)
    read_back(made, wrong)

    made.wake(NOW + 5_000)

    assert made.counts.stale == 1
    assert made.next_start(NOW + 5_000) is None
    assert tick(made).window.tiers[0] == (1, [])


def test_a_retry_of_a_dead_epoch_is_settled() -> None:
    """What was dropped while it waited is not sent (T3)."""
    registry = Registry(s=LOOSE)
    made = machine(registry)
    feed(made, delivery(0))
    read_back(made, failing(made))
    registry["s"] = msgspec.structs.replace(LOOSE, drop_before=1, lane_epoch=1)
    made.registry_changed("s", NOW)

    made.wake(NOW + 5_000)

    assert made.next_start(NOW + 5_000) is None
    assert tick(made).window.tiers[0] == (1, [])
    assert made.counts.dropped_disabled == 1
    assert made.buffered_bytes == 0


def test_a_due_retry_that_is_too_old_is_a_dead_letter() -> None:
    """Older than max_age: `expired`, without a further attempt, also while paused."""
    for status in ("active", "paused"):
        registry = Registry(s=STRICT)
        made = machine(registry)
        feed(made, delivery(0), delivery(1))
        head = failing(made)
        started_at = head.first_attempt_at
        read_back(made, head)
        registry["s"] = msgspec.structs.replace(STRICT, status=status)
        made.registry_changed("s", NOW)

        made.wake(NOW + DAY + 1)
        letters = outputs(tick(made), DeadLetter)

        assert [(o.reason, o.attempts, o.last_attempt_at) for o in letters] == [
            (DeadLetterReason.EXPIRED, 1, started_at)
        ]
        assert made.view.lanes_by_state()["held"] == 0


def test_a_raised_age_limit_starts_no_retry_before_its_time() -> None:
    """It was to be looked at when it was too old; the schedule is still a promise."""
    policy = msgspec.structs.replace(STRICT, schedule_ms=(3_600_000,), max_age_ms=60_000)
    registry = Registry(s=policy)
    made = machine(registry)
    feed(made, delivery(0))
    park = failing(made)
    read_back(made, park)
    registry["s"] = msgspec.structs.replace(policy, max_age_ms=DAY)
    made.registry_changed("s", NOW)

    made.wake(NOW + 60_001)
    (again,) = outputs(tick(made), Park)

    assert (park.tier, park.due_at) == (1, NOW + 3_600_000)
    assert (again.tier, again.due_at, again.attempt) == (2, park.due_at, 2)
    assert made.next_start(NOW + 60_001) is None


def test_a_paused_retry_comes_back_when_it_is_too_old() -> None:
    """Not after the next look, which would come later."""
    policy = msgspec.structs.replace(STRICT, max_age_ms=20_000)
    registry = Registry(s=policy)
    made = machine(registry)
    feed(made, delivery(0))
    read_back(made, failing(made))
    registry["s"] = msgspec.structs.replace(policy, status="paused")
    made.registry_changed("s", NOW)

    made.wake(NOW + 5_000)
    (park,) = outputs(tick(made), Park)
    assert made.read_tier(0, [parked(park, 1)], end=2, now=NOW + 5_000)

    assert made.wake(NOW + 5_000) == NOW + 20_001


def test_a_due_retry_without_a_slot_goes_back_after_a_while() -> None:
    """So the reader of its tier can go on; its number stays, its lane stays held (T4)."""
    made = machine(limits=Limits(slot_wait_ms=10_000))
    feed(made, delivery(0))
    read_back(made, failing(made))
    due = NOW + 5_000

    at = made.wake(due)
    before = made.has_output
    made.wake(due + 10_000)
    written = tick(made)

    assert at == due + 10_000
    assert not before
    assert [(o.attempt, o.due_at) for o in outputs(written, Park)] == [(2, due + 15_000)]
    assert written.lanes == []
    assert made.view.lanes_by_state()["held"] == 1
    assert made.next_start(due + 10_000) is None


def test_a_due_retry_waits_for_retry_after_in_a_tier() -> None:
    """Another delivery's 429 concerns the whole subscription."""
    made = machine(Registry(s=LOOSE))
    feed(made, delivery(0), delivery(1))
    first, second = start(made), start(made)
    made.finish(first, report(Outcome.TIMEOUT), NOW)
    read_back(made, outputs(tick(made), Park)[0])
    end(made, second, Outcome.HTTP_429, status=429, retry_after_ms=60_000)
    tick(made)

    made.wake(NOW + 5_000)

    assert [(o.attempt, o.due_at) for o in outputs(tick(made), Park)] == [(2, NOW + 60_000)]


def test_settled_and_repeated_records_are_skipped() -> None:
    """The finished set per tier, and a reader that starts again from the mark."""
    made = machine(Registry(s=LOOSE))
    park = Park(delivery(0), 0, 2, NOW, None, None, None)
    assert made.read_tier(0, [parked(park, 0)], end=3, now=NOW)
    assert made.read_tier(0, [parked(park, 0)], end=3, now=NOW)

    made.wake(NOW)

    assert made.tier_position(0) == 3
    assert made.next_start(NOW) is not None
    assert made.next_start(NOW) is None


def test_a_broken_record_of_a_tier_is_skipped_once() -> None:
    """The same answer as for the log: quarantine it when it is news."""
    made = machine()

    assert (made.skip_tier(1, 0), made.skip_tier(1, 0)) == (True, False)
    assert tick(made).window.tiers[1] == (1, [])


def test_a_rest_before_a_pause_is_not_forgotten() -> None:
    """A paused subscription's retry is looked at every half minute until it may go."""
    registry = Registry(s=msgspec.structs.replace(STRICT, status="active"))
    made = machine(registry)
    feed(made, delivery(0))
    read_back(made, failing(made))
    registry["s"] = msgspec.structs.replace(STRICT, status="paused")
    made.registry_changed("s", NOW)
    made.wake(NOW + TIERS[0])

    again = outputs(tick(made), Park)[0]
    registry["s"] = STRICT
    made.registry_changed("s", NOW)
    read_back(made, again, 0)
    made.wake(again.due_at)

    assert again.due_at == NOW + TIERS[0] + 30_000
    assert start(made, again.due_at).number == 2
