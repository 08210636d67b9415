"""Wake what waits in the delay topics (T2-T4)."""

from collections.abc import Sequence

from deliverer.policy import orphans
from deliverer.policy.items import Parked
from deliverer.policy.lanes import Lane, Step
from deliverer.policy.partition import Partition
from deliverer.policy.retry import expires_at
from deliverer.policy.starting import repark
from deliverer.policy.writing import expire_parked, park_again


def read_tier(p: Partition, tier: int, records: Sequence[Parked], *, end: int, now: int) -> bool:
    """Take records of a delay topic in offset order; False = a successor wrote one: stop (T2)."""
    window = p.tiers.windows[tier]
    for parked in records:
        if parked.offset < window.position:
            continue
        if parked.term > p.term:
            return False
        window.read(parked.offset)
        if window.settled(parked.offset):
            continue
        if p.unmet:
            orphans.meet(p, parked)
        p.tiers.hold(parked, now, wake_at=_wake_at(p, parked))
        p.buffered_bytes += parked.delivery.size
    window.read_to(end)
    p.is_dirty = p.is_dirty or window.mark > window.low
    return True


def skip_tier(p: Partition, tier: int, offset: int) -> bool:
    """Settle a record of a delay topic that says nothing; False = it was settled before."""
    window = p.tiers.windows[tier]
    if offset < window.position:
        return False
    window.read(offset)
    if window.settled(offset):
        return False
    window.add(offset)
    p.is_dirty = True
    return True


def wake(p: Partition, now: int) -> int | None:
    """Move on what is due; returns when to call again at the latest."""
    for seat in p.roster.fire(now):
        p.reopen(seat)
        p.forget_seat(seat, now)
    ahead = p.tiers
    while (parked := ahead.pop(now)) is not None:
        _wake_one(p, parked, now)
    _repark_waiting(p, now)
    if p.unmet:
        orphans.release(p)
    return next_at(p)


def next_at(p: Partition) -> int | None:
    """Return when the next thing moves by itself; starts and ends of attempts can change it."""
    times = [p.tiers.next_at, p.roster.next_at, p.sweep.next_at]
    for since, _, _ in p.waiting.values():
        times.append(since + p.limits.slot_wait_ms)
        break
    return min((at for at in times if at is not None), default=None)


def _wake_at(p: Partition, parked: Parked) -> int:
    """Return when it is due or too old, by the policy of now; another one is met at the wake."""
    policy = p.subscriptions.policy(parked.delivery.subscription)
    if policy is None:
        return parked.due_at
    return min(parked.due_at, expires_at(parked.delivery.accepted_at, policy.max_age_ms))


def _wake_one(p: Partition, parked: Parked, now: int) -> None:
    """Apply T3 to a record whose wake has come."""
    delivery = parked.delivery
    lane = p.lane_for(delivery)
    if lane is None:  # its epoch is dead
        p.settle_parked(parked)
        return
    if lane.is_strict and lane.held != (delivery.sequence, parked.attempt):
        p.counts.stale += 1  # cannot happen: the same tick wrote both
        p.settle_parked(parked)
    else:
        _wake_valid(p, lane, parked, now)
    if lane.is_idle:
        p.idle[lane.key] = lane


def _wake_valid(p: Partition, lane: Lane, parked: Parked, now: int) -> None:
    seat = p.seats[lane.subscription]
    expiry = expires_at(parked.delivery.accepted_at, seat.policy.max_age_ms)
    wake_at = min(parked.due_at, expiry)
    rest_ms = wake_at - now
    if rest_ms >= p.tiers.delays_ms[0]:
        p.counts.hops += 1
        park_again(p, parked, due_at=parked.due_at, wake_at=wake_at, now=now)
    elif rest_ms > 0:
        p.tiers.rest(parked, wake_at)
    elif now >= expiry:
        expire_parked(p, lane, parked)
    elif not seat.accepts(now):
        repark(p, seat, lane, parked=parked, now=now)
    else:
        lane.step(Step.WOKEN)
        lane.wait(parked)
        p.waiting[parked.tier, parked.offset] = (now, lane, parked)
        p.roster.offer(seat, lane)


def _repark_waiting(p: Partition, now: int) -> None:
    """Send back what found no slot for too long, so that the reader of its tier can go on (T4)."""
    while p.waiting:
        since, lane, parked = next(iter(p.waiting.values()))
        if since + p.limits.slot_wait_ms > now:
            return
        p.leave_wait(parked)
        assert lane.due is not None, "it waits there"
        lane.due.remove(parked)
        repark(p, p.seats[lane.subscription], lane, parked=parked, now=now)
        if lane.is_idle:
            p.idle[lane.key] = lane
