"""A lock is held by one at a time, and only as long as the work takes."""

import subprocess
from pathlib import Path

import pytest

from hooklane.file_lock import held
from tests.locks import is_held, telling


def test_others_wait_while_the_work_is_done(tmp_path: Path) -> None:
    """In this process and in any other; the folder is made where it has to be."""
    lock = tmp_path / "cache" / "thing.lock"

    with held(lock):
        assert is_held(lock)
        said = subprocess.run(["sh", "-c", telling(lock)], capture_output=True, check=True)
        assert said.stdout == b"held\n"

    assert not is_held(lock)


def test_work_that_fails_lets_the_next_one_in(tmp_path: Path) -> None:
    """It tries again, instead of waiting for ever."""
    lock = tmp_path / "thing.lock"

    with pytest.raises(ZeroDivisionError), held(lock):
        raise ZeroDivisionError

    assert not is_held(lock)
