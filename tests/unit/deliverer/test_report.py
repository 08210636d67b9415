"""What the sender saw, in the policy's words."""

import msgspec
import pytest

from deliverer.report import cut_off, heeding_abort, report_of, retry_after_ms
from deliverer.sender.port import AttemptResult
from schemas.outcome import Outcome

NOW = 1_700_000_000_000  # Tue, 14 Nov 2023 22:13:20 GMT
DAY_MS = 24 * 3600 * 1000


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (None, None),
        ("0", 0),
        ("120", 120_000),
        (" 7 ", 7_000),
        ("86400", DAY_MS),
        ("9999999999", DAY_MS),
        ("99999999999", None),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("١٢", None),
        ("Tue, 14 Nov 2023 22:13:30 GMT", 10_000),
        ("Tuesday, 14-Nov-23 22:13:30 GMT", 10_000),
        ("Tue, 14 Nov 2023 22:00:00 GMT", 0),
        ("Fri, 14 Nov 2025 22:13:20 GMT", DAY_MS),
        ("Tue, 99 Nov 2023 22:13:30 GMT", None),
        ("Tue, 14 Nov 99999 22:13:30 GMT", None),
        ("x" * 1000, None),
    ],
)
def test_retry_after_is_seconds_or_a_date_within_a_day(raw: str | None, expected: int) -> None:
    """Whatever cannot be read counts as absent; the rest lies within 0 and 24 h."""
    assert retry_after_ms(raw, NOW) == expected


@pytest.mark.parametrize(
    ("wish", "wants_abort", "wants_disable"),
    [
        (None, False, False),
        ("abort-message", True, False),
        (" Abort-Message ", True, False),
        ("disable", False, True),
        ("disable-all", False, False),
    ],
)
def test_the_receivers_wish_is_read(
    wish: str | None, wants_abort: bool, wants_disable: bool
) -> None:
    """`webhook-delivery` knows two words; others mean nothing."""
    result = AttemptResult(outcome=Outcome.HTTP_5XX, status=500, webhook_delivery=wish)

    report = report_of(result, started_at=NOW, finished_at=NOW + 5)

    assert (report.wants_abort, report.wants_disable) == (wants_abort, wants_disable)
    assert (report.outcome, report.status) == (Outcome.HTTP_5XX, 500)


@pytest.mark.parametrize(
    ("status", "outcome", "expected"),
    [
        (400, Outcome.HTTP_4XX, Outcome.ABORTED),
        (302, Outcome.HTTP_3XX, Outcome.ABORTED),
        (429, Outcome.HTTP_429, Outcome.ABORTED),
        (503, Outcome.HTTP_5XX, Outcome.ABORTED),
        (200, Outcome.DELIVERED, Outcome.DELIVERED),
        (410, Outcome.HTTP_410, Outcome.HTTP_410),
    ],
)
def test_a_failure_that_asks_for_no_more_is_aborted(
    status: int, outcome: Outcome, expected: Outcome
) -> None:
    """Successes stay what they are; 410 disables the subscription as well."""
    asked = AttemptResult(outcome=outcome, status=status, webhook_delivery="abort-message")
    other = AttemptResult(outcome=outcome, status=status, webhook_delivery="disable")

    assert heeding_abort(asked) == msgspec.structs.replace(asked, outcome=expected)
    assert heeding_abort(other) == other


def test_an_attempt_cut_off_tells_how_long_it_ran() -> None:
    """A clock that went back makes no negative duration."""
    assert cut_off(Outcome.CANCELLED, started_at=NOW, finished_at=NOW + 7).duration_ms == 7
    assert cut_off(Outcome.CANCELLED, started_at=NOW, finished_at=NOW - 7).duration_ms == 0
