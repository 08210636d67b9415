"""Get the OpenTelemetry Collector that exports are tested against: `python -m tools.collector`.

No package index has it as a program, so it is built of its published modules, all pinned in
`tools/otelcol/go.sum`; with Go at hand this takes a minute or two, once. `make test` begins with it
in the background. Without Go an `otelcol` on the PATH serves.
"""

import shutil
import sys
from pathlib import Path

from tools.go_program import BuildFailed, GoProgram, build

PROGRAM = GoProgram("otelcol", "0.149.0", Path(__file__).parent / "otelcol")
CACHE = PROGRAM.place.parent
HINT = "run `python -m tools.collector` with Go >= 1.25, or put otelcol on the PATH"


class CollectorMissing(Exception):
    """There is no collector here; the text is one line that says how to get one."""


def find(cache: Path = CACHE) -> Path | None:
    """Return the one that was built, else the one on the PATH; builds nothing."""
    if (cache / "otelcol").exists():
        return cache / "otelcol"
    on_path = shutil.which("otelcol")
    return Path(on_path) if on_path else None


def ensure(cache: Path = CACHE) -> Path:
    """Return a collector, building it first when needed; raises CollectorMissing."""
    found = find(cache)
    if found is not None:
        return found
    try:
        return build(PROGRAM, cache / PROGRAM.name)
    except BuildFailed as error:
        raise CollectorMissing(f"{error}: {HINT}") from error


def main() -> int:
    """Print the path of the collector, or one line on what is missing."""
    try:
        path = ensure()
    except CollectorMissing as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
