"""Put lanes behind a cursor and take them back from there (H4, E1, S2)."""

from deliverer.policy.lanes import Lane
from deliverer.policy.partition import Partition
from deliverer.policy.roster import Seat

UNKNOWN_AGE = 0
EVICT_TO = (3, 4)


def accepts(seat: Seat, lane: Lane, now: int) -> bool:
    """Ask whether attempts of a lane may start; the test lane's also while paused."""
    return seat.accepts_tests(now) if lane.is_test else seat.accepts(now)


def has_room(p: Partition, lane: Lane) -> bool:
    """Ask whether a lane may take one more delivery (K, the bound of its done set, B1)."""
    limits = p.limits
    is_roomy = p.buffered_bytes * 2 < limits.buffer_bytes
    if len(lane.queue) >= (limits.lane_queue_max if is_roomy else limits.lane_queue):
        return False
    if p.buffered_bytes >= limits.buffer_bytes:
        return False
    return has_done_room(p, lane)


def has_done_room(p: Partition, lane: Lane) -> bool:
    """Ask whether the set of settled offsets above a lane's low may grow."""
    if lane.done is None or lane.done.count < p.limits.lane_done:
        return True
    return not (lane.queue or lane.inflight)


def lag(p: Partition, lane: Lane, cursor: int, *, accepted_at: int) -> None:
    """Give a lane a cursor: nothing at or above it was taken (H4, E1)."""
    sweep = p.sweep
    lane.cur, lane.cur_at, lane.is_hungry = cursor, accepted_at, False
    sweep.lagging[lane] = None
    sweep.candidates[lane] = None
    sweep.resting.pop(lane, None)
    p.touched[lane.key] = lane
    if cursor < sweep.position:
        sweep.leave(lane)


def look_again(p: Partition, seat: Seat, now: int) -> None:
    """Set the timer of a closed subscription: when it accepts, or its oldest head expires."""
    if seat.waits_until > now:
        p.roster.wake_at(seat, seat.waits_until)
    if seat.timer_at is not None:
        return
    heads = [
        lane.queue[0].accepted_at for lane in seat.lanes.values() if lane.queue and lane.can_start
    ]
    heads += [lane.cur_at for lane in seat.lanes.values() if lane.cur is not None]
    expiries = [at for head in heads if (at := head + seat.policy.max_age_ms + 1) > now]
    if expiries:
        p.roster.wake_at(seat, min(expiries))


def give_back(p: Partition, lane: Lane, *, keep: int = 0) -> None:
    """Put the queue of a lane back to the log (E1); attempts in flight stay."""
    queue = lane.queue
    if len(queue) <= keep:
        return
    while len(queue) > keep:
        last = queue.pop()
        p.buffered_bytes -= last.size
        lane.behind += 1
    lag(p, lane, last.sequence, accepted_at=last.accepted_at)


def revive(p: Partition, lane: Lane) -> None:
    """Make a lane live again: nothing of it lies between its cursor and the head (S2)."""
    lane.cur, lane.behind = None, 0
    p.sweep.forget(lane)
    p.touched[lane.key] = lane


def evict(p: Partition) -> None:
    """Keep the byte budget: the longest queues shrink to the one that may start next (B1).

    At most once a tick: when every queue is that short already, new deliveries lag instead.
    """
    if p.buffered_bytes < p.limits.buffer_bytes or p.evicted_tick == p.tick:
        return
    p.evicted_tick = p.tick
    share, of = EVICT_TO
    target = p.limits.buffer_bytes * share // of
    long = [lane for lane in p.lanes.values() if len(lane.queue) > 1]
    long.sort(key=lambda lane: len(lane.queue), reverse=True)
    for lane in long:
        if p.buffered_bytes <= target:
            return
        give_back(p, lane, keep=1)
