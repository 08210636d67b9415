"""Choose whose turn it is: subscriptions take turns, and so do the lanes of one (DESIGN 8.5).

A subscription stands in the ring while one of its lanes may have something to start. One that does
not accept, or has all its attempts out, leaves the ring and comes back by an event: an attempt
ends, the registry changes, a timer fires. One whose host is full stands in the line of that host
instead and comes back when it is called: however many wait there, nobody walks over them.
"""

from collections import deque
from heapq import heappop, heappush
from math import ceil

from deliverer.policy.breaker import Health
from deliverer.policy.items import FailingState, Limits, SubscriptionPolicy
from deliverer.policy.lanes import Lane
from deliverer.policy.limiter import Bucket

NEVER_STOPPED = -1


class Seat:
    """One subscription's place: its lanes, its attempts out, and until when it must wait.

    `not_before` is asked for by the receiver (Retry-After) or by a fault of ours; `stopped_epoch`
    is the lane epoch in which it asked to be disabled: nothing starts until the registry shows a
    later one (R4). A suspect's last attempt failed: it takes turns with its like. `bucket` is there
    with a rate limit, `health` after a failure: most have neither. `host` is where its attempts
    went last; `called_to` the host that called it to its turn. Listed = in a ring or in a line.
    `remembered` is what the last tick wrote of its failures.
    """

    __slots__ = (
        "bucket",
        "called_to",
        "health",
        "host",
        "in_flight",
        "is_listed",
        "is_suspect",
        "lanes",
        "not_before",
        "policy",
        "ready",
        "remembered",
        "stopped_epoch",
        "subscription",
        "timer_at",
    )

    def __init__(self, subscription: str, policy: SubscriptionPolicy) -> None:
        self.subscription = subscription
        self.bucket: Bucket | None = None
        self.health: Health | None = None
        self.adopt(policy)
        self.lanes: dict[str, Lane] = {}
        self.ready: list[Lane] = []
        self.in_flight = 0
        self.not_before = 0
        self.stopped_epoch = NEVER_STOPPED
        self.is_listed = False
        self.is_suspect = False
        self.host: str | None = None
        self.called_to: str | None = None
        self.remembered: FailingState | None = None
        self.timer_at: int | None = None

    def adopt(self, policy: SubscriptionPolicy) -> None:
        """Take a version of the registry's record."""
        self.policy = policy
        rate = policy.rate_limit
        if rate is None:
            self.bucket = None
        elif self.bucket is None:
            self.bucket = Bucket(rate)
        else:
            self.bucket.change(rate)

    def ailing(self, limits: Limits) -> Health:
        """Return what is remembered of failures; from now on something is."""
        if self.health is None:
            self.health = Health(limits)
        return self.health

    def accepts(self, now: int) -> bool:
        """Ask whether attempts may start."""
        if not self.is_open or now < self.not_before:
            return False
        if self.bucket is not None and now < self.bucket.closed_until:
            return False
        return self.health is None or now >= self.health.open_until

    @property
    def waits_until(self) -> int:
        """Until when nothing starts: asked for, limited, or the breaker is open."""
        until = self.not_before
        if self.bucket is not None:
            until = max(until, self.bucket.closed_until)
        if self.health is not None:
            until = max(until, self.health.open_until)
        return until

    @property
    def remembered_until(self) -> int:
        """Until when forgetting the subscription would let something start too early."""
        if self.bucket is None:
            return self.not_before
        return max(self.not_before, ceil(self.bucket.full_at))

    def has_token(self, now: int) -> bool:
        """Ask whether the rate limit lets an attempt go."""
        return self.bucket is None or self.bucket.ready_at(now) <= now

    @property
    def is_open(self) -> bool:
        """Ask whether the subscription is active and has not asked to be disabled."""
        policy = self.policy
        return policy.status == "active" and policy.lane_epoch > self.stopped_epoch

    def accepts_tests(self, now: int) -> bool:
        """Ask whether a test event may go out: also while paused, also with an open breaker.

        Somebody mended the receiver and wants to see it: the test is the probe.
        """
        policy = self.policy
        is_closed = policy.status == "disabled" or policy.lane_epoch <= self.stopped_epoch
        return not is_closed and now >= self.not_before

    def is_dead(self, epoch: int) -> bool:
        """Ask whether lanes of an epoch were dropped (R2)."""
        return epoch < self.policy.drop_before


class Line:
    """Subscriptions that wait for one host; `called` of them have a call and not yet their turn."""

    __slots__ = ("called", "seats")

    def __init__(self) -> None:
        self.called = 0
        self.seats: deque[Seat] = deque()


class Roster:
    """The rings of subscriptions that may start something, and the timers that bring one back.

    Suspects have a ring of their own, so that thousands of dead receivers that wait for their few
    slots are not walked over each time a healthy one starts. `lines` are those of full hosts; while
    one is there newcomers stand at its end, else whoever is busy would pass the others for ever.
    `sated` have attempts out and wait while slots are kept for those that have none.
    """

    __slots__ = ("_count", "_timers", "lines", "ring", "sated", "suspects")

    def __init__(self) -> None:
        self.lines: dict[str, Line] = {}
        self.sated: dict[Seat, None] = {}
        self.ring: deque[Seat] = deque()
        self.suspects: deque[Seat] = deque()
        self._timers: list[tuple[int, int, Seat]] = []
        self._count = 0

    def offer(self, seat: Seat, lane: Lane) -> None:
        """List a lane that may have something to start."""
        if not lane.is_ready:
            lane.is_ready = True
            seat.ready.append(lane)
        self.relist(seat)

    def relist(self, seat: Seat) -> None:
        """List a subscription again if one of its lanes is ready."""
        if seat.ready and not seat.is_listed:
            self._stand(seat)
        elif self.sated and not seat.in_flight and seat in self.sated:
            del self.sated[seat]
            self._stand(seat)

    def _stand(self, seat: Seat) -> None:
        seat.is_listed = True
        (self.suspects if seat.is_suspect else self.ring).append(seat)

    def sate(self, seat: Seat) -> None:
        """Have a subscription wait until slots are spare, or it has no attempt out any more."""
        seat.is_listed = True
        self.sated[seat] = None

    def readmit(self, spare: int) -> None:
        """Bring as many to their turn as there are spare slots, first come first."""
        while self.sated and spare > 0:
            seat = next(iter(self.sated))
            del self.sated[seat]
            self._stand(seat)
            spare -= 1

    def line_up(self, seat: Seat, host: str) -> None:
        """Have a subscription wait for its host; first in line if it was called in vain."""
        line = self.lines.setdefault(host, Line())
        seat.is_listed = True
        if seat.called_to == host:
            line.seats.appendleft(seat)
        else:
            line.seats.append(seat)

    def call(self, host: str) -> None:
        """Bring the first in the line of a host to its turn."""
        line = self.lines.get(host)
        if line is None:
            return
        if line.seats:
            seat = line.seats.popleft()
            seat.called_to = host
            line.called += 1
            self._stand(seat)
        elif not line.called:
            del self.lines[host]

    def answer(self, seat: Seat, *, has_used: bool) -> None:
        """Take a call back; one that was of no use goes to the next in line."""
        host, seat.called_to = seat.called_to, None
        line = None if host is None else self.lines.get(host)
        if host is None or line is None:
            return
        line.called -= 1
        if not has_used or not line.seats:
            self.call(host)

    def reopen(self, seat: Seat) -> None:
        """List every lane of a subscription that has something to start."""
        for lane in seat.lanes.values():
            if lane.can_start:
                self.offer(seat, lane)

    def wake_at(self, seat: Seat, at: int) -> None:
        """Have the lanes of a subscription looked at again at a time, or earlier."""
        if seat.timer_at is None or at < seat.timer_at:
            seat.timer_at = at
            self._count += 1
            heappush(self._timers, (at, self._count, seat))

    def fire(self, now: int) -> list[Seat]:
        """Return the subscriptions whose time has come."""
        timers = self._timers
        fired = []
        while timers and timers[0][0] <= now:
            at, _, seat = heappop(timers)
            if seat.timer_at == at:
                seat.timer_at = None
                fired.append(seat)
        return fired

    @property
    def next_at(self) -> int | None:
        """When the next timer fires."""
        return self._timers[0][0] if self._timers else None
