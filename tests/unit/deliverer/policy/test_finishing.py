"""Tests of what the end of an attempt means (A2-A6)."""

import msgspec
import pytest

from deliverer.policy.items import AttemptLog, DeadLetter, Disable, LaneState, Limits, Park
from schemas.dead_letter import DeadLetterReason
from schemas.outcome import Outcome
from tests.unit.deliverer.policy.build import (
    LOOSE,
    NOW,
    STRICT,
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
    sweep,
    tick,
)


def test_a_success_settles_and_is_logged() -> None:
    """Its place in the log is settled with the tick that carries its record."""
    made = machine()
    feed(made, delivery(0))

    notices = end(made, start(made), status=204)
    written = tick(made)

    assert notices == []
    assert written.window.w == 1
    assert [(o.kind, o.outcome, o.status) for o in outputs(written, AttemptLog)] == [
        ("first", Outcome.DELIVERED, 204)
    ]
    assert (made.buffered_bytes, made.in_flight, made.view.lanes_by_state()["live"]) == (0, 0, 0)


def test_a_failure_parks_the_delivery_and_holds_its_lane() -> None:
    """Park, settled offset and `held` are in one tick."""
    made = machine()
    feed(made, delivery(0), delivery(1))

    made.finish(start(made), report(Outcome.HTTP_5XX, status=500), NOW)
    blocked = made.next_start(NOW)
    written = tick(made)

    park = outputs(written, Park)[0]
    assert (park.attempt, park.due_at, park.tier) == (2, NOW + 5_000, 0)
    assert (park.first_attempt_at, park.last_outcome, park.last_status) == (NOW, "http_5xx", 500)
    assert written.window.w == 2  # what waits behind it has a record of its own
    assert written.lanes == [("s/0", LaneState(1, [], (0, 2), NOW))]
    assert blocked is None
    assert outputs(written, AttemptLog)[0].next_attempt_at == NOW + 5_000


def test_a_lane_without_order_goes_on_after_a_failure() -> None:
    """It has no record either: the finished set of the window says it all."""
    made = machine(Registry(s=LOOSE))
    feed(made, delivery(0), delivery(1))

    made.finish(start(made), report(Outcome.TIMEOUT), NOW)

    assert start(made).delivery.sequence == 1
    assert tick(made).lanes == []


def test_a_successful_retry_frees_the_lane() -> None:
    """The held record goes with the same tick, the tier's offset is settled."""
    made = machine()
    feed(made, delivery(0))
    read_back(made, failing(made))
    feed(made, delivery(1))
    made.wake(NOW + 5_000)
    retry = start(made, NOW + 5_000)

    end(made, retry)
    sweep(made, delivery(1))
    written = tick(made)

    assert (retry.number, retry.source) == (2, (0, 0))
    assert written.lanes == [("s/0", None)]
    assert written.window.tiers[0] == (1, [])
    assert outputs(written, AttemptLog)[0].kind == "retry"
    assert start(made).delivery.sequence == 1


def test_the_last_failure_is_a_dead_letter_and_the_lane_waits_for_its_commit() -> None:
    """Schedule used up: `exhausted`, with what the last attempt said."""
    made = machine(Registry(s=msgspec.structs.replace(STRICT, schedule_ms=())))
    feed(made, delivery(0), delivery(1))
    end(made, start(made), Outcome.HTTP_4XX, status=404, response=b"no")

    blocked = made.next_start(NOW)
    letter = outputs(tick(made), DeadLetter)[0]

    assert blocked is None
    assert (letter.reason, letter.attempts, letter.response) == (
        DeadLetterReason.EXHAUSTED,
        1,
        b"no",
    )
    assert (letter.first_attempt_at, letter.last_attempt_at, letter.last_status) == (NOW, NOW, 404)
    assert start(made).delivery.sequence == 1


def test_a_dead_letter_decided_during_a_tick_waits_for_the_next_one() -> None:
    """The open tick does not carry it."""
    made = machine(Registry(s=msgspec.structs.replace(STRICT, schedule_ms=())))
    feed(made, delivery(0), delivery(1))
    running = start(made)
    made.begin_tick(NOW)
    end(made, running, Outcome.TIMEOUT)
    made.committed(NOW)

    early = made.next_start(NOW)
    tick(made)

    assert early is None
    assert start(made).delivery.sequence == 1


@pytest.mark.parametrize(
    ("outcome", "wants_abort", "reason"),
    [
        (Outcome.HTTP_410, False, DeadLetterReason.GONE),
        (Outcome.ABORTED, False, DeadLetterReason.ABORTED),
        (Outcome.HTTP_4XX, True, DeadLetterReason.ABORTED),
    ],
)
def test_a_receiver_can_end_a_delivery(
    outcome: Outcome, wants_abort: bool, reason: DeadLetterReason
) -> None:
    """410 and `webhook-delivery: abort-message` are final at once."""
    made = machine()
    feed(made, delivery(0))

    end(made, start(made), outcome, wants_abort=wants_abort)

    assert [o.reason for o in outputs(tick(made), DeadLetter)] == [reason]


def test_gone_stops_the_subscription_at_once() -> None:
    """The registry write comes after the tick; nothing starts in between (R4)."""
    made = machine(Registry(s=LOOSE))
    feed(made, delivery(0), delivery(1))

    notices = end(made, start(made), Outcome.HTTP_410, status=410)
    tick(made)

    assert notices == [Disable("s", "gone")]
    assert made.next_start(NOW) is None


def test_a_success_that_asks_for_disabling_counts() -> None:
    """`webhook-delivery: disable` on a 2xx is delivered, and the last one."""
    made = machine()
    feed(made, delivery(0), delivery(1))

    notices = end(made, start(made), wants_disable=True)
    written = tick(made)

    assert notices == [Disable("s", "receiver")]
    assert written.window.w == 1
    assert made.next_start(NOW) is None


def test_a_failure_that_asks_for_disabling_promises_no_next_attempt() -> None:
    """Its delivery is parked, but the subscription is about to be disabled: none will come."""
    made = machine()
    feed(made, delivery(0))

    end(made, start(made), Outcome.HTTP_5XX, status=500, wants_disable=True)
    (logged,) = outputs(tick(made), AttemptLog)

    assert logged.next_attempt_at is None


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_never_shortened(status: int) -> None:
    """The later of schedule and wish is due."""
    made = machine()
    feed(made, delivery(0))

    outcome = Outcome.HTTP_429 if status == 429 else Outcome.HTTP_5XX
    end(made, start(made), outcome, status=status, retry_after_ms=40_000)
    park = outputs(tick(made), Park)[0]

    assert (park.due_at, park.tier) == (NOW + 40_000, 1)


@pytest.mark.parametrize("retry_after_ms", [None, 40_000])
def test_no_retry_waits_longer_than_the_delivery_may_live(retry_after_ms: int | None) -> None:
    """No attempt would be made later; but its due time is kept, the policy may change."""
    made = machine(Registry(s=msgspec.structs.replace(STRICT, max_age_ms=4_000)))
    feed(made, delivery(0))

    end(made, start(made), Outcome.HTTP_5XX, status=503, retry_after_ms=retry_after_ms)
    written = tick(made)
    (park,), (logged,) = outputs(written, Park), outputs(written, AttemptLog)
    assert made.read_tier(0, [parked(park, 0)], end=1, now=NOW)
    wakes_at = made.wake(NOW)
    made.wake(NOW + 4_001)

    assert (park.due_at, park.tier) == (NOW + (retry_after_ms or 5_000), 0)
    assert logged.next_attempt_at is None
    assert wakes_at == NOW + 4_001
    assert [o.reason for o in outputs(tick(made), DeadLetter)] == [DeadLetterReason.EXPIRED]


def test_retry_after_does_not_beat_the_schedule_either() -> None:
    """A wish earlier than the schedule changes nothing."""
    made = machine()
    feed(made, delivery(0))

    end(made, start(made), Outcome.HTTP_5XX, status=503, retry_after_ms=1_000)

    assert outputs(tick(made), Park)[0].due_at == NOW + 5_000


@pytest.mark.parametrize("outcome", [Outcome.CANCELLED, Outcome.LOCAL_FAULT])
def test_a_fault_of_ours_burns_no_attempt(outcome: Outcome) -> None:
    """The delivery goes back to the front of its lane with the same number (A6)."""
    made = machine()
    feed(made, delivery(0), delivery(1))

    end(made, start(made), outcome)
    written = tick(made)
    again = start(made, NOW + 1_000)

    assert (again.delivery.sequence, again.number) == (0, 1)
    assert written.window.w == 0
    assert len(outputs(written, AttemptLog)) == len(written.outputs) == 1
    assert made.buffered_bytes == 20


def test_a_local_fault_is_not_met_again_at_once() -> None:
    """A short pause keeps a broken resolver from spinning the loop; it wakes by itself."""
    made = machine()
    feed(made, delivery(0))
    end(made, start(made), Outcome.LOCAL_FAULT)

    early = made.next_start(NOW + 999)
    made.wake(NOW + 1_000)
    sweep(made, delivery(0), now=NOW + 1_000)

    assert early is None
    assert start(made, NOW + 1_000).number == 1


def test_a_fault_of_ours_in_a_retry_returns_it_to_a_tier() -> None:
    """Its number stays, and so does the hold of its lane."""
    made = machine()
    feed(made, delivery(0), delivery(1))
    read_back(made, failing(made))
    made.wake(NOW + 5_000)

    end(made, start(made, NOW + 5_000), Outcome.CANCELLED)
    written = tick(made)

    assert [(o.attempt, o.due_at) for o in outputs(written, Park)] == [(2, NOW + 5_000)]
    assert written.lanes == []
    assert written.window.tiers[0] == (1, [])
    assert made.view.lanes_by_state()["held"] == 1
    assert made.next_start(NOW + 5_000) is None


def test_a_replay_says_so_in_its_record() -> None:
    """First or retry is told by the number, test and replay by the delivery."""
    made = machine()
    feed(made, delivery(0, kind="replay"))

    end(made, start(made))

    assert outputs(tick(made), AttemptLog)[0].kind == "replay"


def test_the_end_of_a_dropped_delivery_still_says_how_long_to_wait() -> None:
    """Disabled and enabled again meanwhile: the receiver's wish holds for the subscription."""
    registry = Registry(s=LOOSE)
    made = machine(registry)
    feed(made, delivery(0))
    running = start(made)
    both = msgspec.structs.replace(LOOSE, lane_epoch=1, drop_before=1, modes={1: "none"})
    registry["s"] = both
    made.registry_changed("s", NOW)
    end(made, running, Outcome.HTTP_429, status=429, retry_after_ms=60_000)

    feed(made, delivery(1, "s/1"))

    made.wake(NOW + 59_999)
    assert made.sweep_target(NOW + 59_999) is None
    made.wake(NOW + 60_000)
    sweep(made, delivery(1, "s/1"), now=NOW + 60_000)
    assert start(made, NOW + 60_000).delivery.sequence == 1


class Outage:
    """Everybody times out."""

    is_suspected = True

    def charges_nobody(self, outcome: Outcome) -> bool:
        """Ask for it."""
        return outcome is Outcome.TIMEOUT


def test_a_failure_that_many_share_charges_nobody() -> None:
    """The delivery comes again under the same number; no retry is used up, no breaker opens."""
    made = machine(limits=Limits(breaker_failures=1), fate=Outage())
    feed(made, delivery(0))

    notices = made.finish(start(made), report(Outcome.TIMEOUT), NOW)
    written = tick(made)
    made.wake(NOW + 1_000)

    assert notices == []
    assert not outputs(written, Park)
    assert outputs(written, AttemptLog)[0].outcome is Outcome.LOCAL_FAULT
    assert outputs(written, AttemptLog)[0].detail == "many fail alike: timeout"
    assert made.view.breakers_by_state()["open"] == 0
    assert start(made, NOW + 1_000).number == 1


def test_nobody_is_given_up_while_many_fail_alike() -> None:
    """Also when it fails in another way: this is no moment to judge."""
    limits = Limits(failing_ms=0, failing_attempts=1)
    feed(shared := machine(limits=limits, fate=Outage()), delivery(0))
    feed(alone := machine(limits=limits), delivery(0))

    assert end(shared, start(shared), Outcome.HTTP_5XX, status=500) == []
    assert end(alone, start(alone), Outcome.HTTP_5XX, status=500) == [Disable("s", "failing")]
