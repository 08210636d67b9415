"""Take the state of a partition into one transaction (C1-C3)."""

from deliverer.policy import failing
from deliverer.policy.items import AttemptLog, LaneState, TickSnapshot, WindowState
from deliverer.policy.lanes import Lane, Step
from deliverer.policy.partition import Partition


def begin(p: Partition, now: int) -> TickSnapshot:
    """Return everything the next transaction writes; at most one is open (C1).

    The snapshot belongs to the shell, which sends the same one again when its answer is lost (C5).
    What happens after this call goes into the next one.
    """
    assert p.open_tick is None, "a tick is open"
    p.tick += 1
    w = _low_mark(p)
    assert w >= p.window.low, "the low mark never goes back"
    lanes = _lane_records(p, w, now)
    changed = failing.records(p, now)
    snapshot = TickSnapshot(
        p.tick,
        p.term,
        p.outputs,
        lanes,
        WindowState(w, p.window.runs(w), [(t.mark, t.runs(t.mark)) for t in p.tiers.windows]),
        changed,
    )
    p.outputs = []
    p.open_bytes, p.output_bytes = p.output_bytes, 0
    p.is_dirty = False
    p.open_tick = snapshot
    return snapshot


def committed(p: Partition, now: int) -> None:
    """Note that the open tick landed: prune, release what waited for it (C3)."""
    snapshot = p.open_tick
    assert snapshot is not None, "no tick is open"
    p.open_tick = None
    p.buffered_bytes -= p.open_bytes
    p.open_bytes = 0
    p.is_confirmed = True
    p.window.advance(snapshot.window.w)
    # What was settled above a hole that the mark has passed now was nothing to write before.
    p.is_dirty = p.is_dirty or p.window.mark > p.window.low
    for window, (w, _) in zip(p.tiers.windows, snapshot.window.tiers, strict=True):
        window.advance(w)
    for lane in [lane for lane, tick in p.settling.items() if tick <= snapshot.tick]:
        del p.settling[lane]
        lane.step(Step.COMMITTED)
        if lane.can_start:
            p.roster.offer(p.seats[lane.subscription], lane)
        elif lane.is_idle:
            p.idle[lane.key] = lane
    _forget_idle(p, now)


def has_output(p: Partition) -> bool:
    """Ask whether a tick would write something new."""
    return bool(p.outputs or p.touched or p.tombs or p.failing or p.cured or p.is_dirty)


def unwritten(p: Partition) -> list[AttemptLog]:
    """Return the attempts that ended since the last tick known to have landed."""
    open_outputs = [] if p.open_tick is None else p.open_tick.outputs
    return [o for o in (*open_outputs, *p.outputs) if isinstance(o, AttemptLog)]


def _low_mark(p: Partition) -> int:
    """Return how far the low mark may go (C1): to the lowest live lane that has no record.

    Lanes that are held or lag get a record instead (they are touched here), and when the window is
    half full all do: no lane can stop the reader of the log.
    """
    low_mark, head = p.window.low, p.window.position
    for lane in p.touched.values():
        low = lane.low(head)
        if low < head:
            p.lows.push(low, lane)
    is_full = (head - low_mark) * 2 >= p.limits.window_offsets
    while (first := p.lows.first()) is not None:
        low, lane = first
        is_known = p.lanes.get(lane.key) is lane
        now_low = lane.low(head) if is_known else head
        if now_low > low:
            p.lows.correct(now_low)
        elif not is_full and lane.cur is None and lane.held is None and low_mark <= low < head:
            return low
        else:
            p.lows.pop()
            if is_known and (low < head or lane.cur is not None):
                p.touched[lane.key] = lane
    return head


def _lane_records(p: Partition, w: int, now: int) -> list[tuple[str, LaneState | None]]:
    """Return the records that change: held or below the mark has one, the others have none (C2).

    An unchanged lane is not written again: its recorded low may be lower than its low, but nothing
    of it lies between.
    """
    records: list[tuple[str, LaneState | None]] = [(key, None) for key in p.tombs]
    head = p.window.position
    for key, lane in p.touched.items():
        low = _low_to_record(lane, head)
        if lane.held is not None or low < w:
            if _has_changed(lane, low):
                lane.since = lane.since or now
                done = [] if lane.done is None else lane.done.runs(low)
                lane.record = LaneState(low, done, lane.held, lane.since)
                records.append((key, lane.record))
            continue
        lane.since = 0
        if lane.record is not None:
            records.append((key, None))
            lane.record = None
        if lane.cur is not None or low < head:
            p.lows.push(low, lane)
        elif lane.is_idle:
            p.idle[key] = lane
    p.tombs = []
    p.touched.clear()
    return records


def _low_to_record(lane: Lane, head: int) -> int:
    """Return the lane's low, not below what is recorded: a new owner may not have read as far yet.

    Else the next one would read a head that was settled, or is held, as new.
    """
    low, record = lane.low(head), lane.record
    return record.low if record is not None and low == head < record.low else low


def _has_changed(lane: Lane, low: int) -> bool:
    record = lane.record
    is_same = record is not None and record.held == lane.held and record.low <= low
    has_moved, lane.moved = lane.moved, False
    return has_moved or not is_same


def _forget_idle(p: Partition, now: int) -> None:
    for key, lane in p.idle.items():
        if lane.is_idle and p.lanes.get(key) is lane:
            del p.lanes[key]
            seat = p.seats[lane.subscription]
            del seat.lanes[key]
            p.forget_seat(seat, now)
    p.idle.clear()
