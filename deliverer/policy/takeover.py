"""Stand where the former owner's last tick ended (PROTOCOL: takeover, steps 4 to 6)."""

from collections.abc import Callable, Sequence

from deliverer.policy import orphans
from deliverer.policy.failing import restore
from deliverer.policy.items import (
    Extent,
    Fate,
    LaneState,
    Limits,
    RecoveredState,
    Subscriptions,
    WindowState,
)
from deliverer.policy.lagging import UNKNOWN_AGE, lag
from deliverer.policy.lanes import Phase
from deliverer.policy.partition import Partition
from deliverer.policy.tiers import Tiers
from deliverer.policy.window import Window


class StateRefused(Exception):
    """The committed state contradicts the logs: going on would lose or repeat deliveries."""


def take_over(
    state: RecoveredState,
    *,
    subscriptions: Subscriptions,
    limits: Limits,
    tiers: Sequence[int],
    jitter: Callable[[], float],
    fate: Fate,
) -> Partition:
    """Build the partition a takeover starts with; raises StateRefused.

    What lies below the beginning of a log is lost (retention passed it): counted for the shell's
    alarm.
    """
    found = _window_of(state, len(tiers))
    window, lost = _raised(found.w, found.done, state.deliveries, "deliveries")
    tier_windows = []
    lost_in_tiers = 0
    for index, extent in enumerate(state.tiers):
        w, done = found.tiers[index] if index < len(found.tiers) else (extent.begin, [])
        tier_window, lost_here = _raised(w, done, extent, f"delay topic {index}")
        tier_windows.append(tier_window)
        lost_in_tiers += lost_here
    p = Partition(
        window=window,
        tiers=Tiers(tiers, tier_windows, limits),
        subscriptions=subscriptions,
        limits=limits,
        jitter=jitter,
        fate=fate,
    )
    p.term = state.term + 1
    p.tick = state.tick
    p.counts.lost_offsets = lost
    p.counts.lost_tier_offsets = lost_in_tiers
    for key, record in state.lanes.items():
        _restore(p, key, record, begin=state.deliveries.begin)
    restore(p, state.failing)
    orphans.suspect(p, tuple(extent.end for extent in state.tiers))
    return p


def _window_of(state: RecoveredState, tier_count: int) -> WindowState:
    found = state.window
    if found is None:
        if state.has_group_offset:
            raise StateRefused("the group has an offset but lanes has no $window record")
        return WindowState(
            state.deliveries.begin, [], [(extent.begin, []) for extent in state.tiers]
        )
    if len(found.tiers) > tier_count or len(state.tiers) != tier_count:
        raise StateRefused("the $window record knows delay topics that are gone")
    return found


def _raised(
    w: int, done: Sequence[tuple[int, int]], extent: Extent, name: str
) -> tuple[Window, int]:
    """Return the window of a log from where both the mark and the log begin, and what was lost."""
    if w > extent.end:
        raise StateRefused(f"the mark of {name} is {w}, beyond its end {extent.end}")
    lost = max(0, extent.begin - w)
    return Window(max(w, extent.begin), done), lost


def _restore(p: Partition, key: str, record: LaneState, *, begin: int) -> None:
    """Make the lane of a committed record; a dead one's record goes with the next tick."""
    subscription = key.partition("/")[0]
    lane = p.open_lane(key, subscription)
    if lane is None:
        p.tombs.append(key)
        return
    lane.record = record
    lane.since = record.since
    p.touched[key] = lane
    lane.held = record.held
    if lane.held is not None and lane.is_strict:
        lane.phase = Phase.HELD
    if record.low >= p.window.low:
        for start, end in record.done:
            p.window.settle_run(start, end)
        return
    low = max(record.low, begin)
    p.counts.lost_lows += low > record.low
    if not lane.is_strict:
        lane.done = Window(low, record.done)
    lag(p, lane, low, accepted_at=UNKNOWN_AGE)
