"""Refusals carry text for people."""

from chassis.refusal import SettingsError, StartRefused


def test_settings_problems_stay_separate_lines() -> None:
    """The command prints one line for each problem."""
    error = SettingsError(["A: is required", "B: no service knows this variable"])

    assert error.problems == ["A: is required", "B: no service knows this variable"]
    assert str(error) == "A: is required; B: no service knows this variable"
    assert isinstance(error, StartRefused)
