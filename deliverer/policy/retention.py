"""Say which records retention is about to remove although they still wait (PROTOCOL L3).

The log is the buffer of every lane that waits, so a lane that waits for longer than the topic keeps
its records would lose them. Kafka removes by append time; half a day before, somebody must know.
"""

from collections.abc import Sequence

import msgspec

from deliverer.policy.view import MachineView


class Endangered(msgspec.Struct, frozen=True):
    """What waits in one log below an offset: how many marks, the lowest, and whose it is."""

    marks: int
    lowest: int
    lane: str | None = None

    @property
    def remedy(self) -> str:
        """What a person can do beside longer retention."""
        if self.lane is None:
            return "find out why this partition is so far behind (hooklane doctor)"
        subscription = self.lane.partition("/")[0]
        return f"resume, mend or disable {subscription}, or lower its retry.max_age_s"


def endangered(view: MachineView, safe: Sequence[int | None]) -> list[Endangered | None]:
    """Compare what waits with the first offset of each log that is safe, `deliveries` first.

    None among `safe`: all of that log is.
    """
    deliveries, *tiers = safe
    found = [None if deliveries is None else _in_deliveries(view, deliveries)]
    for mark, offset in zip(view.tier_marks(), tiers, strict=True):
        found.append(None if offset is None or mark >= offset else Endangered(1, mark))
    return found


def _in_deliveries(view: MachineView, safe: int) -> Endangered | None:
    """Look at every lane, and at the partition's mark, which those without a record hold."""
    lanes = view.lanes_below(safe)
    if lanes:
        low, key = min(lanes)
        return Endangered(len(lanes), min(low, view.low_mark), key)
    return Endangered(1, view.low_mark) if view.low_mark < safe else None
