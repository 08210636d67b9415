"""Every choice of a run: drawn from a seed and written down, or read back from a schedule.

A schedule is a list of steps, each with the numbers it drew, so that a step means the same when
others are taken out: that is what makes a failing run shrink. A number that is missing is 0, and 0
is always the dullest choice.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from random import Random  # noqa: TID251  the seeded source of a reproducible run
from typing import TypeVar

T = TypeVar("T")

_LINE = re.compile(r"(?P<name>[a-z_.0-9]+)(?P<draws>(?: \d+)*)(?: x(?P<times>\d+))?")


@dataclass
class Step:
    """One thing that happens, with the numbers it draws; `notes` say what became of it."""

    name: str
    draws: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list, compare=False)

    def __str__(self) -> str:
        """Write the step without its notes."""
        return " ".join([self.name, *map(str, self.draws)])


class Choices:
    """Draw numbers for the current step."""

    def __init__(self, source: Random | None) -> None:
        self._source = source
        self._step = Step("")
        self._at = 0

    def begin(self, step: Step) -> None:
        """Draw for a step from now on; what it drew before is read back first."""
        self._step = step
        self._at = 0

    def use(self, source: Random) -> None:
        """Draw what is missing from here on."""
        self._source = source

    def below(self, count: int) -> int:
        """Return a number in [0, count)."""
        draws, at = self._step.draws, self._at
        self._at += 1
        if at < len(draws):
            return draws[at] % count
        if self._source is None:
            return 0
        drawn = int(self._source.random() * count)
        draws.append(drawn)
        return drawn

    def chance(self, share: float) -> bool:
        """Say yes with a probability."""
        draws, at = self._step.draws, self._at
        self._at += 1
        if at < len(draws):
            return bool(draws[at]) and share > 0
        if self._source is None:
            return False
        drawn = self._source.random() < share
        draws.append(int(drawn))
        return drawn

    def pick(self, options: Sequence[T]) -> T:
        """Return one of the options."""
        return options[self.below(len(options))]


def write(steps: Iterable[Step]) -> str:
    """Return a schedule as text: a line a step, equal ones counted, notes behind a #."""
    lines = []
    for _, run in groupby(steps, key=lambda step: (str(step), bool(step.notes))):
        same = list(run)
        if same[0].notes:
            lines += [f"{step!s:<32} # {'; '.join(step.notes)}" for step in same]
        else:
            lines.append(f"{same[0]}" + (f" x{len(same)}" if len(same) > 1 else ""))
    return "\n".join(lines) + "\n"


def read(text: str) -> list[Step]:
    """Read a schedule back, also out of a report; raises ValueError on a line that is no step.

    What comes before the setup is skipped, and so is the mark pytest puts before each line.
    """
    steps: list[Step] = []
    for line in text.splitlines():
        bare = line.partition("#")[0].removeprefix("E").strip()
        if not bare or (not steps and bare.split()[0] != "setup"):
            continue
        found = _LINE.fullmatch(bare)
        if found is None:
            raise ValueError(f"not a step: {line!r}")
        draws = [int(number) for number in found["draws"].split()]
        steps += [Step(found["name"], list(draws)) for _ in range(int(found["times"] or 1))]
    return steps
