"""The state of the sweep: which lanes lag, and where the log is read again for them.

A lane that lags has a cursor (`Lane.cur`): the next offset to read for it. One reader of its own
goes over the log and feeds the lanes it meets, pass by pass (S1). What is kept here is only where
the pass stands; the rules are in `sweeping` and `lagging`.

Passes gather lanes. Thousands of lanes come back one after another (jitter, breakers, ramps), and a
pass that begins with the first of them reads the whole log for it. So a pass is followed by a rest,
the longer the more it read in vain, and the next one serves all that came back meanwhile: the share
of the time that goes into reading in vain is bounded. Three kinds of lanes gain nothing by a rest
and begin a *short* pass, for such lanes only: one near the head, whose pass is one read; one that
left its last pass with a full queue, since the log is dense with its records and its receiver is
quick; and any, when no other lane lags that could come along.
"""

from heapq import heappop, heappush, heapreplace

from deliverer.policy.items import Limits
from deliverer.policy.lanes import Lane


class Sweep:
    """Where the current pass began and stands, and the lanes that matter to it.

    `lagging` are all lanes with a cursor, `candidates` those that may be ready (an upper bound),
    `resting` those found ready that wait for the end of the rest, `joined` those the pass feeds;
    the pass ends when there are none. `vain` counts what it read for nobody.
    """

    __slots__ = (
        "candidates",
        "is_short",
        "is_under_way",
        "joined",
        "lagging",
        "number",
        "position",
        "rest_until",
        "resting",
        "start",
        "vain",
    )

    def __init__(self) -> None:
        self.number = 0
        self.start = 0
        self.position = 0
        self.is_under_way = False
        self.is_short = False
        self.vain = 0
        self.rest_until = 0
        self.lagging: dict[Lane, None] = {}
        self.candidates: dict[Lane, None] = {}
        self.resting: dict[Lane, None] = {}
        self.joined: dict[Lane, None] = {}

    def begin(self, start: int, lanes: list[Lane], *, is_short: bool = False) -> None:
        """Begin a pass at the lowest cursor of its lanes."""
        self.number += 1
        self.start = self.position = start
        self.joined = dict.fromkeys(lanes)
        self.is_under_way, self.is_short, self.vain = True, is_short, 0

    def end(self, now: int, limits: Limits) -> None:
        """Begin the rest after a pass, once; a short one is followed by none."""
        if self.is_under_way and not self.is_short:
            rest_ms = min(limits.sweep_rest_ms, self.vain * 1000 // limits.sweep_vain_per_s)
            self.rest_until = now + rest_ms
        self.is_under_way = False

    def is_rested(self, now: int) -> bool:
        """Ask whether the rest is over; then those that waited are candidates again."""
        if now < self.rest_until:
            return False
        if self.resting:
            self.candidates.update(self.resting)
            self.resting.clear()
        return True

    @property
    def next_at(self) -> int | None:
        """When the rest is over that somebody waits for."""
        return self.rest_until if self.resting else None

    def leave(self, lane: Lane) -> None:
        """Leave a lane behind: a later pass serves it."""
        lane.left_pass = self.number
        self.joined.pop(lane, None)

    def forget(self, lane: Lane) -> None:
        """Take a lane that is live or gone off every list."""
        self.lagging.pop(lane, None)
        self.candidates.pop(lane, None)
        self.resting.pop(lane, None)
        self.joined.pop(lane, None)


class Lows:
    """Find the lowest unfinished offset of the lanes without looking at all of them (C1).

    A heap of (low when it was pushed, lane). An entry is a lower bound of its lane's low, corrected
    when it comes to the top; of several entries of a lane the lowest counts.
    """

    __slots__ = ("_count", "_heap")

    def __init__(self) -> None:
        self._count = 0
        self._heap: list[tuple[int, int, Lane]] = []

    def push(self, low: int, lane: Lane) -> None:
        """Watch a lane with something unfinished, from `low` on or from where it is watched.

        A lane that reads on while it still catches up is met at the head first, then below.
        """
        if lane.watched_low is None or low < lane.watched_low:
            lane.watched_low = low
            self._count += 1
            heappush(self._heap, (low, self._count, lane))

    def first(self) -> tuple[int, Lane] | None:
        """Return the entry at the top."""
        heap = self._heap
        while heap and heap[0][0] != heap[0][2].watched_low:
            heappop(heap)  # the lane was pushed lower since, or is watched no longer
        return (heap[0][0], heap[0][2]) if heap else None

    def correct(self, low: int) -> None:
        """Put the top entry back with the low its lane has now."""
        _, count, lane = self._heap[0]
        lane.watched_low = low
        heapreplace(self._heap, (low, count, lane))

    def pop(self) -> Lane:
        """Stop watching the lane at the top."""
        _, _, lane = heappop(self._heap)
        lane.watched_low = None
        return lane
