"""Tests of the judgement: what becomes of a delivery."""

import pytest

from deliverer.policy.outcome import (
    ABORTED,
    AGAIN,
    DELIVERED,
    EXHAUSTED,
    EXPIRED,
    GONE,
    RETRY,
    VERDICTS,
    Decision,
    decide,
    is_suspect,
)
from schemas.outcome import Outcome
from tests.unit.deliverer.policy.build import report


def test_every_outcome_has_a_verdict() -> None:
    """A new outcome without a row would stop a delivery in the middle."""
    assert set(VERDICTS) == set(Outcome)


@pytest.mark.parametrize("outcome", list(Outcome))
def test_each_outcome_ends_where_the_contract_says(outcome: Outcome) -> None:
    """2xx is done, 410 is gone, our own faults burn no attempt, the rest is retried."""
    expected: dict[Outcome, Decision] = {
        Outcome.DELIVERED: DELIVERED,
        Outcome.HTTP_410: GONE,
        Outcome.ABORTED: ABORTED,
        Outcome.CANCELLED: AGAIN,
        Outcome.LOCAL_FAULT: AGAIN,
    }

    decision = decide(report(outcome), is_expired=False, is_exhausted=False)

    assert decision is expected.get(outcome, RETRY)


def test_what_the_receiver_says_outweighs_the_schedule() -> None:
    """Abort on a failure ends the delivery; on a success it says nothing."""
    failed = report(Outcome.HTTP_4XX, wants_abort=True)
    done = report(Outcome.DELIVERED, wants_abort=True)

    assert decide(failed, is_expired=True, is_exhausted=True) is ABORTED
    assert decide(done, is_expired=True, is_exhausted=True) is DELIVERED


def test_a_failure_without_attempts_or_age_left_is_given_up() -> None:
    """Exhausted is said when both hold: the schedule was used up."""
    failed = report(Outcome.TIMEOUT)

    assert decide(failed, is_expired=False, is_exhausted=True) is EXHAUSTED
    assert decide(failed, is_expired=True, is_exhausted=False) is EXPIRED
    assert decide(failed, is_expired=True, is_exhausted=True) is EXHAUSTED


def test_a_suspect_is_one_whose_last_attempt_failed() -> None:
    """A fault of ours says nothing about the receiver."""
    assert is_suspect(Outcome.TIMEOUT, False)
    assert not is_suspect(Outcome.DELIVERED, True)
    assert is_suspect(Outcome.LOCAL_FAULT, True)
    assert not is_suspect(Outcome.CANCELLED, False)
