"""Read what a person names: a file, standard input as `-`; bounded, with one clear line."""

import sys
from pathlib import Path
from typing import Final

from hooklane.exits import INVALID, CommandFailed

BYTES_MAX: Final = 256 * 1024 * 1024
STDIN: Final = "-"


def read_input(name: str, *, bytes_max: int = BYTES_MAX) -> bytes:
    """Return the bytes of a file or of standard input; CommandFailed when they cannot be had."""
    try:
        if name == STDIN:
            raw = sys.stdin.buffer.read(bytes_max + 1)
        else:
            with Path(name).open("rb") as file:
                raw = file.read(bytes_max + 1)
    except OSError as error:
        raise CommandFailed(INVALID, f"cannot read {name}: {error.strerror}") from error
    if len(raw) > bytes_max:
        raise CommandFailed(INVALID, f"{name} is above {bytes_max} bytes")
    return raw
