"""Tests of whose turn it is (A1), and of lanes that do not accept."""

import msgspec

from deliverer.policy.items import AttemptLog, DeadLetter, Park
from schemas.dead_letter import DeadLetterReason
from schemas.outcome import Outcome
from tests.unit.deliverer.policy.build import (
    DAY,
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
    read_back,
    start,
    sweep,
    tick,
)

PAUSED = msgspec.structs.replace(STRICT, status="paused")


def test_nothing_starts_before_the_term_is_confirmed() -> None:
    """Until its first tick landed another owner may have the same term."""
    made = machine(is_confirmed=False)
    feed(made, delivery(0))
    before = made.next_start(NOW), made.can_read_tier(0), made.has_output

    tick(made)

    assert before == (None, False, True)
    assert made.next_start(NOW) is not None
    assert made.can_read_tier(0)


def test_a_strict_lane_runs_one_attempt_in_order() -> None:
    """The next starts when the first has ended."""
    made = machine()
    feed(made, delivery(0), delivery(1))
    first = start(made)
    meanwhile = made.next_start(NOW)
    end(made, first)

    assert (first.delivery.sequence, first.number, meanwhile) == (0, 1, None)
    assert start(made).delivery.sequence == 1


def test_a_lane_without_order_runs_as_many_as_its_subscription_allows() -> None:
    """`max_in_flight` holds over all lanes of a subscription."""
    made = machine(Registry(s=msgspec.structs.replace(LOOSE, max_in_flight=2)))
    feed(made, delivery(0), delivery(1), delivery(2), delivery(3, "s/0/7"))
    running = [start(made), start(made)]
    full = made.next_start(NOW)
    end(made, running[0])

    assert full is None
    assert made.next_start(NOW) is not None
    assert made.in_flight == 2


def test_subscriptions_take_turns() -> None:
    """A long queue of one does not delay the first of another."""
    made = machine(Registry(a=LOOSE, b=LOOSE))
    feed(made, *(delivery(i, "a/0") for i in range(5)), delivery(5, "b/0"))

    order = [start(made).delivery.subscription for _ in range(4)]

    assert order == ["a", "b", "a", "a"]


def test_one_without_slots_keeps_its_turn() -> None:
    """`admits` turns suspects away for now; they are neither lost nor in the way."""
    made = machine(Registry(a=LOOSE, b=LOOSE))
    feed(made, delivery(0, "a/0"))
    end(made, start(made), Outcome.TIMEOUT)
    feed(made, delivery(1, "a/0"), delivery(2, "b/0"))

    other = made.next_start(NOW, admits=lambda is_suspect: not is_suspect)
    none = made.next_start(NOW, admits=lambda is_suspect: not is_suspect)

    assert other is not None
    assert other.delivery.subscription == "b"
    assert not other.is_suspect
    assert none is None
    late = start(made)
    assert late.delivery.subscription == "a"
    assert late.is_suspect


def test_who_recovered_does_not_wait_among_suspects() -> None:
    """An attempt that succeeds while its subscription stands in line takes it out of that line."""
    names = ["dead", "fine"]
    made = machine(Registry(dict.fromkeys(names, LOOSE)))
    feed(made, *(delivery(i, f"{name}/0") for i, name in enumerate(names)))
    for one in [start(made) for _ in names]:
        end(made, one, Outcome.TIMEOUT)
    feed(made, delivery(2, "fine/0"), delivery(3, "dead/0"))
    probe = start(made)
    feed(made, delivery(4, "fine/0"))
    end(made, probe)

    attempt = made.next_start(NOW, admits=lambda is_suspect: not is_suspect)

    assert probe.delivery.subscription == "fine"
    assert attempt is not None
    assert attempt.delivery.subscription == "fine"


def test_too_old_is_given_up_without_an_attempt() -> None:
    """The dead letter is committed before the next of the lane starts."""
    made = machine()
    feed(made, delivery(0, accepted_at=NOW - DAY - 1), delivery(1))

    before = made.next_start(NOW)
    letters = outputs(tick(made), DeadLetter)

    assert before is None
    assert [(o.reason, o.attempts) for o in letters] == [(DeadLetterReason.EXPIRED, 0)]
    assert start(made).delivery.sequence == 1


def test_a_paused_subscription_starts_nothing_and_goes_on_when_resumed() -> None:
    """What waits stays in its lane."""
    registry = Registry(s=PAUSED)
    made = machine(registry)
    feed(made, delivery(0))
    paused = made.next_start(NOW)
    registry["s"] = STRICT

    made.registry_changed("s", NOW)
    sweep(made, delivery(0))

    assert paused is None
    assert start(made).delivery.sequence == 0


def test_a_paused_subscription_still_expires() -> None:
    """A pause keeps deliveries until `max_age`, then they are dead letters."""
    made = machine(Registry(s=PAUSED))
    feed(made, delivery(0), delivery(1))
    made.sweep_target(NOW)
    at = made.wake(NOW)
    assert at == NOW + DAY + 1

    made.wake(at)
    sweep(made, delivery(0), delivery(1), now=at)
    made.next_start(at)

    assert [o.reason for o in outputs(tick(made), DeadLetter)] == [DeadLetterReason.EXPIRED] * 2


def test_a_test_event_goes_out_while_paused_and_is_never_retried() -> None:
    """One attempt beside the lane, no retry, no dead letter."""
    made = machine(Registry(s=PAUSED))
    feed(made, delivery(0), delivery(1, "s/0/test"))

    attempt = start(made)
    end(made, attempt, Outcome.HTTP_5XX)
    written = tick(made)

    assert attempt.delivery.kind == "test"
    assert [(o.kind, o.next_attempt_at) for o in outputs(written, AttemptLog)] == [("test", None)]
    assert outputs(written, Park) + outputs(written, DeadLetter) == []
    assert made.next_start(NOW) is None


def test_a_test_event_that_is_too_old_ends_silently() -> None:
    """Nobody waits for it any more."""
    made = machine()
    feed(made, delivery(0, "s/0/test", accepted_at=NOW - DAY - 1))

    assert made.next_start(NOW) is None
    assert tick(made).outputs == []
    assert made.view.lanes_by_state()["live"] == 0


def test_a_due_retry_of_a_paused_subscription_goes_back_to_a_tier() -> None:
    """It keeps its number and looks again in 30 s (T4)."""
    registry = Registry(s=STRICT)
    made = machine(registry)
    feed(made, delivery(0))
    read_back(made, failing(made))
    due = NOW + 5_000
    made.wake(due)
    registry["s"] = PAUSED
    made.registry_changed("s", due)

    nothing = made.next_start(due)
    parks = outputs(tick(made), Park)

    assert nothing is None
    assert [(o.attempt, o.due_at, o.tier) for o in parks] == [(2, due + 30_000, 1)]
    assert made.counts.reparks == 1


def test_the_ring_waits_until_retry_after_is_over() -> None:
    """429 stops the whole subscription, not only the delivery it answered."""
    made = machine(Registry(s=LOOSE))
    feed(made, delivery(0), delivery(1))
    end(made, start(made), Outcome.HTTP_429, status=429, retry_after_ms=60_000)

    early = made.next_start(NOW + 59_999)
    at = made.wake(NOW)
    made.wake(NOW + 60_000)
    sweep(made, delivery(1), now=NOW + 60_000)

    assert early is None
    assert at == NOW + 60_000
    assert start(made, NOW + 60_000).delivery.sequence == 1


def test_refused_suspects_are_not_walked_over_for_ever() -> None:
    """A thousand dead receivers that wait for their slots cost a healthy start nothing."""
    names = [f"dead{i}" for i in range(100)]
    made = machine(Registry(dict.fromkeys([*names, "fine"], LOOSE)))
    feed(made, *(delivery(i, f"{name}/0") for i, name in enumerate(names)))
    running = [start(made) for _ in names]
    feed(made, *(delivery(100 + i, f"{name}/0") for i, name in enumerate([*names, "fine"])))
    for one in running:
        end(made, one, Outcome.TIMEOUT)
    asked = []

    def admits(is_suspect: bool) -> bool:
        asked.append(is_suspect)
        return not is_suspect

    attempt = made.next_start(NOW, admits=admits)

    assert attempt is not None
    assert attempt.delivery.subscription == "fine"
    assert len(asked) <= 40


def test_suspects_get_their_share_of_turns() -> None:
    """A busy partition still retries: every fifth attempt looks at the suspects first."""
    made = machine(Registry(bad=LOOSE, good=LOOSE))
    feed(made, *(delivery(i, "bad/0") for i in range(3)))
    end(made, start(made), Outcome.TIMEOUT)
    feed(made, *(delivery(3 + i, "good/0") for i in range(20)))
    order = []
    for _ in range(10):
        attempt = start(made)
        order.append(attempt.delivery.subscription)
        if attempt.delivery.subscription == "good":
            end(made, attempt)

    assert order.count("bad") == 2
