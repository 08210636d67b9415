"""Get a Kubernetes API server with its etcd: `python -m tools.apiserver`.

It is built of Kubernetes' published modules, pinned in `tools/kube_apiserver/go.sum`, with Go at
hand; etcd is taken out of its Debian package. Once: some ten minutes on two cores, and two
gigabytes of modules. Only `make chart-apiserver` needs it.
"""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from tools import debian
from tools.go_program import TOOLS, BuildFailed, GoProgram, build

VERSION = "1.36.3"
_MAJOR, _MINOR, _ = VERSION.split(".")
_STAMP = "k8s.io/component-base/version"
PROGRAM = GoProgram(
    "kube-apiserver",
    VERSION,
    Path(__file__).parent / "kube_apiserver",
    package="k8s.io/kubernetes/cmd/kube-apiserver",
    linker=(
        f"-s -w -X {_STAMP}.gitVersion=v{VERSION} "
        f"-X {_STAMP}.gitMajor={_MAJOR} -X {_STAMP}.gitMinor={_MINOR}"
    ),
    compiler="",
    timeout_s=3600,
)
ETCD = TOOLS / "etcd"
HINT = "run `python -m tools.apiserver` with Go >= 1.26 and Debian's packages in reach"


class ApiServerMissing(Exception):
    """There is no API server here; the text is one line that says how to get one."""


@dataclass(frozen=True, slots=True)
class Tools:
    """Where the programs are."""

    apiserver: Path
    etcd: Path


def find() -> Tools | None:
    """Return what was built, or what is on the PATH; builds nothing."""
    etcd = ETCD / "etcd" if (ETCD / "etcd").exists() else shutil.which("etcd")
    server = PROGRAM.place if PROGRAM.place.exists() else shutil.which("kube-apiserver")
    return Tools(Path(server), Path(etcd)) if server and etcd else None


def ensure() -> Tools:
    """Return the programs, getting them first when needed; raises ApiServerMissing."""
    try:
        if not (ETCD / "etcd").exists() and not shutil.which("etcd"):
            debian.programs("etcd-server", ("etcd",), ETCD)
        if find() is None:
            build(PROGRAM, PROGRAM.place)
    except (debian.PackageMissing, BuildFailed) as error:
        raise ApiServerMissing(f"{error}: {HINT}") from error
    found = find()
    if found is None:
        raise ApiServerMissing(HINT)
    return found


def main() -> int:
    """Print where the programs are, or one line on what is missing."""
    if find() is None:
        sys.stderr.write("Building a Kubernetes API server, once; this takes minutes ...\n")
    try:
        tools = ensure()
    except ApiServerMissing as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{tools.apiserver}\n{tools.etcd}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
