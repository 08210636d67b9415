"""Rows, colours and progress."""

import io
import json

import pytest

from hooklane.output import GREEN, Paint, has_color, render, report


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say yes."""
        return True


def test_a_table_aligns_its_columns() -> None:
    """Titles are upper case, cells padded, lines without trailing blanks."""
    rows: list[dict[str, object]] = [{"name": "a", "size": 1}, {"name": "longer", "size": ""}]

    assert render(rows, ("name", "size"), "table") == "NAME    SIZE\na       1\nlonger"


def test_json_keeps_every_field() -> None:
    """A column choice is for people; scripts get all of it, and an empty list stays a list."""
    rows = [{"name": "ü", "hidden": [1]}]

    assert json.loads(render(rows, ("name",), "json")) == rows
    assert render([], ("name",), "json") == "[]"


@pytest.mark.parametrize(
    ("variables", "colored"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
)
def test_no_color_is_obeyed(variables: dict[str, str], colored: bool) -> None:
    """NO_COLOR counts when it is not empty."""
    assert has_color(Terminal(), variables) is colored


def test_a_pipe_gets_no_color() -> None:
    """Output that is not a terminal stays plain."""
    assert not has_color(io.StringIO(), {})


def test_paint_leaves_text_alone_when_off() -> None:
    """The same code serves both."""
    assert Paint(is_on=False)("x", GREEN) == "x"
    assert Paint(is_on=True)("x", GREEN) == "\x1b[32mx\x1b[0m"


def test_progress_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """Results on stdout can be piped."""
    report("working")

    assert capsys.readouterr() == ("", "working\n")
