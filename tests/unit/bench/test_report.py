"""How figures are shown and written down."""

import json

import pytest

from bench.figures import Bare, Figure, Goal, Spread
from bench.report import document, replaced, short, table

RATIO = Figure(
    "room",
    "events/CPU-s",
    Spread(10_000.0, 15_000.0, 20_000.0),
    Bare("bare loop", Spread.of([10_000.0])),
    Goal(1.5, is_ratio=True),
)
BOUND = Figure("delay", "ms", Spread(1.0, 70.0, 90.0), goal=Goal(60.0, "at most"), note="quiet")


def test_the_table_sets_each_figure_beside_its_goal() -> None:
    """A reader sees value, bare loop, ratio, goal and verdict on one line."""
    lines = table([RATIO, BOUND]).splitlines()

    assert lines[0].split() == ["figure", "unit", "min", "median", "max", "bare", "ratio", "goal"]
    assert lines[2].split() == (
        [
            "room",
            "events/CPU-s",
            "10,000",
            "15,000",
            "20,000",
            "10,000",
            "1.50x",
            ">=",
            "1.50x",
            "ok",
        ]
    )
    assert lines[3].split() == ["delay", "ms", "1.00", "70.0", "90.0", "<=", "60.0", "miss"]
    assert lines[-1] == "delay: quiet"


def test_the_document_holds_every_number() -> None:
    """It is JSON, says what the ratio was taken against, and what a goal is about."""
    written = json.loads(json.dumps(document([RATIO, BOUND], {"cpus": 2})))

    assert written["surroundings"] == {"cpus": 2}
    ratio, bound = written["figures"]
    assert (ratio["min"], ratio["median"], ratio["max"]) == (10_000.0, 15_000.0, 20_000.0)
    assert ratio["bare"] == {
        "what": "bare loop", "min": 10_000.0, "median": 10_000.0, "max": 10_000.0,
    }  # fmt: skip
    assert ratio["goal"] == {"bound": 1.5, "direction": "at least", "of": "ratio"}
    assert (ratio["ratio"], ratio["verdict"]) == (1.5, "ok")
    assert (bound["bare"], bound["ratio"], bound["verdict"]) == (None, None, "miss")


@pytest.mark.parametrize(
    ("value", "text"),
    [(52_340.7, "52,341"), (123.4, "123"), (12.34, "12.3"), (0.163, "0.16"), (0.0, "0.00")],
)
def test_numbers_are_short(value: float, text: str) -> None:
    """Digits that repeats do not share say nothing."""
    assert short(value) == text


def test_a_part_that_is_measured_again_replaces_only_itself() -> None:
    """Parts of a long benchmark are run at different times."""
    known = replaced(replaced("{}", "a", {"x": 1}), "b", {"x": 2})

    assert json.loads(replaced(known, "b", {"x": 3})) == {"a": {"x": 1}, "b": {"x": 3}}
