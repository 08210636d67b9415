"""Token buckets: how much a key may do, and how much may be done to a subscriber. Pure.

The time is passed in. Each gateway process counts for itself. A bucket that nobody used for long is
forgotten, which is the same as full; the number of buckets is bounded, the least recently used one
goes first.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quota:
    """So many a second in the long run, and at most `burst` at once."""

    per_second: float
    burst: int


@dataclass(frozen=True, slots=True)
class Demand:
    """One bucket to take from; `policy` names it to clients, `owner` tells whose it is."""

    policy: str
    owner: str
    quota: Quota


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at_s: float


def quota_of(per_second: float, burst: int | None) -> Quota:
    """Fill the default in: a burst is what a second may bring."""
    return Quota(per_second, burst or max(1, math.ceil(per_second)))


class Quotas:
    """The buckets of this process."""

    def __init__(self, buckets_max: int, *, on_full: Callable[[], None] = lambda: None) -> None:
        """`on_full` hears of each bucket that had to go for another: its owner begins anew."""
        self._buckets_max = buckets_max
        self._on_full = on_full
        self._buckets: OrderedDict[tuple[str, str], _Bucket] = OrderedDict()

    def take(self, demands: Sequence[Demand], now_s: float) -> float:
        """Take one token of each bucket and return 0, or take none and return the wait (s)."""
        buckets = [(self._filled(demand, now_s), demand.quota) for demand in demands]
        wait_s = max(
            ((1 - bucket.tokens) / quota.per_second for bucket, quota in buckets),
            default=0.0,
        )
        if wait_s > 0:
            return wait_s
        for bucket, _ in buckets:
            bucket.tokens -= 1
        return 0.0

    def headers(self, demands: Sequence[Demand], now_s: float) -> dict[str, str]:
        """Describe the buckets in the fields RateLimit-Policy and RateLimit."""
        if not demands:
            return {}
        policies, states = [], []
        for demand in demands:
            quota, bucket = demand.quota, self._filled(demand, now_s)
            window_s = math.ceil(quota.burst / quota.per_second)
            full_s = math.ceil((quota.burst - bucket.tokens) / quota.per_second)
            policies.append(f'"{demand.policy}";q={quota.burst};w={window_s}')
            states.append(f'"{demand.policy}";r={math.floor(bucket.tokens)};t={full_s}')
        return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(states)}

    def _filled(self, demand: Demand, now_s: float) -> _Bucket:
        """Give a bucket with what has flown in by now."""
        name, quota = (demand.policy, demand.owner), demand.quota
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = _Bucket(quota.burst, now_s)
            if len(self._buckets) > self._buckets_max:
                self._buckets.popitem(last=False)
                self._on_full()
            return bucket
        self._buckets.move_to_end(name)
        inflow = max(0.0, now_s - bucket.at_s) * quota.per_second
        bucket.tokens = min(quota.burst, bucket.tokens + inflow)
        bucket.at_s = now_s
        return bucket
