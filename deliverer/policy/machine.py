"""The deliverer of one partition as a pure machine: events and `now` in, decisions out.

Theory of operation
===================
The machine is owned by one actor (deliverer/worker.py) that calls it from one task. It does no
I/O, knows no clock and rolls no dice; it mutates its own state in place, and everything it decides
comes back as a value. PROTOCOL.md is the law; the letters in comments (H1, A3, …) name its rules,
and each family of rules is one module:

    intake      H   records of the log `deliveries` go to their lanes; changes of the registry
    starting    A1  whose turn it is: subscriptions in turn, lanes of one in turn
    sweeping, lagging  H4, E1, S1, S2  lanes that are fed from the log a second time
    sweep           when the log is read again, and for whom
    finishing   A2-A6  what an attempt's end means for its delivery, its lane, its subscription
    waking      T2-T4  retries that wait in the delay topics
    limiter, breaker  B4  what holds a subscription back: its rate, its failures
    failing         what a successor must know of failures
    ticking     C1-C3  all of it in one transaction
    orphans         heads whose record in a delay topic is lost
    retention   L3  what the logs will soon lose
    takeover        stand where the former owner's last tick ended

A delivery's life. The log reader hands it to its *lane* (`read_head`). When it is first and its
lane may start, `next_start` returns an Attempt; the shell makes it and brings the report to
`finish`, which settles the delivery, or parks it in a delay topic, or gives it up. Nothing of that
is durable until the next tick: `begin_tick` returns a snapshot (outputs, changed lane records, the
window), the shell writes it as one transaction, `committed` prunes.

A strict lane runs one attempt. When that fails, the head's place in the log is settled (the delay
topic holds it now) and the lane is *held*: what comes behind waits until the head is final. `held`
is written in the same tick as the record in the delay topic, so a successor never starts what comes
behind. lanes.TRANSITIONS is the whole table.

A takeover confirms its term: the first tick is never empty, and before it landed nothing starts and
no delay topic is read. Two owners that read the same `$window` have the same term; only one of them
can commit, so a term that acts is unique and T2 sees every successor (found by the simulation).

What a crash repeats. The window keeps every settled offset above the low mark, so a successor
repeats only attempts since the last tick. A dead letter must be committed before the next of its
lane starts (A4), else a crash would make the order wrong; a success needs not, since the repeat
comes before its successor again.

Order of calls the shell must keep
==================================
- Records of one log in offset order; `end` is the consumer's position after the batch, so that
  trailing transaction markers count (K2). A record that cannot be decoded: `skip_head` /
  `skip_tier` at its place between the others.
- Before `read_head` the registry table has reached `registry_offset` of each delivery (R1), and
  `registry_changed` was called for each change the table saw: the machine keeps the policy of a
  subscription it has lanes of.
- `read_tier` returning False means a successor wrote there: stop, we are a zombie (T2, C4).
- A snapshot stays open until `committed`; it is the shell's to send the same one again (C5).

Lanes that cannot take. A lane is *live* while the head reader feeds it. One that is held, does not
accept, or has no room gets a cursor (`Lane.cur`) and *lags*: its deliveries stay in the log, and
the sweep, a second reader, feeds it from there until it has caught up (S1, S2). So the log is the
buffer. A lane that is held, or whose lowest unfinished offset lies below the low mark, has a record
of its own in the tick; every other lane is described by the window alone. Hence one lane never
holds back the mark, the reader or its neighbours.

What holds a subscription back. A rate limit, `Retry-After`, an open breaker and a fault of ours
only postpone: its lanes do not accept until then, so they lag, due retries sleep on under the same
number (T4), and nothing is counted against a delivery. What must outlast an owner (a streak of
failures with its beginning, a long `Retry-After`) has a record in the tick; the rest is memory: a
takeover begins with full buckets, so a receiver may get one burst more, and open breakers have a
probe due at once. A subscription that is well and unlimited has no such state.

Bounds. The log reader stops at `window_offsets` above the mark (a tick raises it, at half of that
at the latest); a delay topic's reader at its read-ahead or a full rest heap; a lane at `lane_queue`
deliveries. Over the byte budget the longest queues go back to the log.
"""

from collections.abc import Callable, Collection, Sequence

from deliverer.policy import finishing, intake, starting, sweeping, takeover, ticking, waking
from deliverer.policy.items import (
    Attempt,
    AttemptLog,
    AttemptReport,
    Counts,
    Delivery,
    Fate,
    Hosts,
    Limits,
    Notice,
    OwnFate,
    Parked,
    RecoveredState,
    Subscriptions,
    TickSnapshot,
)
from deliverer.policy.takeover import StateRefused
from deliverer.policy.view import MachineView

__all__ = ["Machine", "StateRefused"]

OWN_FATE = OwnFate()


class Machine:
    """Decide everything about the deliveries of one partition.

    Raises StateRefused when the recovered state contradicts the logs. `tiers` are the delays of the
    delay topics in milliseconds, ascending; `jitter` returns a number in [0, 1].
    """

    __slots__ = ("_state",)

    def __init__(
        self,
        *,
        partition_state: RecoveredState,
        subscriptions: Subscriptions,
        limits: Limits,
        tiers: tuple[int, ...],
        jitter: Callable[[], float],
        fate: Fate = OWN_FATE,
    ) -> None:
        self._state = takeover.take_over(
            partition_state,
            subscriptions=subscriptions,
            limits=limits,
            tiers=tiers,
            jitter=jitter,
            fate=fate,
        )

    def __repr__(self) -> str:
        return f"Machine({self.view.describe()})"

    # ---- readers

    @property
    def head_position(self) -> int:
        """The next offset of `deliveries` to read (H)."""
        return self._state.window.position

    @property
    def low_mark(self) -> int:
        """The committed low mark of `deliveries` (w), which the group is told now and then."""
        return self._state.window.low

    def tier_position(self, tier: int) -> int:
        """Return the next offset of a delay topic to read."""
        return self._state.tiers.windows[tier].position

    def can_read_head(self) -> bool:
        """Ask whether the log may be read on."""
        return intake.can_read_head(self._state)

    def can_read_tier(self, tier: int) -> bool:
        """Ask whether a delay topic may be read on."""
        p = self._state
        is_full = p.unwritten_bytes * 2 >= p.limits.buffer_bytes
        return p.is_confirmed and not is_full and p.tiers.has_room(tier)

    def read_head(self, records: Sequence[Delivery], *, end: int, now: int) -> None:
        """Take records of `deliveries` in offset order; `end` = the position after them."""
        intake.read_head(self._state, records, end=end, now=now)

    def skip_head(self, offset: int) -> bool:
        """Settle a record of `deliveries` that cannot be decoded, at its place in the order.

        True = quarantine it with the next tick; False = a former owner did, or it was read again.
        """
        return intake.skip_head(self._state, offset)

    def read_tier(self, tier: int, records: Sequence[Parked], *, end: int, now: int) -> bool:
        """Take records of a delay topic in offset order; False = we are a zombie: stop."""
        return waking.read_tier(self._state, tier, records, end=end, now=now)

    def skip_tier(self, tier: int, offset: int) -> bool:
        """Settle a record of a delay topic that cannot be decoded; the answer is skip_head's."""
        return waking.skip_tier(self._state, tier, offset)

    def sweep_target(self, now: int) -> int | None:
        """Return the offset of `deliveries` the sweep's own reader reads from; None = rest.

        Ask again after each event; seek only when the reader stands elsewhere.
        """
        return sweeping.target(self._state, now)

    def read_sweep(self, records: Sequence[Delivery], *, start: int, end: int, now: int) -> None:
        """Take what was read from `start` (a sweep_target); `end` = the position after it."""
        sweeping.read(self._state, records, start=start, end=end, now=now)

    # ---- attempts

    def next_start(
        self,
        now: int,
        *,
        admits: Callable[[bool], bool] | None = None,
        hosts: Hosts | None = None,
    ) -> Attempt | None:
        """Return the next attempt to make; None = nothing may start now."""
        return starting.next_start(self._state, now, admits, hosts)

    @property
    def full_hosts(self) -> Collection[str]:
        """The hosts that subscriptions of this partition wait for."""
        return self._state.roster.lines.keys()

    @property
    def has_sated(self) -> bool:
        """Ask whether subscriptions wait for spare slots: ask again when one becomes free."""
        return bool(self._state.roster.sated)

    def finish(self, attempt: Attempt, report: AttemptReport, now: int) -> list[Notice]:
        """Take the end of an attempt; returns what the shell must do about its subscription."""
        return finishing.finish(self._state, attempt, report, now)

    def wake(self, now: int) -> int | None:
        """Move on what is due; returns when to call again, None = not before an event."""
        return waking.wake(self._state, now)

    @property
    def next_wake_at(self) -> int | None:
        """When to call `wake` at the latest, asked after the starts: a rate limit sets timers."""
        return waking.next_at(self._state)

    def registry_changed(self, subscription: str, now: int) -> None:
        """Apply the current policy of a subscription (A5, H2)."""
        intake.registry_changed(self._state, subscription, now)

    # ---- the tick

    @property
    def has_output(self) -> bool:
        """Ask whether a tick would write something new."""
        return ticking.has_output(self._state)

    @property
    def output_count(self) -> int:
        """How many records the next tick would write, those of its state apart."""
        return len(self._state.outputs)

    @property
    def output_share(self) -> float:
        """What part of the byte budget that holds."""
        return self._state.output_bytes / self._state.limits.buffer_bytes

    @property
    def unwritten(self) -> list[AttemptLog]:
        """The ends of attempts of which this owner does not know that they were committed."""
        return ticking.unwritten(self._state)

    @property
    def is_tick_awaited(self) -> bool:
        """Ask whether something stands still until a tick lands: a new owner, or a lane (A4)."""
        return bool(self._state.settling) or not self._state.is_confirmed

    def begin_tick(self, now: int) -> TickSnapshot:
        """Return what the next transaction writes; at most one is open."""
        return ticking.begin(self._state, now)

    def committed(self, now: int) -> None:
        """Note that the open tick landed."""
        ticking.committed(self._state, now)

    # ---- what an operator sees

    @property
    def term(self) -> int:
        """The term of this owner: one more than the last."""
        return self._state.term

    @property
    def in_flight(self) -> int:
        """How many attempts are out."""
        return self._state.in_flight

    @property
    def buffered_bytes(self) -> int:
        """Bytes in queues, in delay-topic read-ahead, in flight and not committed."""
        return self._state.buffered_bytes

    @property
    def counts(self) -> Counts:
        """What was dropped, hopped, sent back or lost since the takeover."""
        return self._state.counts

    @property
    def view(self) -> MachineView:
        """Gauges: lanes by state, the oldest that waits, due retries by tier."""
        return MachineView(self._state)
