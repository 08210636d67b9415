"""What a benchmark says about its repeats."""

import pytest

from bench.figures import Bare, Figure, Goal, Spread, percentile


def test_a_spread_names_least_middle_and_largest() -> None:
    """An even number of repeats has a middle between two of them."""
    assert Spread.of([4.0, 1.0, 2.0, 3.0]) == Spread(1.0, 2.5, 4.0)


def test_no_repeats_are_no_figure() -> None:
    """A benchmark that measured nothing must not look like one that did."""
    with pytest.raises(ValueError, match="nothing"):
        Spread.of([])
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 0.5)


@pytest.mark.parametrize(
    ("middle", "goal", "verdict"),
    [
        (10.0, Goal(10.0), "ok"),
        (9.9, Goal(10.0), "miss"),
        (15.0, Goal(15.0, "at most"), "ok"),
        (15.1, Goal(15.0, "at most"), "miss"),
        (1.0, None, ""),
    ],
)
def test_the_middle_is_judged(middle: float, goal: Goal | None, verdict: str) -> None:
    """Neither the luckiest repeat nor the unluckiest one decides."""
    figure = Figure("a", "b", Spread(0.0, middle, 1e9), goal=goal)

    assert figure.verdict == verdict


def test_a_ratio_goal_is_judged_beside_the_bare_loop() -> None:
    """Three halves of a slow bare loop are enough, however slow the machine was."""
    bare = Bare("loop", Spread.of([10.0]))

    good = Figure("a", "b", Spread.of([15.0]), bare, Goal(1.5, is_ratio=True))
    bad = Figure("a", "b", Spread.of([14.0]), bare, Goal(1.5, is_ratio=True))

    assert good.ratio == pytest.approx(1.5)
    assert (good.verdict, bad.verdict) == ("ok", "miss")


def test_a_ratio_goal_without_a_bare_loop_is_missed() -> None:
    """What was not compared does not hold."""
    figure = Figure("a", "b", Spread.of([15.0]), goal=Goal(1.5, is_ratio=True))

    assert figure.ratio is None
    assert figure.verdict == "miss"


def test_percentiles_are_measured_values() -> None:
    """Nearest rank: nothing between two values is invented."""
    values = [float(number) for number in range(100, 0, -1)]

    assert percentile(values, 0.5) == 50.0
    assert percentile(values, 0.99) == 99.0
    assert percentile([7.0], 0.99) == 7.0
