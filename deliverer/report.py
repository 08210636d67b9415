"""Turn what the sender saw into what the policy judges, pure."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import msgspec

from deliverer.policy.items import AttemptReport
from deliverer.sender.port import AttemptResult
from schemas.outcome import Outcome

RETRY_AFTER_MS_MAX = 24 * 3600 * 1000
_ABORTABLE = frozenset({Outcome.HTTP_3XX, Outcome.HTTP_4XX, Outcome.HTTP_429, Outcome.HTTP_5XX})
_ABORT, _DISABLE = "abort-message", "disable"
_SECONDS = re.compile(r"[0-9]{1,10}")
_HTTP_DATE_CHARS_MAX = 64


def retry_after_ms(raw: str | None, now_ms: int) -> int | None:
    """Read a `Retry-After` value as milliseconds from now, within 0 and 24 h.

    Whole seconds or an HTTP date; anything else counts as absent, since a receiver that cannot
    write the field must not stop its own deliveries.
    """
    if raw is None:
        return None
    text = raw.strip()
    if _SECONDS.fullmatch(text):
        return min(int(text) * 1000, RETRY_AFTER_MS_MAX)
    due_ms = _date_ms(text)
    return None if due_ms is None else min(max(0, due_ms - now_ms), RETRY_AFTER_MS_MAX)


def heeding_abort(result: AttemptResult) -> AttemptResult:
    """Name a failure `aborted` when its receiver asked for no more attempts.

    Its status still tells which failure it was; 410 says more than that.
    """
    if result.outcome in _ABORTABLE and _wish_of(result) == _ABORT:
        return msgspec.structs.replace(result, outcome=Outcome.ABORTED)
    return result


def report_of(result: AttemptResult, *, started_at: int, finished_at: int) -> AttemptReport:
    """Describe a finished attempt to the policy; times are epoch milliseconds."""
    report = AttemptReport(
        outcome=result.outcome,
        status=result.status,
        started_at=started_at,
        finished_at=finished_at,
        duration_ms=result.duration_ms,
        response=result.response,
        detail=result.detail,
    )
    if result.retry_after is not None:
        report.retry_after_ms = retry_after_ms(result.retry_after, finished_at)
    if result.webhook_delivery is not None:
        wish = _wish_of(result)
        report.wants_abort, report.wants_disable = wish == _ABORT, wish == _DISABLE
    return report


def cut_off(
    outcome: Outcome, *, started_at: int, finished_at: int, detail: str | None = None
) -> AttemptReport:
    """Describe an attempt that this process ended or never got onto the wire (A6)."""
    duration_ms = max(0, finished_at - started_at)
    return report_of(
        AttemptResult(outcome=outcome, duration_ms=duration_ms, detail=detail),
        started_at=started_at,
        finished_at=finished_at,
    )


def _wish_of(result: AttemptResult) -> str:
    said = result.webhook_delivery
    return "" if said is None else said.strip().lower()


def _date_ms(text: str) -> int | None:
    if len(text) > _HTTP_DATE_CHARS_MAX:
        return None
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return int((moment - datetime.fromtimestamp(0, UTC)).total_seconds() * 1000)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
