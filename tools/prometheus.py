"""Get the Prometheus that alerts and dashboards are tested with: `python -m tools.prometheus`.

No registry of packages for Python has its programs, but Debian has: the package is downloaded and
unpacked below `.venv`, not installed, so that nobody needs to be root and nothing of the machine
changes. apt checks the signatures. On other machines a Prometheus on the PATH serves.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "prometheus"
CACHE = Path(__file__).parents[1] / ".venv" / "tools" / "prometheus"
TIMEOUT_S = 180
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
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise PrometheusMissing(f"no Prometheus, and no apt to get it with: {HINT}")
    with tempfile.TemporaryDirectory() as folder:
        unpack(fetch(Path(folder)), cache)
    return Tools(cache / "prometheus", cache / "promtool")


def fetch(folder: Path) -> Path:
    """Download the package into a folder; raises PrometheusMissing.

    With the machine's own lists first; where they are empty or old, with lists of our own.
    """
    own = folder / "apt"
    (own / "lists" / "partial").mkdir(parents=True)
    ours = ["-o", f"Dir::State::Lists={own}/lists", "-o", f"Dir::Cache={own}"]
    steps = [
        ["apt-get", "download", "-q", PACKAGE],
        ["apt-get", *ours, "-qq", "update"],
        ["apt-get", *ours, "download", "-q", PACKAGE],
    ]
    said = ""
    for step in steps:
        said = _run(step, folder) or said
        packages = list(folder.glob("*.deb"))
        if packages:
            return packages[0]
    raise PrometheusMissing(f"Prometheus could not be downloaded ({said or 'apt failed'}): {HINT}")


def _run(command: list[str], folder: Path) -> str:
    """Run a step of apt; returns its last complaint."""
    try:
        ended = subprocess.run(
            command, check=False, capture_output=True, text=True, cwd=folder, timeout=TIMEOUT_S
        )
    except subprocess.TimeoutExpired as error:
        raise PrometheusMissing(f"apt took over {error.timeout:g} s: {HINT}") from error
    complaints = [line for line in ended.stderr.splitlines() if line.startswith("E:")]
    return complaints[-1] if ended.returncode and complaints else ""


def unpack(package: Path, cache: Path) -> None:
    """Take the programs out of the package; the folder appears whole or not at all."""
    cache.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache.parent) as folder:
        whole = Path(folder) / "whole"
        ended = subprocess.run(
            ["dpkg-deb", "-x", str(package), str(whole)], check=False, capture_output=True
        )
        programs = [whole / "usr" / "bin" / name for name in ("prometheus", "promtool")]
        if ended.returncode or not all(one.exists() for one in programs):
            raise PrometheusMissing(f"{package.name} has no prometheus and promtool: {HINT}")
        fresh = Path(folder) / "fresh"
        fresh.mkdir(mode=0o755)
        for program in programs:
            shutil.move(program, fresh / program.name)
        try:
            fresh.rename(cache)
        except OSError:  # another run was quicker
            shutil.rmtree(fresh)


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
