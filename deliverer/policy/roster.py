"""Choose whose turn it is: subscriptions take turns, and so do the lanes of one (DESIGN 8.5).

A subscription stands in the ring while one of its lanes may have something to start. One that does
not accept, or has all its attempts out, leaves the ring and comes back by an event: an attempt
ends, the registry changes, a timer fires.
"""

from collections import deque
from heapq import heappop, heappush

from deliverer.policy.items import SubscriptionPolicy
from deliverer.policy.lanes import Lane

NEVER_STOPPED = -1


class Seat:
    """One subscription's place: its lanes, its attempts out, and until when it must wait.

    `not_before` is asked for by the receiver (Retry-After); `stopped_epoch` is the lane epoch in
    which it asked to be disabled: nothing starts until the registry shows a later one (R4). A
    suspect's last attempt failed: it takes turns with its like.
    """

    __slots__ = (
        "in_flight",
        "is_listed",
        "is_suspect",
        "lanes",
        "not_before",
        "policy",
        "ready",
        "stopped_epoch",
        "subscription",
        "timer_at",
    )

    def __init__(self, subscription: str, policy: SubscriptionPolicy) -> None:
        self.subscription = subscription
        self.policy = policy
        self.lanes: dict[str, Lane] = {}
        self.ready: list[Lane] = []
        self.in_flight = 0
        self.not_before = 0
        self.stopped_epoch = NEVER_STOPPED
        self.is_listed = False
        self.is_suspect = False
        self.timer_at: int | None = None

    def accepts(self, now: int) -> bool:
        """Ask whether attempts may start."""
        return self.is_open and now >= self.not_before

    @property
    def is_open(self) -> bool:
        """Ask whether the subscription is active and has not asked to be disabled."""
        policy = self.policy
        return policy.status == "active" and policy.lane_epoch > self.stopped_epoch

    def accepts_tests(self, now: int) -> bool:
        """Ask whether a test event may go out: also while paused."""
        policy = self.policy
        is_closed = policy.status == "disabled" or policy.lane_epoch <= self.stopped_epoch
        return not is_closed and now >= self.not_before

    def is_dead(self, epoch: int) -> bool:
        """Ask whether lanes of an epoch were dropped (R2)."""
        return epoch < self.policy.drop_before


class Roster:
    """The rings of subscriptions that may start something, and the timers that bring one back.

    Suspects have a ring of their own, so that thousands of dead receivers that wait for their few
    slots are not walked over each time a healthy one starts.
    """

    __slots__ = ("_count", "_timers", "ring", "suspects")

    def __init__(self) -> None:
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
            seat.is_listed = True
            (self.suspects if seat.is_suspect else self.ring).append(seat)

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
