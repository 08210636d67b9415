"""Read the log again for lanes that lag (S1, S2).

A lane joins a pass lazily, when its first record comes by: until then nothing of it lay between
its cursor and the reader, so joining there is the same as joining at the cursor. A lane that cannot
take its record leaves the pass with its cursor on that record. When a pass may begin, and for whom,
is told on top of `sweep`.
"""

from collections.abc import Sequence

from deliverer.policy.items import Delivery
from deliverer.policy.lagging import (
    UNKNOWN_AGE,
    accepts,
    has_done_room,
    has_room,
    lag,
    look_again,
    revive,
)
from deliverer.policy.lanes import Lane
from deliverer.policy.partition import Partition


def target(p: Partition, now: int) -> int | None:
    """Return the offset the sweep reads next; None = no lane can be fed now, or it rests."""
    sweep = p.sweep
    if not sweep.joined:
        sweep.end(now, p.limits)
    is_rested = sweep.is_rested(now)
    if p.buffered_bytes >= p.limits.buffer_bytes:
        return None
    if sweep.joined:
        return sweep.position
    ready = [lane for lane in list(sweep.candidates) if _is_ready(p, lane, now)]
    if not is_rested and len(ready) + len(sweep.resting) == len(sweep.lagging):
        is_rested = True
        ready += [lane for lane in list(sweep.resting) if _is_ready(p, lane, now)]
    if not is_rested:
        ready = _urgent(p, ready)
    if not ready:
        return None
    start = min(lane.cur for lane in ready if lane.cur is not None)
    at_start = [lane for lane in ready if lane.cur == start]
    sweep.begin(start, at_start, is_short=not is_rested)
    return start


def read(p: Partition, records: Sequence[Delivery], *, start: int, end: int, now: int) -> None:
    """Feed lagging lanes; a batch that does not begin where the pass stands is ignored."""
    sweep, head = p.sweep, p.window.position
    if not sweep.joined or start != sweep.position:
        return
    for delivery in records:
        offset = delivery.sequence
        if offset < sweep.position:
            continue
        if offset >= head:
            break
        sweep.position = offset + 1
        sweep.vain += 1
        lane = p.lanes.get(delivery.lane)
        if lane is not None and lane.cur is not None and lane.cur <= offset:
            _meet(p, lane, delivery, now)
    sweep.position = max(sweep.position, min(end, head))
    if sweep.position >= head:
        _catch_up(p)


def _is_ready(p: Partition, lane: Lane, now: int) -> bool:
    """Ask whether a lane is worth a pass; one that is not comes back by an event (S1)."""
    if lane.cur is not None and lane.cur >= p.window.position:
        revive(p, lane)
    is_ready = (
        lane.cur is not None
        and lane.held is None
        and len(lane.queue) * 2 <= p.limits.lane_queue
        and has_done_room(p, lane)
        and _may_take(p, lane, lane.cur_at, now)
    )
    if not is_ready:
        p.sweep.candidates.pop(lane, None)
        p.sweep.resting.pop(lane, None)
    return is_ready


def _urgent(p: Partition, ready: list[Lane]) -> list[Lane]:
    """Return those that need not wait for the end of a rest; the others do."""
    sweep = p.sweep
    for lane in ready:
        if not _is_urgent(p, lane):
            sweep.candidates.pop(lane)
            sweep.resting[lane] = None
    return [lane for lane in ready if lane in sweep.candidates]


def _is_urgent(p: Partition, lane: Lane) -> bool:
    assert lane.cur is not None, "it lags"
    return lane.is_hungry or p.window.position - lane.cur <= p.limits.sweep_near


def _may_take(p: Partition, lane: Lane, accepted_at: int, now: int) -> bool:
    """Ask whether a delivery may start, or is too old to wait any longer."""
    seat = p.seats[lane.subscription]
    if accepts(seat, lane, now) or now - accepted_at > seat.policy.max_age_ms:
        return True
    look_again(p, seat, now)
    return False


def _meet(p: Partition, lane: Lane, delivery: Delivery, now: int) -> None:
    """Let a lane have its next record, or leave it behind there."""
    sweep = p.sweep
    assert lane.cur is not None, "it lags"
    if lane.left_pass == sweep.number or lane.cur < sweep.start:
        return
    if sweep.is_short and lane not in sweep.joined and not _is_urgent(p, lane):
        sweep.leave(lane)
        return
    offset = delivery.sequence
    if p.window.settled(offset) or (lane.done is not None and lane.done.settled(offset)):  # H3
        p.note_done(lane, offset)
        lane.cur, lane.cur_at = offset + 1, UNKNOWN_AGE
        return
    if offset in lane.inflight:  # one below it was given back (A6), and then the queue to the log
        lane.cur, lane.cur_at = offset + 1, UNKNOWN_AGE
        return
    may_take = lane.held is None and _may_take(p, lane, delivery.accepted_at, now)
    if not may_take or not has_room(p, lane):
        lag(p, lane, offset, accepted_at=delivery.accepted_at)
        lane.is_hungry = may_take and len(lane.queue) >= p.limits.lane_queue
        return
    sweep.joined[lane] = None
    sweep.vain -= 1
    lane.behind = max(0, lane.behind - 1)
    lane.queue.append(delivery)
    p.buffered_bytes += delivery.size
    lane.cur, lane.cur_at = offset + 1, UNKNOWN_AGE
    if not lane.is_ready and lane.can_start:
        p.roster.offer(p.seats[lane.subscription], lane)


def _catch_up(p: Partition) -> None:
    """Make every lane live that the pass went with up to the head (S2)."""
    sweep = p.sweep
    for lane in list(sweep.lagging):
        assert lane.cur is not None, "it lags"
        if lane.left_pass != sweep.number and lane.cur >= sweep.start:
            revive(p, lane)
    sweep.joined.clear()
