"""What the command line shows: rows as table or JSON on stdout, progress on stderr."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, TextIO

Form = Literal["table", "json"]
GREEN, RED, DIM, BOLD = "32", "31", "2", "1"


def report(line: str) -> None:
    """Print a line of progress."""
    print(line, file=sys.stderr, flush=True)


def render(rows: Sequence[Mapping[str, object]], columns: Sequence[str], form: Form) -> str:
    """Lay rows out under column titles, or as one JSON array that keeps every field."""
    if form == "json":
        return json.dumps([dict(row) for row in rows], indent=2, ensure_ascii=False)
    cells = [[str(row.get(column, "")) for column in columns] for row in rows]
    lines = [[column.upper() for column in columns], *cells]
    widths = [max(len(line[at]) for line in lines) for at in range(len(columns))]
    return "\n".join(_row(line, widths) for line in lines)


def _row(cells: Iterable[str], widths: Iterable[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def has_color(stream: TextIO, variables: Mapping[str, str]) -> bool:
    """Tell whether to colour: a terminal, and no NO_COLOR (set to anything but nothing)."""
    return stream.isatty() and not variables.get("NO_COLOR") and variables.get("TERM") != "dumb"


class Paint:
    """Colour words when the output is a terminal that wants it."""

    def __init__(self, *, is_on: bool) -> None:
        self._is_on = is_on

    def __call__(self, text: str, color: str) -> str:
        """Wrap text in a colour, or leave it."""
        return f"\x1b[{color}m{text}\x1b[0m" if self._is_on else text
