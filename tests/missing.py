"""What this machine lacks: one line that says how to get it; in CI there is no excuse but one."""

import shutil
from typing import NoReturn

import pytest

from hooklane import surroundings


def missing(said: str) -> NoReturn:
    """Skip the test with the line; fail it where everything has to be there."""
    if surroundings.environ().get("CI") == "true":
        pytest.fail(said, pytrace=False)
    pytest.skip(said)


def not_built(said: str) -> NoReturn:
    """Do the same for a Go program; that Go itself is not there is excused: nothing brings it."""
    if shutil.which("go") is None:
        pytest.skip(said)
    missing(said)
