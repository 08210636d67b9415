"""What the command line takes from its surroundings: variables, cache folder, this machine."""

import os
import socket
import uuid
from collections.abc import Mapping
from pathlib import Path


def environ() -> Mapping[str, str]:
    """Return the process environment; the one place of this package that reads it."""
    return os.environ  # noqa: TID251 - the home that the rule speaks of


def cache_dir(variables: Mapping[str, str]) -> Path:
    """Return the folder for downloads that outlive a run: XDG's, else ~/.cache."""
    given = variables.get("XDG_CACHE_HOME", "")
    home = variables.get("HOME", "") or str(Path.home())
    parent = Path(given) if Path(given).is_absolute() else Path(home) / ".cache"
    return parent / "hooklane"


def process_space(proc: Path = Path("/proc")) -> str:
    """Name where the number of a process means what it means here, and nowhere else.

    On Linux that is one boot and one namespace: containers, and machines made from one image, may
    share the name of the host and the address of the network card. Elsewhere these two have to do.
    """
    host = socket.gethostname()
    try:
        boot = (proc / "sys/kernel/random/boot_id").read_text().strip()
        namespace = (proc / "self/ns/pid").stat().st_ino
    except OSError:
        return f"{host}-{uuid.getnode():x}"
    return f"{host}-{boot}-{namespace:x}"
