"""Build a Go program that no package index has, of pinned modules, once, below `.venv/tools`.

The sources of a program are a folder with its `go.mod` and `go.sum`: these name every module with
its hash, and `-mod=readonly` lets nothing else in.
"""

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hooklane import file_lock, surroundings

TOOLS = Path(__file__).parents[1] / ".venv" / "tools"


class BuildFailed(Exception):
    """There is no such program here; the text is one line that says why."""


@dataclass(frozen=True, slots=True)
class GoProgram:
    """What to build and how: the folder of go.mod, the package in it, what Go's tools are told.

    Nothing is optimised unless asked for: that halves the CPU of a build and matters to no test.
    """

    name: str
    version: str
    source: Path
    package: str = "."
    linker: str = "-s -w"
    compiler: str = "all=-N -l"
    timeout_s: float = 600

    @property
    def place(self) -> Path:
        """Where the program is once it is built."""
        return TOOLS / f"{self.name}-{self.version}" / self.name


def build(program: GoProgram, place: Path) -> Path:
    """Build a program to a place, whole or not at all; raises BuildFailed.

    Who asks for one that is being built waits for it.
    """
    go = shutil.which("go")
    if go is None:
        raise BuildFailed(f"no {program.name} and no Go")
    with file_lock.held(place.parent / "lock"):
        if not place.exists():
            _build(go, program, place)
    return place


def _build(go: str, program: GoProgram, place: Path) -> None:
    with tempfile.TemporaryDirectory(dir=place.parent) as folder:
        built = Path(folder) / program.name
        command = [go, "build", "-mod=readonly", "-gcflags", program.compiler]
        try:
            ended = subprocess.run(
                [*command, "-ldflags", program.linker, "-o", str(built), program.package],
                cwd=program.source,
                env={**surroundings.environ(), "CGO_ENABLED": "0"},
                check=False,
                capture_output=True,
                text=True,
                timeout=program.timeout_s,
            )
        except subprocess.TimeoutExpired as error:
            raise BuildFailed(f"{program.name} took over {error.timeout:g} s to build") from error
        if ended.returncode:
            reason = (ended.stderr.strip().splitlines() or ["go failed"])[-1]
            raise BuildFailed(f"{program.name} could not be built ({reason})")
        built.rename(place)
