"""All that the tests use beyond packages, got beforehand."""

import subprocess
import sys

CODE = """
import os
from tools import prepare

def step(name, code):
    print(name, os.nice(0))
    return code

os.nice({added})
prepare.main([lambda: step("first", 1), lambda: step("second", 1), lambda: step("third", 0)])
"""


def _said(added: int) -> list[tuple[str, int]]:
    """Return each step with its niceness, in a process that had some more from the start."""
    code = CODE.format(added=added)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = [line.split() for line in done.stdout.splitlines()]
    return [(name, int(niceness)) for name, niceness in lines]


def test_a_step_that_fails_stops_none_of_the_others() -> None:
    """And all but the first stand back: it runs beside the stages of `make test`."""
    (first, before), *others = _said(added=0)

    assert first == "first"
    assert before < 10
    assert others == [("second", 10), ("third", 10)]


def test_who_stands_further_back_stays_there() -> None:
    """Only root may come forward: with `nice -n 15 make test` the second step was never taken."""
    (_, before), *others = _said(added=15)

    assert before > 10
    assert others == [("second", before), ("third", before)]
