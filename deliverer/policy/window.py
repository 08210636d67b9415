"""Keep which offsets of a log are settled: a low mark and the finished runs at or above it.

One class serves a partition, a lane and a delay topic. An offset can hold no record (a transaction
marker, an aborted record); such a gap belongs to the run of the record before it (PROTOCOL K2), so
a log whose records are all settled is one run, whatever lies between them.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

Run = tuple[int, int]


class Window:
    """Hold the settled offsets of a log at or above `low` as half-open runs.

    `count` is how many offsets the runs cover, `position` is the next offset to read. Runs and gaps
    are bounded by position - low, which the owner bounds.
    """

    __slots__ = ("_ends", "_gaps", "_last_gap", "_starts", "count", "low", "position")

    def __init__(self, low: int, runs: Iterable[Run] = ()) -> None:
        self.low = low
        self.position = low
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._gaps: dict[int, int] = {}
        self._last_gap = -1
        self.count = 0
        for start, end in runs:
            self.settle_run(start, end)

    @property
    def mark(self) -> int:
        """The lowest offset that is not settled; `position` when there is none."""
        if self._starts and self._starts[0] <= self.low:
            return self._ends[0]
        return self.low

    def read(self, offset: int) -> None:
        """Note that the next record was read at an offset; what was jumped over is a gap."""
        if offset > self.position:
            self._swallow(self.position, offset)
        self.position = offset + 1

    def read_to(self, end: int) -> None:
        """Note that nothing more lies below an end: markers follow the last record."""
        if end > self.position:
            self._swallow(self.position, end)
            self.position = end

    def add(self, offset: int) -> None:
        """Settle an offset, and the gap behind it; one below `low` is settled already."""
        if offset < self.low:
            return
        end = offset + 1
        if self._gaps:
            end = self._gaps.pop(end, end)
        ends = self._ends
        if ends and ends[-1] == offset:
            ends[-1] = end
            self.count += end - offset
            return
        self._insert(offset, end)

    def settle_run(self, start: int, end: int) -> None:
        """Settle a run that a former owner committed."""
        if end > self.low:
            self._insert(max(start, self.low), end)

    def settled(self, offset: int) -> bool:
        """Ask whether an offset at or above `low` is settled; below it nothing is known."""
        ends = self._ends
        if not ends or offset >= ends[-1]:
            return False
        index = bisect_right(self._starts, offset) - 1
        return index >= 0 and offset < ends[index]

    def advance(self, to: int) -> None:
        """Raise `low`; runs and gaps below it are forgotten."""
        if to <= self.low:
            return
        self.low = to
        self.position = max(self.position, to)
        first = bisect_right(self._ends, to)
        self.count -= sum(self._ends[:first]) - sum(self._starts[:first])
        del self._starts[:first], self._ends[:first]
        if self._starts and self._starts[0] < to:
            self.count -= to - self._starts[0]
            self._starts[0] = to
        if self._gaps:
            self._forget_gaps(to)

    def runs(self, above: int | None = None) -> list[Run]:
        """Return the runs at or above an offset (default `low`), cut there."""
        floor = self.low if above is None else above
        first = bisect_right(self._ends, floor)
        found = list(zip(self._starts[first:], self._ends[first:], strict=True))
        if found and found[0][0] < floor:
            found[0] = (floor, found[0][1])
        return found

    def _swallow(self, start: int, end: int) -> None:
        if start == self.low or self.settled(start - 1):
            self._insert(start, end)
            return
        if self._gaps.get(self._last_gap) != start:  # else this gap goes on
            self._last_gap = start
        self._gaps[self._last_gap] = end

    def _forget_gaps(self, to: int) -> None:
        for start in [start for start in self._gaps if start <= to]:
            end = self._gaps.pop(start)
            if end > to:
                self._insert(to, end)

    def _insert(self, start: int, end: int) -> None:
        starts, ends = self._starts, self._ends
        first = bisect_left(ends, start)
        last = bisect_right(starts, end)
        if first == last:  # it touches no other
            starts.insert(first, start)
            ends.insert(first, end)
            self.count += end - start
            return
        start = min(start, starts[first])
        end = max(end, ends[last - 1])
        self.count += end - start - sum(ends[first:last]) + sum(starts[first:last])
        starts[first:last] = [start]
        ends[first:last] = [end]
