"""All that the tests use beyond packages, got beforehand."""

import subprocess
import sys


def test_a_step_that_fails_stops_none_of_the_others() -> None:
    """And all of it stands back: it runs beside the first stages of `make test`."""
    code = """
import os
from tools import prepare
print(prepare.main([lambda: print("fails") or 1, lambda: print("works") or 0]), os.nice(0))
"""

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["fails", "works", "0", "19"]
