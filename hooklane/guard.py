"""See that no child process outlives this one, however it ends.

The parent holds the write end of a pipe to one tiny watcher process and tells it what it
started. When the pipe closes, by a clean exit or by kill -9, the watcher kills what is still on
its list and removes the folders it was given. A pipe works on every POSIX system and from any
thread; Linux's PDEATHSIG fires when the *thread* that forked ends. This file is also the
watcher's program (standard library only, started without site packages).
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path


class Guard:
    """Parent's side: names the processes and folders that must not stay behind."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watcher: subprocess.Popen[str] | None = None

    def watch(self, pid: int) -> None:
        """Kill this process when the parent is gone."""
        self._tell(f"+pid {pid}")

    def forget(self, pid: int) -> None:
        """Stop watching a process that has ended: its number may be used again."""
        self._tell(f"-pid {pid}")

    def watch_folder(self, folder: Path) -> None:
        """Remove this folder when the parent is gone."""
        self._tell(f"+dir {folder}")

    def forget_folder(self, folder: Path) -> None:
        """Leave the folder alone."""
        self._tell(f"-dir {folder}")

    def close(self) -> None:
        """End the watcher, which ends everything it still watches."""
        with self._lock:
            if self._watcher is not None:
                self._watcher.communicate()
                self._watcher = None

    def _tell(self, line: str) -> None:
        with self._lock:
            if self._watcher is None:
                self._watcher = subprocess.Popen(
                    [sys.executable, "-I", "-S", str(Path(__file__))],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    text=True,
                    start_new_session=True,  # Ctrl-C in the terminal is for the parent only
                )
            stdin = self._watcher.stdin
            if stdin is not None:
                with contextlib.suppress(BrokenPipeError):
                    stdin.write(line + "\n")
                    stdin.flush()


def read_orders(lines: Iterable[str]) -> tuple[set[int], set[str]]:
    """Follow the parent's lines to the end; return what is left to kill and remove."""
    pids: set[int] = set()
    folders: set[str] = set()
    for line in lines:
        order, _, subject = line.rstrip("\n").partition(" ")
        match order:
            case "+pid":
                pids.add(int(subject))
            case "-pid":
                pids.discard(int(subject))
            case "+dir":
                folders.add(subject)
            case "-dir":
                folders.discard(subject)
    return pids, folders


def run_watcher() -> None:
    """Wait for the parent's end, then clear up."""
    pids, folders = read_orders(sys.stdin)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    run_watcher()
