"""All that the tests use beyond packages, got beforehand."""

import subprocess
import sys

CODE = """
import os
from tools import prepare

def step(name, code):
    print(name, os.nice(0))
    return code

prepare.main([lambda: step("first", 1), lambda: step("second", 1), lambda: step("third", 0)])
"""


def test_a_step_that_fails_stops_none_of_the_others() -> None:
    """And all but the first stand back: it runs beside the stages of `make test`."""
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)

    said = [line.split() for line in done.stdout.splitlines()]
    assert [name for name, _ in said] == ["first", "second", "third"]
    niceness = [int(number) for _, number in said]
    assert niceness[0] < 10
    assert niceness[1:] == [10, 10]
