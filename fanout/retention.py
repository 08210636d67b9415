"""Say whether retention is about to remove events that no tick has taken (PROTOCOL L3)."""

from collections.abc import Sequence

import msgspec


class Behind(msgspec.Struct, frozen=True):
    """A partition of `events` whose committed offset is endangered."""

    lowest: int
    marks: int = 1
    lane: None = None

    @property
    def remedy(self) -> str:
        """What a person can do beside longer retention."""
        return "find out why this partition is so far behind (hooklane doctor)"


def endangered(committed: int, safe: Sequence[int | None]) -> list[Behind | None]:
    """Compare a committed offset with the first safe offset of `events`; None = all of it is."""
    return [None if first is None or committed >= first else Behind(committed) for first in safe]
