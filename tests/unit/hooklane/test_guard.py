"""What a dead parent leaves behind is ended and removed."""

import subprocess
import sys
from pathlib import Path

from hooklane.guard import Guard, read_orders

SLEEPER = [sys.executable, "-c", "import sys; sys.stdin.read()"]


def test_orders_are_followed_in_sequence() -> None:
    """What was forgotten is left alone, what was not remains."""
    lines = ["+pid 1\n", "+pid 2\n", "+dir /a b\n", "-pid 1\n", "+dir /c\n", "-dir /c\n", "?\n"]

    assert read_orders(lines) == ({2}, {"/a b"})


def test_closing_ends_watched_processes_and_folders(tmp_path: Path) -> None:
    """A process still watched is killed; one that was forgotten lives on."""
    folder = tmp_path / "data"
    folder.mkdir()
    guard = Guard()
    with (
        subprocess.Popen(SLEEPER, stdin=subprocess.PIPE) as watched,
        subprocess.Popen(SLEEPER, stdin=subprocess.PIPE) as forgotten,
    ):
        guard.watch(watched.pid)
        guard.watch(forgotten.pid)
        guard.watch_folder(folder)
        guard.forget(forgotten.pid)

        guard.close()

        assert watched.wait(10) == -9
        assert not folder.exists()
        assert forgotten.poll() is None


def test_close_without_orders_does_nothing() -> None:
    """A guard that watched nothing never started a watcher."""
    guard = Guard()

    guard.close()
    guard.close()


def test_a_forgotten_folder_stays(tmp_path: Path) -> None:
    """Data that is to be kept is kept."""
    guard = Guard()
    guard.watch_folder(tmp_path)
    guard.forget_folder(tmp_path)

    guard.close()

    assert tmp_path.exists()
