"""What is remembered of successes that were not committed."""

from collections import Counter

from deliverer.policy.items import Attempt, AttemptLog, Delivery
from deliverer.recollections import Recollections
from schemas.outcome import Outcome
from schemas.registry import MAX_AGE_S

NOW = 1_700_000_000_000


def delivery(
    sequence: int,
    *,
    webhook_id: str = "msg_1",
    subscription: str = "sub_a",
    accepted_at: int = NOW,
) -> Delivery:
    """Give a delivery with a payload."""
    payload = b"x" * 100
    return Delivery(
        sequence, "lane", subscription, webhook_id, "first", accepted_at, 0, 100, payload
    )


def ended(
    sequence: int, outcome: Outcome = Outcome.DELIVERED, *, accepted_at: int = NOW
) -> AttemptLog:
    """Give the end of an attempt."""
    made = delivery(sequence, accepted_at=accepted_at)
    return AttemptLog(made, 2, "retry", outcome, 204, 1_000, 30, None, None)


def test_a_success_is_recalled_once_with_its_times() -> None:
    """What is written of it later is what was seen then."""
    counts: Counter[str] = Counter()
    kept = Recollections(10, lambda what: counts.update([what]))
    kept.keep(3, [ended(7)], now=NOW)

    report = kept.recall(3, Attempt(delivery(7), 2))
    again = kept.recall(3, Attempt(delivery(7), 2))

    assert report is not None
    assert (report.outcome, report.status) == (Outcome.DELIVERED, 204)
    assert (report.started_at, report.finished_at, report.duration_ms) == (1_000, 1_030, 30)
    assert again is None
    assert counts == {"recalled": 1}


def test_only_successes_are_kept() -> None:
    """A failure is to be tried again anyway."""
    kept = Recollections(10, lambda _: None)

    kept.keep(0, [ended(1, Outcome.HTTP_5XX), ended(2, Outcome.TIMEOUT), ended(3)], now=NOW)

    assert len(kept) == 1
    assert kept.recall(0, Attempt(delivery(1), 1)) is None


def test_another_delivery_at_the_same_offset_is_not_taken_for_it() -> None:
    """Another partition, event or subscription is another delivery."""
    kept = Recollections(10, lambda _: None)
    others = [
        (1, delivery(7)),
        (0, delivery(7, webhook_id="msg_2")),
        (0, delivery(7, subscription="sub_b")),
    ]
    for partition, other in others:
        kept.keep(0, [ended(7)], now=NOW)
        assert kept.recall(partition, Attempt(other, 1)) is None


def test_above_the_limit_the_oldest_are_forgotten_and_counted() -> None:
    """Memory is bounded, whatever is lost."""
    counts: Counter[str] = Counter()
    kept = Recollections(2, lambda what: counts.update([what]))

    kept.keep(0, [ended(1), ended(2), ended(3)], now=NOW)

    assert (len(kept), counts) == (2, {"forgotten": 1})
    assert kept.recall(0, Attempt(delivery(1), 1)) is None
    assert kept.recall(0, Attempt(delivery(3), 1)) is not None


def test_none_are_kept_when_that_is_set() -> None:
    """0 is a limit, too."""
    kept = Recollections(0, lambda _: None)

    kept.keep(0, [ended(1)], now=NOW)

    assert len(kept) == 0


def test_what_is_too_old_for_an_attempt_leaves_uncounted() -> None:
    """Successes that can matter to nobody must not push out others, nor count as forgotten."""
    counts: Counter[str] = Counter()
    kept = Recollections(2, lambda what: counts.update([what]))
    old = NOW - MAX_AGE_S * 1000
    kept.keep(0, [ended(1, accepted_at=old - 1), ended(2, accepted_at=old)], now=old)

    kept.keep(1, [ended(3)], now=NOW)

    assert (len(kept), counts) == (2, {})
    assert kept.recall(0, Attempt(delivery(1), 1)) is None
    assert kept.recall(0, Attempt(delivery(2), 1)) is not None
