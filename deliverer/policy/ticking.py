"""Take the state of a partition into one transaction (C1-C3)."""

from deliverer.policy.items import LaneState, TickSnapshot, WindowState
from deliverer.policy.lanes import Step
from deliverer.policy.partition import Partition


def begin(p: Partition) -> TickSnapshot:
    """Return everything the next transaction writes; at most one is open (C1).

    The snapshot belongs to the shell, which sends the same one again when its answer is lost (C5).
    What happens after this call goes into the next one.
    """
    assert p.open_tick is None, "a tick is open"
    p.tick += 1
    w = p.window.mark
    assert w >= p.window.low, "the low mark never goes back"
    lanes = _lane_records(p)
    snapshot = TickSnapshot(
        p.tick,
        p.term,
        p.outputs,
        lanes,
        WindowState(w, p.window.runs(w), [(t.mark, t.runs(t.mark)) for t in p.tiers.windows]),
        not (p.outputs or lanes or p.is_dirty),
    )
    p.outputs = []
    p.is_dirty = False
    p.open_tick = snapshot
    return snapshot


def committed(p: Partition, now: int) -> None:
    """Note that the open tick landed: prune, release what waited for it (C3)."""
    snapshot = p.open_tick
    assert snapshot is not None, "no tick is open"
    p.open_tick = None
    p.is_confirmed = True
    p.window.advance(snapshot.window.w)
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
    return bool(p.outputs or p.touched or p.tombs or p.is_dirty)


def _lane_records(p: Partition) -> list[tuple[str, LaneState | None]]:
    """Return the records that change: a lane has one as long as it is held (C2).

    Without the sweep every other lane holds the low mark itself, so `low` says nothing new and is
    not refreshed.
    """
    records: list[tuple[str, LaneState | None]] = [(key, None) for key in p.tombs]
    for key, lane in p.touched.items():
        if lane.held is None:
            if lane.record is not None:
                records.append((key, None))
                lane.record = None
            if lane.is_idle:
                p.idle[key] = lane
        elif lane.record is None or lane.record.held != lane.held:
            lane.record = LaneState(lane.low(p.window.position), [], lane.held, lane.since)
            records.append((key, lane.record))
    p.tombs = []
    p.touched.clear()
    return records


def _forget_idle(p: Partition, now: int) -> None:
    for key, lane in p.idle.items():
        if lane.is_idle and p.lanes.get(key) is lane:
            del p.lanes[key]
            seat = p.seats[lane.subscription]
            del seat.lanes[key]
            p.forget_seat(seat, now)
    p.idle.clear()
