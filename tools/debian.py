"""Take programs out of a Debian package without installing it, so that nobody needs to be root.

apt checks the signatures. With the machine's own lists first; where they are empty or old, with
lists of our own.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

from hooklane import file_lock

TIMEOUT_S = 180


class PackageMissing(Exception):
    """The programs cannot be had; the text is one line that says why."""


def programs(package: str, names: tuple[str, ...], cache: Path) -> None:
    """Put the programs of a package into a folder that appears whole or not at all.

    Who asks while they are fetched waits for them.
    """
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise PackageMissing(f"no {package}, and no apt to get it with")
    with file_lock.held(cache.with_name(f"{cache.name}.lock")):
        if not cache.exists():
            with tempfile.TemporaryDirectory() as folder:
                unpack(fetch(package, Path(folder)), names, cache)


def fetch(package: str, folder: Path) -> Path:
    """Download a package into a folder; raises PackageMissing."""
    own = folder / "apt"
    (own / "lists" / "partial").mkdir(parents=True)
    ours = ["-o", f"Dir::State::Lists={own}/lists", "-o", f"Dir::Cache={own}"]
    steps = [
        ["apt-get", "download", "-q", package],
        ["apt-get", *ours, "-qq", "update"],
        ["apt-get", *ours, "download", "-q", package],
    ]
    said = ""
    for step in steps:
        said = _run(step, folder) or said
        packages = list(folder.glob("*.deb"))
        if packages:
            return packages[0]
    raise PackageMissing(f"{package} could not be downloaded ({said or 'apt failed'})")


def _run(command: list[str], folder: Path) -> str:
    """Run a step of apt; returns its last complaint."""
    try:
        ended = subprocess.run(
            command, check=False, capture_output=True, text=True, cwd=folder, timeout=TIMEOUT_S
        )
    except subprocess.TimeoutExpired as error:
        raise PackageMissing(f"apt took over {error.timeout:g} s") from error
    complaints = [line for line in ended.stderr.splitlines() if line.startswith("E:")]
    return complaints[-1] if ended.returncode and complaints else ""


def unpack(package: Path, names: tuple[str, ...], cache: Path) -> None:
    """Take programs out of a package; raises PackageMissing when it has another shape."""
    cache.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache.parent) as folder:
        whole = Path(folder) / "whole"
        ended = subprocess.run(
            ["dpkg-deb", "-x", str(package), str(whole)], check=False, capture_output=True
        )
        found = [whole / "usr" / "bin" / name for name in names]
        if ended.returncode or not all(one.exists() for one in found):
            raise PackageMissing(f"{package.name} has no {' and '.join(names)}")
        fresh = Path(folder) / "fresh"
        fresh.mkdir(mode=0o755)
        for program in found:
            shutil.move(program, fresh / program.name)
        try:
            fresh.rename(cache)
        except OSError:  # another run was quicker
            shutil.rmtree(fresh)
