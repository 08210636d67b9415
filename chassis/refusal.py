"""Faults that only a person can mend: the process ends with code 4 instead of trying again."""

from collections.abc import Sequence


class StartRefused(Exception):
    """A service must not run like this; the text is one line that says what to do.

    Raised while starting (wrong topics, missing codec) or by a component that finds out later, as
    after waiting for the broker. `lifecycle.run` logs the line and ends with exit code 4.
    """


class SettingsError(StartRefused):
    """The environment does not give valid settings; one line per problem, no rejected value."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = list(problems)
