"""The real Prometheus and promtool, or one line that says how to get them; in CI no excuse."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.missing import missing
from tools.prometheus import PrometheusMissing, Tools, ensure


@dataclass(frozen=True)
class Promtool:
    """The program that judges rules, tests and metrics."""

    program: Path

    def run(self, *arguments: str, given: str = "") -> tuple[int, str]:
        """Run one command; returns its exit code and all it said."""
        ended = subprocess.run(
            [str(self.program), *arguments],
            check=False,
            capture_output=True,
            text=True,
            input=given,
            timeout=100,
        )
        return ended.returncode, ended.stdout + ended.stderr


def tools_or_skip() -> Tools:
    """Return the programs; skips the test without them, fails it in CI."""
    try:
        return ensure()
    except PrometheusMissing as error:
        missing(str(error))
