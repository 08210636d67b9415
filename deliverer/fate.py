"""Suspect that a fault is ours when many subscriptions begin to fail in the same way, pure.

DESIGN 8.5: when more than half of at least 20 subscriptions of at least 5 subscribers fail in the
same way within a minute, nobody's receiver is to blame: our way out is (egress, DNS, certificates,
clock). Then such an end of an attempt counts as a fault of ours: the delivery comes again under the
same number, later each time, and no breaker or count hears of it.

Evidence is what *began* to fail lately. A subscription that already failed before says nothing, in
neither direction: a night in which only dead receivers are tried is no fault of ours. For the same
reason more than half of the subscribers must be hit, too: one with hundreds of dead endpoints is
its own fate. Once suspected, the minute before is remembered as the beginning, so whoever failed
since then is still evidence; it ends when half of them reach their receivers again, and after an
hour in any case: a process that starts among dead receivers cannot tell them from an outage.

One per process, in memory: another process finds out by itself. Bounded: it watches at most
`WATCHED_MAX` subscriptions of a minute and remembers as many that fail.
"""

from collections import Counter
from collections.abc import Callable

from schemas.outcome import Outcome

WAYS = frozenset({Outcome.TIMEOUT, Outcome.CONNECT_ERROR, Outcome.DNS_ERROR, Outcome.TLS_ERROR})
UNMADE = frozenset({Outcome.LOCAL_FAULT, Outcome.CANCELLED})
SPAN_MS = 60_000
SUSPECTED_MS_MAX = 3_600_000
JUDGE_EVERY_MS = 1_000
SUBSCRIPTIONS_MIN = 20
SUBSCRIBERS_MIN = 5
WATCHED_MAX = 10_000

Seen = tuple[bytes, Outcome | None]
"""The subscriber, and in which way the last attempt failed (None = it reached somebody)."""


class SharedFate:
    """Watch the ends of all attempts of this process; says which ways to fail charge nobody.

    `tell` hears of each change: the way that is suspected now, or None, and how many subscriptions
    of how many fail so.
    """

    def __init__(self, tell: Callable[[Outcome | None, int, int], None]) -> None:
        self._tell = tell
        self._way: Outcome | None = None
        self._began_at = 0
        self._failing_since: dict[str, int] = {}
        self._now: dict[str, Seen] = {}
        self._before: dict[str, Seen] = {}
        self._turned_at = 0
        self._judged_at = 0

    @property
    def is_suspected(self) -> bool:
        """Ask whether the fault seems to be ours."""
        return self._way is not None

    def charges_nobody(self, outcome: Outcome) -> bool:
        """Ask whether an attempt that ended so must count as a fault of ours."""
        return outcome is self._way

    def note(self, subscription: str, subscriber: bytes, outcome: Outcome, now: int) -> None:
        """Take the end of an attempt; cheap for a success of a subscription that is well."""
        if outcome in UNMADE:
            return
        way = outcome if outcome in WAYS else None
        # While suspected, who waits out a time-out and a pause must still be seen.
        span_ms = SPAN_MS if self._way is not None else SPAN_MS // 2
        if not 0 <= now - self._turned_at < span_ms:
            self._turn(now)
        if subscription in self._now or len(self._now) < WATCHED_MAX:
            self._now[subscription] = (subscriber, way)
        if way is None:
            if self._failing_since:
                self._failing_since.pop(subscription, None)
        elif subscription not in self._failing_since:
            if len(self._failing_since) >= WATCHED_MAX:
                del self._failing_since[next(iter(self._failing_since))]
            self._failing_since[subscription] = now
        if way is not None or self._way is not None:
            self._judge(now)

    def _turn(self, now: int) -> None:
        """Forget what is older than a minute, half of it at a time."""
        is_long_ago = now - self._turned_at >= 2 * SPAN_MS
        self._before = {} if is_long_ago else self._now
        self._now = {}
        self._turned_at = now

    def _judge(self, now: int) -> None:
        if 0 <= now - self._judged_at < JUDGE_EVERY_MS:
            return
        self._judged_at = now
        seen = self._evidence(now)
        ways = Counter(way for _, way in seen if way is not None)
        way, hit = ways.most_common(1)[0] if ways else (None, 0)
        is_over = self._way is not None and now - self._began_at >= SUSPECTED_MS_MAX
        if is_over or (way is not None and not _is_shared(seen, way, hit)):
            way = None
        if way is self._way:
            return
        if self._way is None:
            self._began_at = now - SPAN_MS
        self._way = way
        self._tell(way, hit, len(seen))

    def _evidence(self, now: int) -> list[Seen]:
        """Return the subscriptions of the last minute that were well when it began."""
        since = self._began_at if self._way is not None else now - SPAN_MS
        failing = self._failing_since
        seen = self._before | self._now
        return [one for name, one in seen.items() if failing.get(name, since) >= since]


def _is_shared(seen: list[Seen], way: Outcome, hit: int) -> bool:
    if len(seen) < SUBSCRIPTIONS_MIN or 2 * hit <= len(seen):
        return False
    subscribers = {subscriber for subscriber, _ in seen}
    hit_subscribers = {subscriber for subscriber, how in seen if how is way}
    return len(hit_subscribers) >= SUBSCRIBERS_MIN and 2 * len(hit_subscribers) > len(subscribers)
