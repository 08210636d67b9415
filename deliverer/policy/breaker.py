"""Judge a subscription by its last attempts: the breaker, its probes, and what follows recovery.

A subscription without failures has no `Health` at all; it is made at the first one and forgotten
when nothing in it differs from a good one's. It lives in the memory of the partition's owner; what
a successor must know of it (a streak of failures and its beginning) is written by `failing`.

    closed      everything may start, up to the ramp
    open        nothing starts until `open_until`, then one ordinary attempt that is due (B4)
    half open   that probe is out; nothing else starts until its end, or the next probe's time

Any success closes the breaker. Then one attempt at a time may be out, and after as many successes
as may be out, twice as many: 1, 2, 4, … until `max_in_flight`. The time between probes doubles with
each failed one and is the first again when a ramp is complete: a receiver that flaps is not asked
more often. Up to a fifth is added to each such wait by lot, since receivers of one host fail in
the same moment and would else all be asked in the same moment, too.
"""

from deliverer.policy.items import Limits

HISTORY = 20
HISTORY_MASK = (1 << HISTORY) - 1
FAILURES_IN_HISTORY = 14
"""70 % of the last 20 (CONTRACT §5)."""
HALVING_STATUSES = (502, 504)
PROBE_JITTER_SHARE = 0.2


class Health:
    """What the last attempts of a subscription say; times are epoch milliseconds.

    `history` has a bit for each of the last 20 charged attempts, 1 = failed; `streak` counts the
    failures since the last success, the first of them at `failing_since`. `may_be_out` bounds the
    attempts out, None = only `max_in_flight` does; `credit` are the successes since it last grew.
    `has_failed_again` says that a retry was among the streak.
    `probe` is the sequence of the delivery that is the probe.
    """

    __slots__ = (
        "credit",
        "failing_since",
        "has_failed_again",
        "history",
        "is_open",
        "local_faults",
        "may_be_out",
        "open_until",
        "probe",
        "probe_ms",
        "streak",
    )

    def __init__(self, limits: Limits) -> None:
        self.history = 0
        self.streak = 0
        self.failing_since = 0
        self.has_failed_again = False
        self.is_open = False
        self.open_until = 0
        self.probe: int | None = None
        self.probe_ms = limits.probe_ms
        self.may_be_out: int | None = None
        self.credit = 0
        self.local_faults = 0

    @property
    def is_good(self) -> bool:
        """Ask whether there is nothing to remember."""
        return not (self.history or self.is_open or self.local_faults or self.may_be_out)

    @property
    def is_half_open(self) -> bool:
        """Ask whether a probe decides right now."""
        return self.is_open and self.probe is not None

    def bound(self, max_in_flight: int) -> int:
        """Return how many attempts may be out at once."""
        if self.is_open:
            return 1
        return max_in_flight if self.may_be_out is None else min(self.may_be_out, max_in_flight)

    def started(self, sequence: int, now: int, limits: Limits) -> None:
        """Note an attempt: while open it is the probe, and the next has to wait for its interval.

        That is the first interval, however long they have become: a success may end it sooner, and
        retries that come due meanwhile must not sleep through the recovery.
        """
        if self.is_open and self.probe is None:
            self.probe = sequence
            self.open_until = max(self.open_until, now + limits.probe_ms)

    def succeeded(self, max_in_flight: int, limits: Limits) -> bool:
        """Note that the receiver answered well; True = this closed the breaker."""
        self.streak = 0
        self.has_failed_again = False
        self.local_faults = 0
        if self.is_open:
            self.is_open, self.open_until, self.probe = False, 0, None
            self.history = 0
            self.may_be_out, self.credit = 1, 0
            return True
        self.history = (self.history << 1) & HISTORY_MASK
        if self.may_be_out is not None:
            self._ramp(max_in_flight, limits)
        return False

    def _ramp(self, max_in_flight: int, limits: Limits) -> None:
        assert self.may_be_out is not None, "it is ramping"
        self.credit += 1
        if self.credit < self.may_be_out:
            return
        self.credit = 0
        self.may_be_out *= 2
        if self.may_be_out >= max_in_flight:
            self.may_be_out = None
            self.probe_ms = limits.probe_ms

    def failed(self, sequence: int, now: int, limits: Limits, *, jitter: float) -> None:
        """Note an attempt that counts against the receiver; opens the breaker when it must.

        `jitter` in [0, 1] spreads the probes.
        """
        if not self.streak:
            self.failing_since = now
        self.streak += 1
        self.local_faults = 0
        self.credit = 0
        self.history = (self.history << 1 | 1) & HISTORY_MASK
        if self.is_open:
            if sequence == self.probe:
                self.probe = None
                self.probe_ms = min(2 * self.probe_ms, limits.probe_max_ms)
                self.open_until = now + _spread(self.probe_ms, jitter)
            return
        is_dead = self.streak >= limits.breaker_failures
        if is_dead or self.history.bit_count() >= FAILURES_IN_HISTORY:
            self.is_open = True
            self.open_until = now + _spread(self.probe_ms, jitter)

    def halve(self, max_in_flight: int) -> None:
        """Let half as many attempts out: what stands before the receiver is overloaded."""
        self.may_be_out = max(1, self.bound(max_in_flight) // 2)
        self.credit = 0

    def not_made(self, sequence: int, now: int) -> None:
        """Note an attempt that never reached the receiver: another one may be the probe."""
        if self.is_open and sequence == self.probe:
            self.probe = None
            self.open_until = now

    def local_fault(self, limits: Limits) -> int:
        """Return for how long to wait after a fault of ours; twice as long each time."""
        pause_ms = limits.local_fault_pause_ms << min(self.local_faults, 16)
        self.local_faults += 1
        return min(pause_ms, limits.local_fault_pause_max_ms)

    def remember(self, failures: int, since: int, limits: Limits) -> None:
        """Go on where a former owner stood: failures in a row, and a breaker due for a probe."""
        self.streak = failures
        self.has_failed_again = True
        self.failing_since = since
        self.history = (1 << min(failures, HISTORY)) - 1
        self.is_open = failures >= limits.breaker_failures

    def probe_now(self, now: int, limits: Limits) -> None:
        """Let a probe go at once: somebody edited the subscription, perhaps to mend it."""
        self.probe_ms = limits.probe_ms
        if self.is_open and self.probe is None:
            self.open_until = min(self.open_until, now)

    def is_failing(self, now: int, limits: Limits) -> bool:
        """Ask whether it is time to give the subscription up (no success for so long)."""
        is_tried = self.streak >= limits.failing_attempts
        return is_tried and now - self.failing_since >= limits.failing_ms


def _spread(wait_ms: int, jitter: float) -> int:
    """Lengthen a wait, never shorten it: how often a receiver is asked is a promise."""
    return wait_ms + int(wait_ms * PROBE_JITTER_SHARE * jitter)
