"""What a benchmark measured, and whether that meets its goal. Pure.

A figure is a list of repeats, reduced to the least, the middle and the largest one; a verdict is
spoken over the middle one. A ratio compares it with the bare loop that ran between the same
repeats, so that what the machine did meanwhile strikes both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

Direction = Literal["at least", "at most"]


@dataclass(frozen=True, slots=True)
class Spread:
    """Least, middle and largest of several repeats."""

    least: float
    middle: float
    largest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Reduce repeats; ValueError without any."""
        if not values:
            raise ValueError("nothing was measured")
        return cls(min(values), median(values), max(values))


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound for the middle of a figure, or for its ratio to the bare loop."""

    bound: float
    direction: Direction = "at least"
    is_ratio: bool = False

    def is_met_by(self, value: float) -> bool:
        """Tell whether a value is on the right side of the bound."""
        return value >= self.bound if self.direction == "at least" else value <= self.bound


@dataclass(frozen=True, slots=True)
class Bare:
    """The loop that a figure is set beside, measured in the same unit."""

    what: str
    spread: Spread


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table."""

    name: str
    unit: str
    spread: Spread
    bare: Bare | None = None
    goal: Goal | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Return ours divided by the bare loop's, None without one."""
        if self.bare is None or not self.bare.spread.middle:
            return None
        return self.spread.middle / self.bare.spread.middle

    @property
    def verdict(self) -> Literal["ok", "miss", ""]:
        """Judge the figure against its goal; empty without one."""
        if self.goal is None:
            return ""
        value = self.ratio if self.goal.is_ratio else self.spread.middle
        if value is None:
            return "miss"
        return "ok" if self.goal.is_met_by(value) else "miss"


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` (0 to 1) of all do not exceed."""
    if not values:
        raise ValueError("nothing was measured")
    ordered = sorted(values)
    rank = -(-len(ordered) * share // 1)
    return ordered[max(0, min(len(ordered), int(rank)) - 1)]
