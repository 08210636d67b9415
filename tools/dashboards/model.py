"""What a dashboard is made of: rows of panels, each with a sentence and queries; pure.

Only what our dashboards need of Grafana's model, and the habits of dashboard-linter built in: the
data source is a variable, every panel has a title, a description and a unit.
"""

from dataclasses import dataclass
from typing import Literal

Json = dict[str, object]
Kind = Literal["timeseries", "stat", "heatmap"]
Unit = Literal["short", "s", "percentunit", "cps", "bytes", "percent"]

DATASOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}
WIDTH = 24
STAT_HEIGHT, HEIGHT = 5, 8


@dataclass(frozen=True, slots=True)
class Target:
    """A query; `legend` may name labels as `{{label}}`."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture: what it shows in a title, what to make of it in a description.

    `thresholds` colour a stat: (value, colour) ascending, the first from -infinity.
    """

    title: str
    description: str
    unit: Unit
    targets: tuple[Target, ...]
    kind: Kind = "timeseries"
    is_stacked: bool = False
    thresholds: tuple[tuple[float | None, str], ...] = ((None, "green"),)
    decimals: int | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """Panels side by side, as many as fit."""

    title: str
    panels: tuple[Panel, ...]
    columns: int = 3


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A page: `uid` is its address, kept for ever."""

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]

    @property
    def panels(self) -> tuple[Panel, ...]:
        """All panels, in order."""
        return tuple(panel for row in self.rows for panel in row.panels)
