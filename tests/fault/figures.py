"""Keep what fault runs measure, so that docs/reliability.md can say it; printed at the end."""

from dataclasses import dataclass, field


@dataclass
class Figures:
    """The figures of one session, by test."""

    rows: list[tuple[str, str, str]] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return one line per figure."""
        return [f"{test}: {what} = {value}" for test, what, value in self.rows]


@dataclass(frozen=True)
class Note:
    """Notes figures of one test."""

    test: str
    figures: Figures

    def __call__(self, what: str, value: object, unit: str = "") -> None:
        """Keep one figure."""
        shown = f"{value:.2f}" if isinstance(value, float) else str(value)
        self.figures.rows.append((self.test, what, f"{shown} {unit}".strip()))
