"""The state of one partition, and the small moves every rule is made of.

The rules themselves live beside it, one family a module: `intake` (H), `starting` (A1), `finishing`
(A2-A6), `waking` (T2-T4), `ticking` (C1-C3), `takeover`. They share this state and nothing else.
"""

from collections.abc import Callable

from deliverer.policy.items import (
    Attempt,
    Counts,
    Delivery,
    Fate,
    Limits,
    Output,
    Parked,
    Subscriptions,
    TickSnapshot,
)
from deliverer.policy.lanes import Lane, Phase, Step, read_key
from deliverer.policy.roster import NEVER_STOPPED, Roster, Seat
from deliverer.policy.sweep import Lows, Sweep
from deliverer.policy.tiers import Tiers
from deliverer.policy.window import Window


class Partition:
    """What one owner of one partition knows; created by a takeover, thrown away when it is lost.

    `tick` is the number of the last tick begun; `outputs` is what the next one writes. `touched`
    are lanes whose record may have to change, `tombs` keys whose record must go, `settling` lanes
    with a dead letter not committed, `idle` lanes whose object may go at the next commit;
    `open_tick` has begun and has no answer yet. `waiting` are due retries without a slot, oldest
    first. `buffered_bytes` counts everything in memory, bodies in flight and what no tick has
    brought home yet too: `output_bytes` are those of `outputs`, `open_bytes` those of `open_tick`.
    `unmet` are held
    lanes whose head may be lost: known when the delay topics were read to `unmet_until`.
    `failing` are subscriptions whose record may have to change, `cured` those whose record must go.
    `is_confirmed` says that a tick of this term landed: before, another owner may have the same
    term, so nothing starts and no delay topic is read.
    """

    __slots__ = (
        "buffered_bytes",
        "counts",
        "cured",
        "evicted_tick",
        "failing",
        "fate",
        "idle",
        "in_flight",
        "is_confirmed",
        "is_dirty",
        "jitter",
        "lanes",
        "limits",
        "lows",
        "open_bytes",
        "open_tick",
        "output_bytes",
        "outputs",
        "roster",
        "seats",
        "settling",
        "subscriptions",
        "sweep",
        "term",
        "tick",
        "tiers",
        "tombs",
        "touched",
        "tried",
        "unmet",
        "unmet_until",
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
        fate: Fate,
    ) -> None:
        self.window = window
        self.tiers = tiers
        self.subscriptions = subscriptions
        self.limits = limits
        self.jitter = jitter
        self.fate = fate
        self.term = 0
        self.tick = 0
        self.open_tick: TickSnapshot | None = None
        self.is_dirty = True
        self.is_confirmed = False
        self.lanes: dict[str, Lane] = {}
        self.seats: dict[str, Seat] = {}
        self.failing: dict[str, Seat] = {}
        self.cured: list[str] = []
        self.roster = Roster()
        self.sweep = Sweep()
        self.lows = Lows()
        self.evicted_tick = -1
        self.outputs: list[Output] = []
        self.output_bytes = self.open_bytes = 0
        self.touched: dict[str, Lane] = {}
        self.tombs: list[str] = []
        self.settling: dict[Lane, int] = {}
        self.idle: dict[str, Lane] = {}
        self.unmet: dict[str, Lane] = {}
        self.unmet_until: tuple[int, ...] = ()
        self.waiting: dict[tuple[int, int], tuple[int, Lane, Parked]] = {}
        self.in_flight = 0
        self.tried = 0
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
        lane.cur = None
        self.sweep.forget(lane)
        self.touched.pop(lane.key, None)
        self.settling.pop(lane, None)
        self.idle.pop(lane.key, None)
        self.lanes.pop(lane.key, None)
        seat.lanes.pop(lane.key, None)
        self.is_dirty = True

    def forget_seat(self, seat: Seat, now: int) -> None:
        """Let the object of a subscription go when it holds nothing worth remembering."""
        is_known = self.seats.get(seat.subscription) is seat  # not one that came after it
        if not is_known or seat.lanes or seat.in_flight:
            return
        if seat.health is not None or seat.stopped_epoch != NEVER_STOPPED:
            return  # until it is well again, edited or removed
        remembered_until = seat.remembered_until
        if remembered_until > now:
            self.roster.wake_at(seat, remembered_until)
        elif seat.remembered is not None:
            self.failing[seat.subscription] = seat  # until the tick that carries its tombstone
        else:
            self.seats.pop(seat.subscription, None)

    # ---- deliveries

    def put_out(self, output: Output, size_bytes: int) -> None:
        """Have the next tick write something; what it holds counts until that tick has landed."""
        self.outputs.append(output)
        self.output_bytes += size_bytes
        self.buffered_bytes += size_bytes

    @property
    def unwritten_bytes(self) -> int:
        """Return what outputs hold that are not known to be committed."""
        return self.output_bytes + self.open_bytes

    def settle(self, lane: Lane, attempt: Attempt) -> None:
        """Settle where an attempt came from: its place in the log, or in a delay topic."""
        if attempt.source is None:
            self.settle_log(lane, attempt.delivery.sequence)
        else:
            self.settle_source(attempt.source)

    def settle_source(self, source: tuple[int, int]) -> None:
        """Settle a record of a delay topic whose attempt ended."""
        tier, offset = source
        self.tiers.windows[tier].add(offset)

    def settle_log(self, lane: Lane, offset: int) -> None:
        """Settle an offset of the log for its lane."""
        self.window.add(offset)
        self.note_done(lane, offset)

    def note_done(self, lane: Lane, offset: int) -> None:
        """Let a lane know what is settled above its low: a successor may read it again (H3)."""
        if not lane.is_strict:
            low = lane.low(self.window.position)
            if lane.done is not None:
                lane.done.advance(low)
            if offset > low:
                if lane.done is None:
                    lane.done = Window(low)
                lane.done.add(offset)
            elif lane.done is not None and not lane.done.count:
                lane.done = None
        if lane.record is not None or lane.cur is not None:
            lane.moved = True
            self.touched[lane.key] = lane

    def settle_parked(self, parked: Parked) -> None:
        """Settle a record of a delay topic that lies in memory as rest or due."""
        self.tiers.windows[parked.tier].add(parked.offset)
        self.tiers.rest_bytes -= parked.delivery.size
        self.buffered_bytes -= parked.delivery.size
        self.is_dirty = True

    def leave_wait(self, parked: Parked) -> None:
        """Take a due retry off the list of those that wait for a slot."""
        self.waiting.pop((parked.tier, parked.offset), None)

    def release_hold(self, lane: Lane) -> None:
        """Forget the held head of a lane; the next tick says so."""
        if lane.held is not None:
            lane.held = None
            self.touched[lane.key] = lane
            self.want_sweep(lane)

    def want_sweep(self, lane: Lane) -> None:
        """Have a lagging lane looked at when the next pass of the sweep may begin."""
        if lane.cur is not None and lane not in self.sweep.resting:
            self.sweep.candidates[lane] = None

    def reopen(self, seat: Seat) -> None:
        """List every lane of a subscription that has something to start, or to read."""
        self.roster.reopen(seat)
        for lane in seat.lanes.values():
            self.want_sweep(lane)

    def start(self, seat: Seat, lane: Lane, attempt: Attempt, *, now: int) -> Attempt:
        """Note that an attempt is out."""
        attempt.is_suspect = seat.is_suspect
        attempt.host = seat.host
        if seat.bucket is not None:
            seat.bucket.take(now)
        if seat.health is not None:
            seat.health.started(attempt.delivery.sequence, now, self.limits)
        lane.inflight[attempt.delivery.sequence] = attempt
        if lane.is_strict:
            lane.step(Step.START)
        if lane.cur is not None:
            self.want_sweep(lane)
        seat.in_flight += 1
        self.in_flight += 1
        return attempt
