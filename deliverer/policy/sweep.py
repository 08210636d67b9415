"""The state of the sweep: which lanes lag, and where the log is read again for them.

A lane that lags has a cursor (`Lane.cur`): the next offset to read for it. One reader of its own
goes over the log and feeds the lanes it meets, pass by pass (S1). What is kept here is only where
the pass stands; the rules are in `sweeping` and `lagging`.
"""

from heapq import heappop, heappush, heapreplace

from deliverer.policy.lanes import Lane


class Sweep:
    """Where the current pass began and stands, and the lanes that matter to it.

    `lagging` are all lanes with a cursor, `candidates` those that may be ready (an upper bound),
    `joined` those the pass feeds; the pass ends when there are none.
    """

    __slots__ = ("candidates", "joined", "lagging", "number", "position", "start")

    def __init__(self) -> None:
        self.number = 0
        self.start = 0
        self.position = 0
        self.lagging: dict[Lane, None] = {}
        self.candidates: dict[Lane, None] = {}
        self.joined: dict[Lane, None] = {}

    def begin(self, start: int, lanes: list[Lane]) -> None:
        """Begin a pass at the lowest cursor of its lanes."""
        self.number += 1
        self.start = self.position = start
        self.joined = dict.fromkeys(lanes)

    def leave(self, lane: Lane) -> None:
        """Leave a lane behind: a later pass serves it."""
        lane.left_pass = self.number
        self.joined.pop(lane, None)

    def forget(self, lane: Lane) -> None:
        """Take a lane that is live or gone off every list."""
        self.lagging.pop(lane, None)
        self.candidates.pop(lane, None)
        self.joined.pop(lane, None)


class Lows:
    """Find the lowest unfinished offset of the lanes without looking at all of them (C1).

    A heap of (low when it was pushed, lane). The low of a lane only grows while it is here, so an
    entry is a lower bound that is corrected when it comes to the top.
    """

    __slots__ = ("_count", "_heap")

    def __init__(self) -> None:
        self._count = 0
        self._heap: list[tuple[int, int, Lane]] = []

    def push(self, low: int, lane: Lane) -> None:
        """Watch a lane with something unfinished."""
        if not lane.is_watched:
            lane.is_watched = True
            self._count += 1
            heappush(self._heap, (low, self._count, lane))

    def first(self) -> tuple[int, Lane] | None:
        """Return the entry at the top."""
        return (self._heap[0][0], self._heap[0][2]) if self._heap else None

    def correct(self, low: int) -> None:
        """Put the top entry back with the low its lane has now."""
        _, count, lane = self._heap[0]
        heapreplace(self._heap, (low, count, lane))

    def pop(self) -> Lane:
        """Stop watching the lane at the top."""
        _, _, lane = heappop(self._heap)
        lane.is_watched = False
        return lane
