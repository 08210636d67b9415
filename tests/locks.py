"""Whether a lock file is held just now, asked inside a test's process or by a script of it."""

import fcntl
import sys
from pathlib import Path


def is_held(lock: Path) -> bool:
    """Try to take it, and give it back at once."""
    with lock.open(encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def telling(lock: Path) -> str:
    """Return the shell command that prints "held" or "free"."""
    return f"'{sys.executable}' '{__file__}' '{lock}'"


if __name__ == "__main__":
    print("held" if is_held(Path(sys.argv[1])) else "free")  # noqa: T201
