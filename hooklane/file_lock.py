"""Let one process at a time make what several want: the others wait, and find it made."""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def held(lock: Path) -> Iterator[None]:
    """Hold a file as a lock; waits for whoever holds it, and ends with its process.

    The file stays, as others may wait at it. Raises OSError where there can be none.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
