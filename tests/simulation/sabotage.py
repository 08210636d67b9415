"""Break the machine from outside, one rule at a time: what the ablations of its inner rules do."""

import msgspec

from deliverer.policy.items import (
    Delivery,
    LaneState,
    RecoveredState,
    SubscriptionPolicy,
    TickSnapshot,
    WindowState,
)
from deliverer.policy.machine import Machine
from deliverer.policy.window import Window
from tests.simulation.broker import Entry
from tests.simulation.rules import Rules
from tests.simulation.world import World


def policy(rules: Rules, found: SubscriptionPolicy) -> SubscriptionPolicy:
    """Drop nothing; let nothing become too old that is paused."""
    if not rules.does_drop:
        return msgspec.structs.replace(found, drop_before=0)
    if not rules.expires_paused and found.status == "paused":
        return msgspec.structs.replace(found, max_age_ms=10**9)
    return found


def recovered(rules: Rules, state: RecoveredState) -> None:
    """Forget parts of what a takeover reads."""
    window = state.window
    if window is not None:
        done = window.done if rules.keeps_done else []
        tiers = [(w, runs if rules.keeps_tier_done else []) for w, runs in window.tiers]
        state.window = WindowState(window.w, done, tiers)
    if not rules.keeps_failing:
        state.failing = {}
    for key, lane in list(state.lanes.items()):
        if lane.held is None and not rules.keeps_cursors:
            del state.lanes[key]
            continue
        done = lane.done if rules.keeps_lane_done else []
        held = lane.held if rules.keeps_held else None
        state.lanes[key] = LaneState(lane.low, done, held, lane.since)


def taken_over(world: World, machine: Machine) -> None:
    """Act before the first tick landed."""
    if not world.rules.does_confirm:
        machine._state.is_confirmed = True
        machine._state.is_dirty = False
    if not world.rules.releases_lost:
        machine._state.unmet.clear()


def head(rules: Rules, machine: Machine, batch: list[Delivery]) -> list[Delivery]:
    """Feed lagging lanes at the head; keep what a former owner settled from the lanes."""
    if not rules.skips_lagging:
        forget_cursors(machine)
    return _unless_settled(rules, machine, batch)


def sweep(rules: Rules, machine: Machine, batch: list[Delivery]) -> list[Delivery]:
    """Keep what a former owner settled from the lanes."""
    return _unless_settled(rules, machine, batch)


def _unless_settled(rules: Rules, machine: Machine, batch: list[Delivery]) -> list[Delivery]:
    if rules.hands_over:
        return batch
    return [item for item in batch if not machine._state.window.settled(item.sequence)]


def forget_cursors(machine: Machine) -> None:
    """Let lagging lanes forget where they must go on."""
    for lane in list(machine._state.sweep.lagging):
        lane.cur = None
        machine._state.sweep.forget(lane)


def finished(world: World, machine: Machine, subscription: str, *, has_failed: bool) -> None:
    """Forget what an attempt's end must leave behind."""
    rules, state = world.rules, machine._state
    if not rules.puts_cursor_back and has_failed:
        forget_cursors(machine)
    seat = state.seats.get(subscription)
    if seat is not None and not rules.keeps_breaker:
        seat.health = None
    if seat is not None and seat.bucket is not None and not rules.keeps_rate:
        seat.bucket.full_at = 0
    if not rules.does_wait_for_dead:
        _commit_early(machine, world.now)


def _commit_early(machine: Machine, now: int) -> None:
    """Release lanes that wait for the tick with their dead letter."""
    state = machine._state
    for lane in state.settling:
        state.settling[lane] = 0
    if state.open_tick is None and state.settling:
        saved = state.outputs
        machine.begin_tick(now)
        state.window.advance(state.window.low)
        machine.committed(now)
        state.outputs = saved


def snapshot(world: World, machine: Machine, taken: TickSnapshot) -> None:
    """Leave parts out of a tick."""
    rules, lanes = world.rules, machine._state.lanes
    if not rules.keeps_live_records:
        live = {key for key, lane in lanes.items() if lane.cur is None and lane.held is None}
        taken.lanes = [(key, None if key in live else state) for key, state in taken.lanes]
    if not rules.covers_recorded:
        covered = Window(taken.window.w, taken.window.done)
        done = Window(taken.window.w)
        for offset, entry in world.broker.read(covered.low, len(world.broker.log)):
            lane = lanes.get(entry.lane) if isinstance(entry, Entry) else None
            if covered.settled(offset) and (lane is None or lane.record is None):
                done.add(offset)
        taken.window = WindowState(taken.window.w, done.runs(), taken.window.tiers)
