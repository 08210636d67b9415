"""Take what the readers hand in: the log (H1-H3), and changes of the registry (A5)."""

from collections.abc import Sequence

from deliverer.policy import failing
from deliverer.policy.items import Delivery, SubscriptionPolicy
from deliverer.policy.lagging import accepts, evict, has_room, lag
from deliverer.policy.lanes import Lane
from deliverer.policy.partition import Partition
from deliverer.policy.roster import NEVER_STOPPED, Seat


def read_head(p: Partition, records: Sequence[Delivery], *, end: int, now: int) -> None:
    """Hand records of `deliveries` to their lanes; `end` is the reader's position after them."""
    window, lanes = p.window, p.lanes
    for delivery in records:
        offset = delivery.sequence
        if offset < window.position:  # H1: a rebalance made the consumer read it again
            continue
        window.read(offset)
        lane = lanes.get(delivery.lane)
        if window.settled(offset):  # H3: by a former owner
            if lane is not None:
                p.note_done(lane, offset)
            continue
        if lane is None:
            lane = p.open_lane(delivery.lane, delivery.subscription)
            if lane is None:  # H2
                window.add(offset)
                continue
        _hand(p, lane, delivery, now)
    window.read_to(end)
    p.is_dirty = p.is_dirty or window.mark > window.low
    evict(p)


def _hand(p: Partition, lane: Lane, delivery: Delivery, now: int) -> None:
    """Let a lane take the record at the head, or lag from there (H4)."""
    seat = p.seats[lane.subscription]
    if lane.cur is not None:
        lane.behind += 1
        p.is_dirty = True  # the mark may pass it
        return
    if lane.held is not None or not accepts(seat, lane, now) or not has_room(p, lane):
        lag(p, lane, delivery.sequence, accepted_at=delivery.accepted_at)
        lane.behind += 1
        return
    p.lows.push(delivery.sequence, lane)
    lane.queue.append(delivery)
    p.buffered_bytes += delivery.size
    if not lane.is_ready and lane.can_start:
        delivery.is_unhindered = _is_free(seat, now)
        p.roster.offer(seat, lane)


def _is_free(seat: Seat, now: int) -> bool:
    """Ask whether nothing of the receiver's own makes its next delivery wait."""
    is_well = seat.health is None
    return is_well and seat.in_flight < seat.policy.max_in_flight and seat.has_token(now)


def skip_head(p: Partition, offset: int) -> bool:
    """Settle a record of `deliveries` that says nothing; False = it was settled before."""
    if offset < p.window.position:
        return False
    p.window.read(offset)
    if p.window.settled(offset):
        return False
    p.window.add(offset)
    p.is_dirty = True
    return True


def can_read_head(p: Partition) -> bool:
    """Ask whether the log may be read on; what finds no room only lags."""
    return p.window.position - p.window.low < p.limits.window_offsets


def registry_changed(p: Partition, subscription: str, now: int) -> None:
    """Apply a new version of a subscription: drop dead lanes at once, let others start (A5)."""
    seat = p.seats.get(subscription)
    if seat is None:
        return
    policy = p.subscriptions.policy(subscription)
    if policy is None:
        for lane in list(seat.lanes.values()):
            p.counts.dropped_deleted += lane.unstarted
            p.drop_lane(seat, lane)
        p.seats.pop(subscription, None)
        failing.forget(p, seat)
        return
    _adopt(p, seat, policy, now)
    for lane in list(seat.lanes.values()):
        if seat.is_dead(lane.epoch):
            p.counts.dropped_disabled += lane.unstarted
            p.drop_lane(seat, lane)
    if policy.lane_epoch > seat.stopped_epoch:
        seat.stopped_epoch = NEVER_STOPPED
    p.reopen(seat)
    p.forget_seat(seat, now)


def _adopt(p: Partition, seat: Seat, policy: SubscriptionPolicy, now: int) -> None:
    """Take a new version: its breaker lets a probe go, and enabled again it begins anew."""
    is_enabled = policy.status == "active" and seat.policy.status != "active"
    seat.adopt(policy)
    if seat.health is None:
        return
    if is_enabled:
        seat.health = None
        failing.note(p, seat, now)
    else:
        seat.health.probe_now(now, p.limits)
