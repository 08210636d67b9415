"""Get the Prometheus that alerts and dashboards are tested with: `python -m tools.prometheus`.

No registry of packages for Python has its programs, but Debian has: the package is downloaded and
unpacked below `.venv`, not installed, so that nobody needs to be root and nothing of the machine
changes. apt checks the signatures. On other machines a Prometheus on the PATH serves.
"""

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from tools import debian

PACKAGE = "prometheus"
PROGRAMS = ("prometheus", "promtool")
CACHE = Path(__file__).parents[1] / ".venv" / "tools" / "prometheus"
HINT = (
    "run `python -m tools.prometheus` on Debian or Ubuntu with its packages in reach, "
    "or put prometheus and promtool >= 2.42 on the PATH"
)


class PrometheusMissing(Exception):
    """There is no Prometheus here; the text is one line that says how to get one."""


@dataclass(frozen=True, slots=True)
class Tools:
    """Where the programs are."""

    prometheus: Path
    promtool: Path


def find(cache: Path = CACHE) -> Tools | None:
    """Return the unpacked programs, else those on the PATH; touches no network."""
    if (cache / "promtool").exists():
        return Tools(cache / "prometheus", cache / "promtool")
    server, tool = shutil.which("prometheus"), shutil.which("promtool")
    return Tools(Path(server), Path(tool)) if server and tool else None


def ensure(cache: Path = CACHE) -> Tools:
    """Return the programs, fetching them first when needed; raises PrometheusMissing."""
    found = find(cache)
    if found is not None:
        return found
    try:
        debian.programs(PACKAGE, PROGRAMS, cache)
    except debian.PackageMissing as error:
        raise PrometheusMissing(f"{error}: {HINT}") from error
    return Tools(cache / "prometheus", cache / "promtool")


def main() -> int:
    """Print where the programs are, or one line on what is missing."""
    try:
        tools = ensure()
    except PrometheusMissing as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{os.fspath(tools.prometheus)}\n{os.fspath(tools.promtool)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
