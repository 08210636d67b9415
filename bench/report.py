"""Show figures as a table and as a JSON document. Pure."""

import json
from collections.abc import Mapping, Sequence

from bench.figures import Figure, Goal, Spread

COLUMNS = ("figure", "unit", "min", "median", "max", "bare", "ratio", "goal", "")


def table(figures: Sequence[Figure]) -> str:
    """Lay the figures out as aligned text, notes below."""
    rows = [COLUMNS, *map(_row, figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    lines = [_line(row, widths) for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths).rstrip())
    notes = [f"{figure.name}: {figure.note}" for figure in figures if figure.note]
    return "\n".join([*lines, "", *notes]) if notes else "\n".join(lines)


def document(figures: Sequence[Figure], surroundings: Mapping[str, object]) -> dict[str, object]:
    """Describe a run for `bench/results.json`."""
    return {"surroundings": dict(surroundings), "figures": [_entry(one) for one in figures]}


def replaced(known: str, part: str, found: Mapping[str, object]) -> str:
    """Write a part of a file of several documents anew, as JSON."""
    parts = json.loads(known)
    parts[part] = dict(found)
    return json.dumps(parts, indent=1) + "\n"


def short(value: float) -> str:
    """Write a number with three or four significant digits and no exponent."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [
        cell.ljust(width) if column in {0, 1} else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()


def _row(figure: Figure) -> tuple[str, ...]:
    spread, bare, ratio = figure.spread, figure.bare, figure.ratio
    return (
        figure.name,
        figure.unit,
        short(spread.least),
        short(spread.middle),
        short(spread.largest),
        "" if bare is None else short(bare.spread.middle),
        "" if ratio is None else f"{ratio:.2f}x",
        "" if figure.goal is None else _goal(figure.goal),
        figure.verdict,
    )


def _goal(goal: Goal) -> str:
    sign = ">=" if goal.direction == "at least" else "<="
    return f"{sign} {short(goal.bound)}{'x' if goal.is_ratio else ''}"


def _entry(figure: Figure) -> dict[str, object]:
    bare, goal = figure.bare, figure.goal
    return {
        "name": figure.name,
        "unit": figure.unit,
        **_numbers(figure.spread),
        "bare": None if bare is None else {"what": bare.what, **_numbers(bare.spread)},
        "ratio": None if figure.ratio is None else round(figure.ratio, 3),
        "goal": None
        if goal is None
        else {
            "bound": goal.bound,
            "direction": goal.direction,
            "of": "ratio" if goal.is_ratio else "value",
        },
        "verdict": figure.verdict or None,
        "note": figure.note or None,
    }


def _numbers(spread: Spread) -> dict[str, float]:
    return {
        "min": round(spread.least, 4),
        "median": round(spread.middle, 4),
        "max": round(spread.largest, 4),
    }
