"""Levels that change for a while."""

import pytest

from chassis.log_levels import CHANGES_MAX, LogLevels, TooManyChanges

DEBUG, INFO, WARNING, ERROR = 10, 20, 30, 40


def test_the_settings_decide_until_somebody_changes_it() -> None:
    """For every part alike."""
    levels = LogLevels("warning")

    assert (levels.lowest("attempts"), levels.lowest(None)) == (WARNING, WARNING)


def test_a_part_can_have_a_level_of_its_own() -> None:
    """The others stay."""
    levels = LogLevels()
    levels.change("debug", component="attempts", until_s=60)

    assert (levels.lowest("attempts"), levels.lowest("worker")) == (DEBUG, INFO)
    levels.change("error", component=None, until_s=60)
    assert (levels.lowest("attempts"), levels.lowest("worker")) == (DEBUG, ERROR)


def test_a_change_ends_when_its_time_is_over() -> None:
    """And only then."""
    levels = LogLevels()
    levels.change("debug", component="attempts", until_s=60)
    levels.change("debug", component=None, until_s=30)

    assert not levels.expire(29)
    assert levels.expire(30)
    assert (levels.lowest("attempts"), levels.lowest("worker")) == (DEBUG, INFO)
    assert levels.expire(60)
    assert levels.lowest("attempts") == INFO


def test_all_changes_can_be_ended_at_once() -> None:
    """Twice is once."""
    levels = LogLevels()
    levels.change("debug", component=None, until_s=60)

    assert levels.restore()
    assert not levels.restore()
    assert levels.lowest("x") == INFO


def test_changes_are_bounded() -> None:
    """One of a part that has one is no further one."""
    levels = LogLevels()
    for number in range(CHANGES_MAX):
        levels.change("debug", component=f"p{number}", until_s=60)

    with pytest.raises(TooManyChanges, match="at most 32"):
        levels.change("debug", component="one-more", until_s=60)
    levels.change("info", component="p1", until_s=60)


def test_it_tells_itself_in_words() -> None:
    """For `/log-level`."""
    levels = LogLevels()
    levels.change("debug", component="attempts", until_s=90)

    assert levels.describe(30) == {
        "level": "info",
        "settled": "info",
        "changes": [{"component": "attempts", "level": "debug", "left_s": 60}],
    }


def test_the_floor_is_the_lowest_of_all_parts() -> None:
    """Whoever is below it need not ask for whom."""
    levels = LogLevels("warning")
    assert levels.floor == WARNING

    levels.change("debug", component="attempts", until_s=60)
    levels.change("error", component=None, until_s=30)
    assert levels.floor == DEBUG
    levels.expire(60)
    assert levels.floor == WARNING
    levels.settle("info")
    assert levels.floor == INFO
