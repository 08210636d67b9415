"""The lowest level that is written, now and per part of the service; may change while it runs.

A change holds for a while and ends by itself: what was made to speak for one incident would else
fill disks until somebody remembers. Bounded, and pure but for the one instance that `logs` uses.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

LEVELS: Final[Mapping[str, int]] = {"debug": 10, "info": 20, "warning": 30, "error": 40}
NAMES: Final = {number: name for name, number in LEVELS.items()}
CHANGES_MAX: Final = 32


class Change(NamedTuple):
    """A level that holds until a moment of the monotonic clock."""

    level: int
    until_s: float


class TooManyChanges(Exception):
    """No further part can have a level of its own."""


class LogLevels:
    """What `chassis.logs` asks before it writes a line."""

    def __init__(self, level: str = "info") -> None:
        self._settled = LEVELS[level]
        self._changes: dict[str | None, Change] = {}
        self._lowest = self._settled
        self._by_component: dict[str, int] = {}
        self.floor = self._settled
        """The lowest level that any part writes: below it there is nothing to ask."""

    def settle(self, level: str) -> None:
        """Set the level of the settings, and forget all changes."""
        self._settled = LEVELS[level]
        self._changes.clear()
        self._renew()

    def lowest(self, component: object) -> int:
        """Return the lowest level that a part writes; one look-up, for lines above the floor."""
        if not self._by_component:
            return self._lowest
        return self._by_component.get(component, self._lowest)  # type: ignore[call-overload,no-any-return]  # a part is a text, as all that logs.get() makes

    def change(self, level: str, *, component: str | None, until_s: float) -> None:
        """Let a part (None: all without a level of their own) write from a level on, for a time."""
        if component not in self._changes and len(self._changes) >= CHANGES_MAX:
            raise TooManyChanges(f"at most {CHANGES_MAX} parts may have a level of their own")
        self._changes[component] = Change(LEVELS[level], until_s)
        self._renew()

    def restore(self) -> bool:
        """End all changes; tells whether there were any."""
        return self._keep({})

    def expire(self, now_s: float) -> bool:
        """End the changes whose time is over; tells whether there were any."""
        return self._keep({c: one for c, one in self._changes.items() if one.until_s > now_s})

    def describe(self, now_s: float) -> dict[str, object]:
        """Return the levels in words, and for how many seconds each change holds."""
        changes = [
            {
                "component": component,
                "level": NAMES[one.level],
                "left_s": max(0, round(one.until_s - now_s)),
            }
            for component, one in self._changes.items()
        ]
        return {"level": NAMES[self._lowest], "settled": NAMES[self._settled], "changes": changes}

    def _keep(self, kept: dict[str | None, Change]) -> bool:
        is_changed = len(kept) != len(self._changes)
        self._changes = kept
        self._renew()
        return is_changed

    def _renew(self) -> None:
        everywhere = self._changes.get(None)
        self._lowest = self._settled if everywhere is None else everywhere.level
        self._by_component = {
            component: one.level
            for component, one in self._changes.items()
            if component is not None
        }
        self.floor = min([self._lowest, *self._by_component.values()])
