"""Bound how often one and the same thing is said: pure, told the time."""

from collections import OrderedDict
from typing import Final

KEYS_MAX: Final = 256
"""Things remembered at once; beyond, the one that was heard of longest ago begins anew."""


class Repeats:
    """Let the first few of a kind pass in each stretch of time, and count the others."""

    __slots__ = ("_limit", "_seen", "_window_s")

    def __init__(self, *, limit: int, window_s: float) -> None:
        self._limit = limit
        self._window_s = window_s
        self._seen: OrderedDict[str, list[float]] = OrderedDict()

    def admit(self, key: str, now_s: float) -> int | None:
        """Return how many were kept back before this one; None = keep this one back, too."""
        found = self._seen.get(key)
        if found is None or now_s - found[0] >= self._window_s:
            kept_back = 0 if found is None else max(int(found[1]) - self._limit, 0)
            self._seen[key] = [now_s, 1]
            self._seen.move_to_end(key)
            if len(self._seen) > KEYS_MAX:
                self._seen.popitem(last=False)
            return kept_back
        found[1] += 1
        return 0 if found[1] <= self._limit else None
