"""Say when the next attempt is due, and in which delay topic it waits until then.

>>> due_at((5_000, 300_000), 1, now=0, jitter=0.0)
5000
>>> choose_tier(29_999, (5_000, 30_000))
0
"""

from bisect import bisect_right
from collections.abc import Sequence

JITTER_SHARE = 0.2
RETRY_AFTER_MS_MAX = 24 * 3600 * 1000
BACK_OFF_STATUSES = (429, 503)


def due_at(schedule_ms: Sequence[int], number: int, *, now: int, jitter: float) -> int | None:
    """Return when the attempt after attempt `number` is due; None = the schedule is exhausted.

    `jitter` in [0, 1] adds up to 20 %: it only ever postpones, so the schedule is a promise.
    """
    if number > len(schedule_ms):
        return None
    delay_ms = schedule_ms[number - 1]
    return now + delay_ms + int(delay_ms * JITTER_SHARE * jitter)


def expires_at(accepted_at: int, max_age_ms: int) -> int:
    """Return from when on a delivery is too old for an attempt."""
    return accepted_at + max_age_ms + 1


def back_off_ms(status: int | None, retry_after_ms: int | None) -> int:
    """Return for how long a receiver asked the whole subscription to wait, at most 24 h.

    Only 429 and 503 ask for that: elsewhere `Retry-After` means something else (a redirect, a
    maintenance page).
    """
    if retry_after_ms is None or status not in BACK_OFF_STATUSES:
        return 0
    return min(max(0, retry_after_ms), RETRY_AFTER_MS_MAX)


def choose_tier(rest_ms: int, delays_ms: Sequence[int]) -> int:
    """Return the tier to wait in (T1): the longest that does not overshoot, else the lowest."""
    return max(0, bisect_right(delays_ms, rest_ms) - 1)
