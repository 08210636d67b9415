"""Test how much fits below a limit of open files."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverer.descriptors import RESERVED, files_for, fit
from deliverer.sender.pool import IDLE_MAX


def test_a_generous_limit_changes_nothing() -> None:
    """Twice the attempts, the reserve and all idle connections fit."""
    fitted = fit(20_000, wanted=1000)

    assert (fitted.max_in_flight, fitted.idle_max) == (1000, IDLE_MAX)


@pytest.mark.parametrize(
    ("limit", "max_in_flight"), [(2512, 1000), (2511, 999), (1024, 256), (128, 32), (8, 2), (0, 2)]
)
def test_a_small_limit_lowers_the_concurrency(limit: int, max_in_flight: int) -> None:
    """The deliverer still runs, with less at once (F28)."""
    assert fit(limit, wanted=1000).max_in_flight == max_in_flight


@given(st.integers(64, 100_000), st.integers(1, 100_000))
def test_attempts_and_idle_connections_always_fit(limit: int, wanted: int) -> None:
    """Whatever is asked for, the reserve is left."""
    fitted = fit(limit, wanted=wanted)

    assert 1 <= fitted.max_in_flight <= wanted
    assert fitted.max_in_flight + fitted.idle_max <= limit - min(RESERVED, limit // 2)


def test_so_many_files_suffice_for_what_is_wanted() -> None:
    """With them nothing is done less."""
    assert fit(files_for(1_000), wanted=1_000).max_in_flight == 1_000
    assert files_for(1_000) >= 2 * 1_000 + RESERVED + IDLE_MAX


_START = """
import resource
from chassis.settings import load
from deliverer.service import _descriptors
from deliverer.settings import DelivererSettings
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
key = "k1:" + "A" * 43 + "="
environ = {"HOOKLANE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1", "HOOKLANE_VAULT__KEYS": key}
_descriptors(load(DelivererSettings, environ))
"""


def test_a_deliverer_with_few_descriptors_says_so_once() -> None:
    """One line with the limit and what becomes of the concurrency."""
    said = subprocess.run(
        [sys.executable, "-c", _START], capture_output=True, check=True, text=True
    )

    (line,) = said.stdout.splitlines()
    assert "descriptors.short" in line
    assert "256" in line
    assert "64" in line
