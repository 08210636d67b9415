"""Say which records retention is about to remove although they still wait (PROTOCOL L3).

The log is the buffer of every lane that waits, so a lane that waits for longer than the topic keeps
its records would lose them. Kafka removes by append time; half a day before, somebody must know.
"""

from collections.abc import Sequence

import msgspec

from deliverer.policy.view import MachineView

NOTICE_MS = 12 * 3600 * 1000


class Endangered(msgspec.Struct, frozen=True):
    """What waits in one log below an offset: how many marks, the lowest, and whose it is."""

    marks: int
    lowest: int
    lane: str | None = None


def horizon(retention_ms: int, now: int) -> int | None:
    """Return the append time before which a record is endangered; None = kept for ever.

    Half a day before its end, or half of a retention that is shorter than a day.
    """
    if retention_ms < 0:
        return None
    return max(0, now - retention_ms + min(NOTICE_MS, retention_ms // 2))


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
