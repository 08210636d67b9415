"""Judge a Compose file as `docker compose` does, without an engine: `python -m tools.compose FILE`.

The judge is compose-go, the library that docker compose reads files with, in twenty lines of Go
(`tools/compose_check`); where there is no Go, a docker with its compose plugin serves.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from tools.go_program import BuildFailed, GoProgram, build

CHECK = GoProgram("compose-check", "2.16.2", Path(__file__).parent / "compose_check")
HINT = "install Go >= 1.25 or docker with its compose plugin"


class JudgeMissing(Exception):
    """Nothing here can judge a Compose file; the text is one line that says how to get it."""


def judge() -> list[str]:
    """Return the command that judges the file named after it; raises JudgeMissing."""
    if CHECK.place.exists():
        return [str(CHECK.place)]
    try:
        return [str(build(CHECK, CHECK.place))]
    except BuildFailed as error:
        if _has_plugin():
            return ["sh", "-c", 'exec docker compose -f "$0" config -q']
        raise JudgeMissing(f"{error}: {HINT}") from error


def _has_plugin() -> bool:
    docker = shutil.which("docker")
    asked = [str(docker), "compose", "version"]
    return (
        docker is not None
        and not subprocess.run(asked, check=False, capture_output=True).returncode
    )


def complaints(file: Path) -> str:
    """Return what is wrong with a file, "" for nothing; raises JudgeMissing."""
    ended = subprocess.run(
        [*judge(), str(file)], check=False, capture_output=True, text=True, timeout=60
    )
    return (ended.stderr.strip() or "refused") if ended.returncode else ""


def prepare() -> int:
    """Get the judge, or print one line on what is missing."""
    try:
        judge()
    except JudgeMissing as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def main(arguments: list[str]) -> int:
    """Print what is wrong with a file."""
    try:
        said = complaints(Path(arguments[0]))
    except JudgeMissing as error:
        said = str(error)
    sys.stderr.write(f"{said}\n" if said else "")
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
