"""The state of one partition, and the small moves every rule is made of.

The rules themselves live beside it, one family a module: `intake` (H), `starting` (A1), `finishing`
(A2-A6), `waking` (T2-T4), `ticking` (C1-C3), `takeover`. They share this state and nothing else.
"""

from collections.abc import Callable

from deliverer.policy.items import (
    Attempt,
    Counts,
    DeadLetter,
    Delivery,
    Limits,
    Output,
    Park,
    Parked,
    Subscriptions,
    TickSnapshot,
)
from deliverer.policy.lanes import Lane, Phase, Step, read_key
from deliverer.policy.retry import choose_tier
from deliverer.policy.roster import NEVER_STOPPED, Roster, Seat
from deliverer.policy.tiers import Tiers
from deliverer.policy.window import Window
from schemas.dead_letter import DeadLetterReason


class Partition:
    """What one owner of one partition knows; created by a takeover, thrown away when it is lost.

    `tick` is the number of the last tick begun; `outputs` is what the next one writes. `touched`
    are lanes whose record may have to change, `tombs` keys whose record must go, `settling` lanes
    with a dead letter not committed, `idle` lanes whose object may go at the next commit;
    `open_tick` has begun and has no answer yet. `waiting` are due retries without a slot, oldest
    first. `buffered_bytes` counts everything in memory, bodies in flight too.
    `is_confirmed` says that a tick of this term landed: before, another owner may have the same
    term, so nothing starts and no delay topic is read.
    """

    __slots__ = (
        "buffered_bytes",
        "counts",
        "idle",
        "in_flight",
        "is_confirmed",
        "is_dirty",
        "jitter",
        "lanes",
        "limits",
        "open_tick",
        "outputs",
        "roster",
        "seats",
        "settling",
        "subscriptions",
        "term",
        "tick",
        "tiers",
        "tombs",
        "touched",
        "waiting",
        "window",
    )

    def __init__(
        self,
        *,
        window: Window,
        tiers: Tiers,
        subscriptions: Subscriptions,
        limits: Limits,
        jitter: Callable[[], float],
    ) -> None:
        self.window = window
        self.tiers = tiers
        self.subscriptions = subscriptions
        self.limits = limits
        self.jitter = jitter
        self.term = 0
        self.tick = 0
        self.open_tick: TickSnapshot | None = None
        self.is_dirty = True
        self.is_confirmed = False
        self.lanes: dict[str, Lane] = {}
        self.seats: dict[str, Seat] = {}
        self.roster = Roster()
        self.outputs: list[Output] = []
        self.touched: dict[str, Lane] = {}
        self.tombs: list[str] = []
        self.settling: dict[Lane, int] = {}
        self.idle: dict[str, Lane] = {}
        self.waiting: dict[tuple[int, int], tuple[int, Lane, Parked]] = {}
        self.in_flight = 0
        self.buffered_bytes = 0
        self.counts = Counts()

    # ---- lanes and seats

    def lane_for(self, delivery: Delivery) -> Lane | None:
        """Return the lane of a delivery; None = its epoch is dead or its subscription gone (H2)."""
        lane = self.lanes.get(delivery.lane)
        return lane if lane is not None else self.open_lane(delivery.lane, delivery.subscription)

    def open_lane(self, key: str, subscription: str) -> Lane | None:
        """Make the object of a lane, unless it is dead; the drop is counted."""
        seat = self.seats.get(subscription)
        if seat is None:
            policy = self.subscriptions.policy(subscription)
            if policy is None:
                self.counts.dropped_deleted += 1
                return None
            seat = Seat(subscription, policy)
        epoch, is_test = read_key(key)
        if seat.is_dead(epoch):
            self.counts.dropped_disabled += 1
            return None
        is_strict = not is_test and seat.policy.mode_of(epoch) == "strict"
        lane = Lane(
            key, subscription=subscription, epoch=epoch, is_strict=is_strict, is_test=is_test
        )
        self.seats[subscription] = seat
        self.lanes[key] = seat.lanes[key] = lane
        return lane

    def drop_lane(self, seat: Seat, lane: Lane) -> None:
        """Make everything of a lane final at once (A5); what still runs is only logged."""
        for delivery in lane.queue:
            self.window.add(delivery.sequence)
            self.buffered_bytes -= delivery.size
        for attempt in lane.inflight.values():
            if attempt.source is None:
                self.window.add(attempt.delivery.sequence)
        for parked in lane.due or ():
            self.leave_wait(parked)
            self.settle_parked(parked)
        if lane.record is not None:
            self.tombs.append(lane.key)
        lane.queue.clear()
        lane.due = None
        lane.held = None
        lane.phase = Phase.GONE
        self.touched.pop(lane.key, None)
        self.settling.pop(lane, None)
        self.idle.pop(lane.key, None)
        self.lanes.pop(lane.key, None)
        seat.lanes.pop(lane.key, None)
        self.is_dirty = True

    def forget_seat(self, seat: Seat, now: int) -> None:
        """Let the object of a subscription go when it holds nothing worth remembering."""
        is_quiet = not seat.lanes and seat.in_flight == 0
        is_known = self.seats.get(seat.subscription) is seat  # not one that came after it
        if is_known and is_quiet and seat.not_before <= now and seat.stopped_epoch == NEVER_STOPPED:
            self.seats.pop(seat.subscription, None)

    # ---- deliveries

    def settle(self, attempt: Attempt) -> None:
        """Settle where an attempt came from: its place in the log, or in a delay topic."""
        if attempt.source is None:
            self.window.add(attempt.delivery.sequence)
        else:
            tier, offset = attempt.source
            self.tiers.windows[tier].add(offset)

    def settle_parked(self, parked: Parked) -> None:
        """Settle a record of a delay topic that lies in memory as rest or due."""
        self.tiers.windows[parked.tier].add(parked.offset)
        self.tiers.rest_bytes -= parked.delivery.size
        self.buffered_bytes -= parked.delivery.size
        self.is_dirty = True

    def leave_wait(self, parked: Parked) -> None:
        """Take a due retry off the list of those that wait for a slot."""
        self.waiting.pop((parked.tier, parked.offset), None)

    def park(self, attempt: Attempt, number: int, *, due_at: int, now: int) -> None:
        """Write an attempt's delivery to the delay topic that suits its rest (T1)."""
        self.outputs.append(
            Park(
                attempt.delivery,
                choose_tier(due_at - now, self.tiers.delays_ms),
                number,
                due_at,
                attempt.first_attempt_at,
                attempt.last_outcome,
                attempt.last_status,
            )
        )

    def park_again(self, parked: Parked, *, due_at: int, now: int) -> None:
        """Write a record to a delay topic once more, with the same number (hop, T4)."""
        self.outputs.append(
            Park(
                parked.delivery,
                choose_tier(due_at - now, self.tiers.delays_ms),
                parked.attempt,
                due_at,
                parked.first_attempt_at,
                parked.last_outcome,
                parked.last_status,
            )
        )
        self.settle_parked(parked)

    def expire_parked(self, lane: Lane, parked: Parked) -> None:
        """Dead-letter a retry that is older than its subscription allows, without an attempt."""
        self.dead(
            lane,
            DeadLetter(
                parked.delivery,
                DeadLetterReason.EXPIRED,
                parked.attempt - 1,
                parked.first_attempt_at,
                None,
                parked.last_outcome,
                parked.last_status,
            ),
        )
        self.settle_parked(parked)

    def expire_first(self, lane: Lane) -> None:
        """Dead-letter the first delivery of a lane's queue, without an attempt."""
        delivery = lane.queue.popleft()
        self.dead(lane, DeadLetter(delivery, DeadLetterReason.EXPIRED, 0, None, None, None, None))
        self.window.add(delivery.sequence)
        self.buffered_bytes -= delivery.size
        self.is_dirty = True

    def dead(self, lane: Lane, letter: DeadLetter) -> None:
        """Write a dead letter; a strict lane waits until the tick that carries it (A4).

        A test event has none: whoever asked for it sees its attempt.
        """
        if lane.is_test:
            return
        self.outputs.append(letter)
        lane.step(Step.DEAD)
        self.release_hold(lane)
        if lane.is_strict:
            self.settling[lane] = self.tick + 1

    def release_hold(self, lane: Lane) -> None:
        """Forget the held head of a lane; the next tick says so."""
        if lane.held is not None:
            lane.held = None
            self.touched[lane.key] = lane

    def start(self, seat: Seat, lane: Lane, attempt: Attempt) -> Attempt:
        """Note that an attempt is out."""
        lane.inflight[attempt.delivery.sequence] = attempt
        if lane.is_strict:
            lane.step(Step.START)
        seat.in_flight += 1
        self.in_flight += 1
        return attempt
