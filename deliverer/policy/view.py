"""What an operator sees of a partition: gauges and the numbers of a log line."""

from deliverer.policy.inspection import Row, lanes_of, seats_of
from deliverer.policy.partition import Partition


class MachineView:
    """Look at a partition without changing it; every answer costs a walk over its lanes."""

    __slots__ = ("_state",)

    def __init__(self, state: Partition) -> None:
        self._state = state

    def lanes_by_state(self) -> dict[str, int]:
        """Count the lanes that are live, held and lagging; a held one may lag as well."""
        lanes = self._state.lanes.values()
        held = sum(1 for lane in lanes if lane.held is not None)
        lagging = sum(1 for lane in self._state.sweep.lagging if lane.held is None)
        return {"live": len(lanes) - held - lagging, "held": held, "lagging": lagging}

    def breakers_by_state(self) -> dict[str, int]:
        """Count the breakers that are open, and those with a probe out."""
        found = {"open": 0, "half_open": 0}
        for seat in self._state.seats.values():
            if seat.health is not None and seat.health.is_open:
                found["half_open" if seat.health.is_half_open else "open"] += 1
        return found

    def oldest_queued_at(self) -> int | None:
        """When the oldest delivery that waits in a lane was accepted, as far as known."""
        times = [
            lane.queue[0].accepted_at if lane.queue else lane.cur_at
            for lane in self._state.lanes.values()
            if lane.queue or (lane.cur is not None and lane.cur_at)
        ]
        return min(times, default=None)

    def due_by_tier(self, now: int) -> list[tuple[int, int | None]]:
        """Count the due records in memory of each delay topic, with the oldest due time."""
        tiers = self._state.tiers
        found: list[list[int]] = [[] for _ in tiers.delays_ms]
        for parked in tiers.held():
            if parked.due_at <= now:
                found[parked.tier].append(parked.due_at)
        for _, _, parked in self._state.waiting.values():
            found[parked.tier].append(parked.due_at)
        return [(len(times), min(times, default=None)) for times in found]

    @property
    def low_mark(self) -> int:
        """Return the committed low mark of `deliveries`."""
        return self._state.window.low

    def tier_marks(self) -> list[int]:
        """Return the lowest unsettled offset of each delay topic."""
        return [window.mark for window in self._state.tiers.windows]

    def lanes_below(self, offset: int) -> list[tuple[int, str]]:
        """List the lanes with something unfinished below an offset, as (low, key)."""
        head = self._state.window.position
        lows = ((lane.low(head), key) for key, lane in self._state.lanes.items())
        return [(low, key) for low, key in lows if low < min(offset, head)]

    def lanes(self, subscription: str | None, items_max: int) -> list[Row]:
        """List a subscription's lanes, else those that are not simply live."""
        return lanes_of(self._state, subscription, items_max)

    def seats(self, subscription: str | None, items_max: int) -> list[Row]:
        """List a subscription's state, else those whose breaker is open."""
        return seats_of(self._state, subscription, items_max)

    def describe(self) -> dict[str, int]:
        """Return the numbers a log line about this partition needs."""
        p = self._state
        return {
            "term": p.term,
            "tick": p.tick,
            "low": p.window.low,
            "position": p.window.position,
            "lanes": len(p.lanes),
            "lagging": len(p.sweep.lagging),
            "in_flight": p.in_flight,
            "buffered_bytes": p.buffered_bytes,
            "due_waiting": len(p.waiting),
        }
