"""How long open transactions of producers have held partitions up; decides, asks nobody.

A reader of committed records sees a log up to its last stable offset. What lies between that and
the high watermark waits for the transaction at the stable end, whoever wrote it.
"""

from collections.abc import Mapping

import msgspec


class Ends(msgspec.Struct, frozen=True):
    """Where a partition ends: for readers of committed records, and for all."""

    stable: int
    high: int


class Hold(msgspec.Struct):
    """A stable end that has not moved since, though records lie beyond it."""

    stable: int
    since: float
    is_told: bool = False


class Holds:
    """The partitions that are held up, by the looks at their ends."""

    def __init__(self, tell_after_s: float) -> None:
        self._tell_after_s = tell_after_s
        self._holds: dict[int, Hold] = {}
        self.longest_s = 0.0
        """How long the one that is held up for the longest time has been, at the last look."""

    def note(self, ends: Mapping[int, Ends], now: float) -> list[tuple[int, Hold]]:
        """Take in a look at all partitions; returns those to be told of, each hold once."""
        before, self._holds = self._holds, {}
        for partition, end in ends.items():
            if end.high > end.stable:
                hold = before.get(partition)
                if hold is None or hold.stable != end.stable:
                    hold = Hold(end.stable, now)
                self._holds[partition] = hold
        self.longest_s = max((now - hold.since for hold in self._holds.values()), default=0.0)
        late = [
            (partition, hold)
            for partition, hold in self._holds.items()
            if not hold.is_told and now - hold.since >= self._tell_after_s
        ]
        for _, hold in late:
            hold.is_told = True
        return late
