"""The number of files that a process may open."""

import subprocess
import sys

import pytest

from chassis.descriptors import raise_limit

_RAISE = """
import resource
from chassis.descriptors import raise_limit
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
print(raise_limit(2712), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "expected"), [(256, 4096, 2712), (256, 1024, 1024), (3000, 4096, 3000)]
)
def test_the_soft_limit_is_raised_as_far_as_the_hard_one_allows(
    soft: int, hard: int, expected: int
) -> None:
    """Distributions start processes with a soft limit far below the hard one."""
    code = _RAISE.format(soft=soft, hard=hard)

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)

    assert said.stdout.split() == [str(expected), str(expected), str(hard)]


def test_a_limit_that_suffices_is_only_read() -> None:
    """Asking for nothing changes nothing here."""
    assert raise_limit(0) > 0
