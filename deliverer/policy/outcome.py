"""Judge how an attempt ended: what becomes of its delivery.

Every outcome of CONTRACT §7 has its row in `VERDICTS`; a new one without a row fails the tests, not
a delivery.
"""

from enum import Enum

from deliverer.policy.items import AttemptReport
from schemas.dead_letter import DeadLetterReason
from schemas.outcome import Outcome


class Verdict(Enum):
    """What an outcome says about the receiver."""

    SUCCESS = "success"
    FAILURE = "failure"
    GONE = "gone"
    ABORTED = "aborted"
    NOT_MADE = "not made"


VERDICTS: dict[Outcome, Verdict] = {
    Outcome.DELIVERED: Verdict.SUCCESS,
    Outcome.HTTP_3XX: Verdict.FAILURE,
    Outcome.HTTP_4XX: Verdict.FAILURE,
    Outcome.HTTP_410: Verdict.GONE,
    Outcome.HTTP_429: Verdict.FAILURE,
    Outcome.HTTP_5XX: Verdict.FAILURE,
    Outcome.TIMEOUT: Verdict.FAILURE,
    Outcome.CONNECT_ERROR: Verdict.FAILURE,
    Outcome.CONNECTION_LOST: Verdict.FAILURE,
    Outcome.TLS_ERROR: Verdict.FAILURE,
    Outcome.DNS_ERROR: Verdict.FAILURE,
    Outcome.PROTOCOL_ERROR: Verdict.FAILURE,
    Outcome.BLOCKED: Verdict.FAILURE,
    Outcome.ABORTED: Verdict.ABORTED,
    Outcome.CANCELLED: Verdict.NOT_MADE,
    Outcome.LOCAL_FAULT: Verdict.NOT_MADE,
}


class Delivered:
    """The receiver has it."""

    __slots__ = ()


class Again:
    """The attempt was ours to lose (A6): the same number once more."""

    __slots__ = ()


class Retry:
    """Another attempt is allowed by the schedule."""

    __slots__ = ()


class Dead:
    """Give the delivery up."""

    __slots__ = ("reason",)

    def __init__(self, reason: DeadLetterReason) -> None:
        self.reason = reason


Decision = Delivered | Again | Retry | Dead

DELIVERED = Delivered()
AGAIN = Again()
RETRY = Retry()
GONE = Dead(DeadLetterReason.GONE)
ABORTED = Dead(DeadLetterReason.ABORTED)
EXPIRED = Dead(DeadLetterReason.EXPIRED)
EXHAUSTED = Dead(DeadLetterReason.EXHAUSTED)


def decide(report: AttemptReport, *, is_expired: bool, is_exhausted: bool) -> Decision:
    """Return what becomes of a delivery after an attempt.

    What the receiver says outweighs what the schedule says; an age beyond the limit outweighs
    attempts left.
    """
    verdict = VERDICTS[report.outcome]
    if verdict is Verdict.SUCCESS:
        return DELIVERED
    if verdict is Verdict.NOT_MADE:
        return AGAIN
    if verdict is Verdict.GONE:
        return GONE
    if verdict is Verdict.ABORTED or report.wants_abort:
        return ABORTED
    if is_exhausted:
        return EXHAUSTED
    return EXPIRED if is_expired else RETRY


def is_suspect(outcome: Outcome, was_suspect: bool) -> bool:
    """Ask whether a subscription is a suspect after an attempt: its last one failed."""
    verdict = VERDICTS[outcome]
    if verdict is Verdict.NOT_MADE:
        return was_suspect
    return verdict is not Verdict.SUCCESS
