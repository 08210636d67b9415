"""Draw a dashboard from the answers of a Prometheus as one SVG page; pure.

For the documents only: where no Grafana is at hand, these are the panels' real data, simply drawn.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from tools.dashboards.model import Dashboard, Panel, Row, Unit

Points = Sequence[tuple[float, float]]
"""(seconds, value); NaN is a gap."""

WIDTH, MARGIN, GAP = 1200, 16, 12
STAT_HEIGHT, PANEL_HEIGHT, ROW_HEIGHT, HEAD_HEIGHT = 84, 200, 30, 54
LEGEND_LINES_MAX, LEGEND_LINE = 4, 13
COLOURS = ("#3274d9", "#e0752d", "#37872d", "#c4162a", "#8f3bb8", "#b8860b", "#008b8b", "#777777")
GRID, PAPER, BOX = "#e1e4e8", "#f6f8fa", "#ffffff"
STYLE = (
    "<style>text{font-family:system-ui,sans-serif;font-size:11px;fill:#24292e}"
    ".t{font-weight:600;font-size:12px}.p{fill:#6a737d}.v{font-size:26px;font-weight:600}"
    ".h{font-size:17px;font-weight:600}</style>"
)


@dataclass(frozen=True, slots=True)
class Line:
    """One series of a panel."""

    name: str
    points: Points


@dataclass(frozen=True, slots=True)
class Span:
    """The time that is shown, in seconds."""

    start: float
    end: float


Data = Mapping[str, Sequence[Line]]
"""The lines of each panel, by its title."""


def page(dashboard: Dashboard, data: Data, *, span: Span, caption: str) -> str:
    """Return the whole dashboard as SVG."""
    parts: list[str] = []
    y = HEAD_HEIGHT
    for row in dashboard.rows:
        parts.append(_text(MARGIN, y + 19, row.title, "t"))
        y += ROW_HEIGHT
        drawn, height = _row(row, data, span, y)
        parts += drawn
        y += height
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + MARGIN}" '
        f'role="img" aria-label="{escape(dashboard.title)}">',
        STYLE,
        f'<rect width="{WIDTH}" height="{y + MARGIN}" fill="{PAPER}"/>',
        _text(MARGIN, 26, dashboard.title, "h"),
        _text(MARGIN, 44, caption, "p"),
    ]
    return "\n".join([*head, *parts, "</svg>"]) + "\n"


def _row(row: Row, data: Data, span: Span, top: int) -> tuple[list[str], int]:
    width = (WIDTH - 2 * MARGIN - (row.columns - 1) * GAP) // row.columns
    is_stats = all(panel.kind == "stat" for panel in row.panels)
    height = STAT_HEIGHT if is_stats else PANEL_HEIGHT
    drawn = []
    for place, panel in enumerate(row.panels):
        line, column = divmod(place, row.columns)
        x, y = MARGIN + column * (width + GAP), top + line * (height + GAP)
        inside = _panel(panel, data.get(panel.title, ()), span, size=(width, height))
        drawn.append(f'<g transform="translate({x} {y})">{inside}</g>')
    lines = -(-len(row.panels) // row.columns)
    return drawn, lines * (height + GAP)


def _panel(panel: Panel, lines: Sequence[Line], span: Span, *, size: tuple[int, int]) -> str:
    width, height = size
    box = f'<rect width="{width}" height="{height}" rx="4" fill="{BOX}" stroke="{GRID}"/>'
    title = _text(10, 18, panel.title, "t")
    if panel.kind == "stat":
        return box + title + _stat(panel, lines)
    shown = [line for line in lines if any(math.isfinite(v) for _, v in line.points)]
    if panel.kind == "heatmap":
        shown = cells(shown)
        frame = Frame(54, 28, width - 12, height - 22, float(len(shown) or 1), span)
        return box + title + _heatmap(shown, frame)
    shown = [line for line in shown if _highest(line) > 0] or shown
    shown.sort(key=_highest, reverse=True)
    lines_of_legend = min(LEGEND_LINES_MAX, -(-len(shown) // 2))
    stacked = stack(shown) if panel.is_stacked else [line.points for line in shown]
    top = nice_ceiling(
        max((v for points in stacked for _, v in points if math.isfinite(v)), default=0.0)
    )
    lower = height - 24 - lines_of_legend * LEGEND_LINE
    frame = Frame(54, 28, width - 12, lower, top, span)
    return box + title + _chart(panel, stacked, frame) + _legend(panel, shown, frame, height)


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a chart lies in its panel, and what its edges mean."""

    left: int
    upper: int
    right: int
    lower: int
    top: float
    span: Span

    def x(self, at: float) -> float:
        """Return where a time lies."""
        share = (at - self.span.start) / (self.span.end - self.span.start)
        return round(self.left + (self.right - self.left) * share, 1)

    def y(self, value: float) -> float:
        """Return where a value lies; beyond the frame at its edge."""
        share = min(max(value / self.top, 0.0), 1.0)
        return round(self.lower - (self.lower - self.upper) * share, 1)


def _stat(panel: Panel, lines: Sequence[Line]) -> str:
    values = [
        next((v for _, v in reversed(one.points) if math.isfinite(v)), math.nan) for one in lines
    ]
    if len(lines) == 1:
        return _text(10, 58, format_value(values[0], panel.unit), "v")
    return "".join(
        _text(10, 36 + 14 * place, f"{line.name}: {format_value(value, panel.unit)}")
        for place, (line, value) in enumerate(zip(lines[:4], values, strict=False))
    )


def _chart(panel: Panel, drawn: Sequence[Points], frame: Frame) -> str:
    parts = [_axes(panel.unit, frame)]
    for number, points in reversed(list(enumerate(drawn))):
        colour = COLOURS[number % len(COLOURS)]
        runs = _runs(points)
        if panel.is_stacked:
            parts += [_area(run, frame, colour) for run in runs]
        for run in runs:
            way = " ".join(f"{frame.x(at)},{frame.y(value)}" for at, value in run)
            parts.append(
                f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="1.4"/>'
            )
    return "".join(parts)


def _area(run: Points, frame: Frame, colour: str) -> str:
    """Fill down to the ground: what lies below is drawn later, over it."""
    way = [f"{frame.x(at)},{frame.y(value)}" for at, value in run]
    ground = [f"{frame.x(run[-1][0])},{frame.lower}", f"{frame.x(run[0][0])},{frame.lower}"]
    return f'<polygon points="{" ".join(way + ground)}" fill="{_pale(colour)}"/>'


def _pale(colour: str) -> str:
    """Mix a colour with white, so that nothing shines through."""
    parts = (int(colour[n : n + 2], 16) for n in (1, 3, 5))
    return "#" + "".join(f"{round(part * 0.35 + 255 * 0.65):02x}" for part in parts)


def _runs(points: Points) -> list[list[tuple[float, float]]]:
    """Cut a line at its gaps."""
    runs: list[list[tuple[float, float]]] = [[]]
    for at, value in points:
        if math.isfinite(value):
            runs[-1].append((at, value))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def stack(lines: Sequence[Line]) -> list[Points]:
    """Return the lines on top of one another; a gap counts as nothing."""
    below: dict[float, float] = {}
    found: list[Points] = []
    for line in lines:
        for at, value in line.points:
            below[at] = below.get(at, 0.0) + (value if math.isfinite(value) else 0.0)
        found.append([(at, below[at]) for at, _ in line.points])
    return found


def cells(lines: Sequence[Line]) -> list[Line]:
    """Turn cumulative buckets into what each holds alone, the lowest first."""
    ordered = sorted(lines, key=lambda line: float(line.name))
    below: dict[float, float] = {}
    found = []
    for line in ordered:
        alone = [(at, max(0.0, value - below.get(at, 0.0))) for at, value in line.points]
        below = dict(line.points)
        found.append(Line(line.name, alone))
    return found


def _heatmap(lines: Sequence[Line], frame: Frame) -> str:
    most = max((value for line in lines for _, value in line.points), default=0.0) or 1.0
    high = (frame.lower - frame.upper) / (len(lines) or 1)
    parts = [_axes("", frame)]
    for number, line in enumerate(lines):
        y = frame.lower - (number + 1) * high
        parts.append(_text(8, y + high / 2 + 4, line.name.removesuffix(".0"), "p"))
        times = [at for at, _ in line.points]
        wide = (frame.right - frame.left) / max(1, len(times))
        for at, value in line.points:
            if value > 0:
                shade = round(0.15 + 0.85 * math.sqrt(value / most), 2)
                parts.append(
                    f'<rect x="{frame.x(at) - wide:.1f}" y="{y:.1f}" width="{wide:.1f}" '
                    f'height="{high:.1f}" fill="{COLOURS[1]}" fill-opacity="{shade}"/>'
                )
    return "".join(parts)


def _axes(unit: Unit | str, frame: Frame) -> str:
    parts = []
    for share in (0.0, 0.5, 1.0):
        y = frame.y(share * frame.top)
        parts.append(
            f'<line x1="{frame.left}" x2="{frame.right}" y1="{y}" y2="{y}" stroke="{GRID}"/>'
        )
        if unit:
            parts.append(_text(8, y + 4, format_value(share * frame.top, unit), "p"))
    seconds = frame.span.end - frame.span.start
    for share in (0.0, 0.5):
        x = frame.left + (frame.right - frame.left) * share
        parts.append(_text(x, frame.lower + 13, f"{seconds * share:.0f} s", "p"))
    return "".join(parts)


def _legend(panel: Panel, lines: Sequence[Line], frame: Frame, height: int) -> str:
    parts = []
    for number, line in enumerate(lines[: 2 * LEGEND_LINES_MAX]):
        row, column = divmod(number, 2)
        x = 10 + column * (frame.right // 2)
        y = height - 8 - (min(LEGEND_LINES_MAX, -(-len(lines) // 2)) - 1 - row) * LEGEND_LINE
        colour = COLOURS[number % len(COLOURS)]
        parts.append(f'<rect x="{x}" y="{y - 8}" width="8" height="8" fill="{colour}"/>')
        text = f"{line.name}  max {format_value(_highest(line), panel.unit)}"
        parts.append(_text(x + 12, y, text, "p"))
    return "".join(parts)


def _highest(line: Line) -> float:
    return max((value for _, value in line.points if math.isfinite(value)), default=0.0)


def nice_ceiling(value: float) -> float:
    """Return the next of 1, 2, 2.5 and 5 times a power of ten."""
    if value <= 0 or not math.isfinite(value):
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if value <= step * power * 1.000001)


def format_value(value: float, unit: Unit | str) -> str:
    """Write a value as Grafana would, shortly."""
    if not math.isfinite(value):
        return "no data"
    if unit == "percentunit":
        return f"{value * 100:.4g} %"
    if unit == "s":
        return f"{value * 1000:.3g} ms" if 0 < abs(value) < 1 else f"{value:.3g} s"
    if unit == "bytes":
        return f"{value / 1_048_576:.4g} MiB"
    return f"{value:.4g}{'/s' if unit == 'cps' else ''}"


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    style = f' class="{kind}"' if kind else ""
    return f'<text x="{x:g}" y="{y:g}"{style}>{escape(text)}</text>'
