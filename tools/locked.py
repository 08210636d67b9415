"""Read what `constraints.txt` pins, and which of it a part of the product needs.

The lock says versions and hashes, the installed packages say who needs whom: together they are the
content of the image before it is built.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"
ENTRY = re.compile(
    r"^(?P<name>[\w.-]+)==(?P<version>[^\s;\\]+)[^\n]*(?P<hashes>(?:\n +--hash=\S+[^\n]*)*)",
    re.MULTILINE,
)
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
IMAGE: Mapping[str, str] = {
    "python_version": "3.13",
    "python_full_version": "3.13.0",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "os_name": "posix",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
}
"""What the markers of requirements see in the image; the processor is left to this machine."""


@dataclass(frozen=True, slots=True)
class Pin:
    """One line of the lock; every file of that version that may be installed has its hash."""

    name: str
    version: str
    hashes: tuple[str, ...]


def pins(text: str) -> dict[str, Pin]:
    """Return what a lock pins, by canonical name."""
    found = (
        Pin(canonicalize_name(one["name"]), one["version"], tuple(HASH.findall(one["hashes"])))
        for one in ENTRY.finditer(text)
    )
    return {pin.name: pin for pin in found}


def needs(
    name: str, extras: frozenset[str], environment: Mapping[str, str]
) -> Iterator[Requirement]:
    """List what an installed package asks for, with these extras, in that environment."""
    for line in requires(name) or []:
        one = Requirement(line)
        asked = extras or frozenset({""})
        if one.marker is None or any(
            one.marker.evaluate({**environment, "extra": extra}) for extra in asked
        ):
            yield one


def graph(
    name: str, extras: frozenset[str], environment: Mapping[str, str] = IMAGE
) -> dict[str, set[str]]:
    """Return who needs whom below a package; raises PackageNotFoundError for what is not here."""
    found: dict[str, set[str]] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [(canonicalize_name(name), extras)]
    while waiting:
        entry = waiting.pop()
        if entry in seen:
            continue
        seen.add(entry)
        below = found.setdefault(entry[0], set())
        for one in needs(*entry, environment):
            child = canonicalize_name(one.name)
            below.add(child)
            waiting.append((child, frozenset(one.extras)))
    return found
