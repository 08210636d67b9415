"""Keep a subscription's `rate_limit`: a token bucket, counted as one moment (GCRA).

The bucket knows when it would be full again; each attempt moves that moment by one interval. So it
neither ticks nor drifts, and what is taken within any time t is at most burst + t / interval.

>>> bucket = Bucket(Rate(100.0, 2))
>>> bucket.take(0), bucket.take(0), bucket.ready_at(0)
(None, None, 100)
"""

from math import ceil

import msgspec


class Rate(msgspec.Struct, frozen=True):
    """One attempt every `interval_ms` in the long run, at most `burst` at once."""

    interval_ms: float
    burst: int


def rate_of(per_second: float, burst: int | None) -> Rate:
    """Fill the default in: a burst is what a second may bring."""
    return Rate(1000 / per_second, burst or max(1, ceil(per_second)))


class Bucket:
    """The tokens of one subscription; `full_at` is when all are back if none is taken.

    `closed_until` is set when the wait for a token is so long that lanes accept nothing meanwhile.
    """

    __slots__ = ("closed_until", "full_at", "rate")

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self.full_at = 0.0
        self.closed_until = 0

    def ready_at(self, now: int) -> int:
        """Return when the next attempt may start, `now` at the earliest."""
        rate = self.rate
        # Never more than a whole bucket ahead: a clock that was set back, or a new rate, would
        # else stop the subscription for as long as that jump.
        self.full_at = min(self.full_at, now + rate.burst * rate.interval_ms)
        return max(now, ceil(self.full_at - (rate.burst - 1) * rate.interval_ms))

    def change(self, rate: Rate) -> None:
        """Go on at another rate; whoever waits is judged anew."""
        self.rate = rate
        self.closed_until = 0

    def take(self, now: int) -> None:
        """Use one token, also where none is left."""
        self.full_at = max(self.full_at, now) + self.rate.interval_ms
