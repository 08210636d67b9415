"""The jars of one Apache Kafka broker: locked, fetched once, kept in the user's cache.

The lock file names every jar with its SHA-256, so a start resolves nothing, a truncated or
altered download is noticed, and no jar of another Kafka version can slip in (log4j's own slf4j
binding would do that through its parent's managed versions). `python -m hooklane.kafka_jars`
writes the lock anew after KAFKA_VERSION or SLF4J_VERSION was changed.
"""

import functools
import hashlib
import importlib
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hooklane import file_lock, surroundings

KAFKA_VERSION = "4.1.2"
SLF4J_VERSION = "1.7.36"
ROOTS = (
    f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}",
    f"org.slf4j:slf4j-simple:{SLF4J_VERSION}",
)
LOCK_FILE = Path(__file__).with_name("kafka_jars.lock")
DOWNLOADS_AT_ONCE = 8
DOWNLOAD_MB = 45
PROGRESS_JARS = 16
JGO_MISSING = (
    "the embedded Kafka needs the package jgo to fetch Apache Kafka: "
    "run `pip install 'hooklane[dev]'`, or set KAFKA_HOME to an unpacked Kafka, "
    "or HOOKLANE_KAFKA__BOOTSTRAP_SERVERS to use one that runs already"
)


class JarsMissing(Exception):
    """No jars to run; the message is one line that says what to do."""


@dataclass(frozen=True, slots=True)
class LockedJar:
    """One line of the lock file."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        """Name of the file in the jar folder."""
        return f"{self.artifact}-{self.version}.jar"


class Download(Protocol):
    """Fetch one jar into a scratch repository; return its file."""

    def __call__(self, jar: LockedJar, repository: Path) -> Path: ...  # noqa: D102


def classpath(variables: Mapping[str, str], report: Callable[[str], None]) -> str:
    """Return the broker's Java class path: KAFKA_HOME's libs, else the locked jars."""
    home = variables.get("KAFKA_HOME", "")
    if home:
        libs = Path(home) / "libs"
        if not any(libs.glob("kafka_*.jar")):
            raise JarsMissing(f"KAFKA_HOME={home} has no libs/kafka_*.jar")
        return f"{libs}/*"
    return f"{jar_folder(surroundings.cache_dir(variables), report)}/*"


def jar_folder(cache: Path, report: Callable[[str], None]) -> Path:
    """Return the folder of the locked jars, fetching them when they are not there yet.

    Complete or absent: jars are gathered in a folder of another name that is renamed at the
    end, under a file lock, so two first starts and a killed one do no harm.
    """
    jars = read_lock(LOCK_FILE.read_text(encoding="utf-8"))
    folder = cache / f"kafka-{KAFKA_VERSION}-{lock_digest(jars)}"
    if folder.is_dir():
        return folder
    try:
        with file_lock.held(cache / "kafka.lock"):
            if not folder.is_dir():
                fetch_into(folder, jars, report=report, download=download_by_jgo)
    except OSError as error:
        raise JarsMissing(
            f"cannot keep Apache Kafka in {cache} ({error.strerror or error}): "
            "set XDG_CACHE_HOME to a writable folder, or KAFKA_HOME to an unpacked Kafka"
        ) from error
    return folder


def read_lock(text: str) -> tuple[LockedJar, ...]:
    """Parse the lock file: `group:artifact:version sha256` a line, # comments."""
    rows = [
        line.replace(":", " ").split()
        for line in text.splitlines()
        if line and not line.startswith("#")
    ]
    return tuple(
        LockedJar(group, artifact, version, sha256) for group, artifact, version, sha256 in rows
    )


def lock_digest(jars: Iterable[LockedJar]) -> str:
    """Name the exact set of jars in eight hex digits."""
    return hashlib.sha256("".join(jar.sha256 for jar in jars).encode()).hexdigest()[:8]


def fetch_into(
    folder: Path, jars: Sequence[LockedJar], *, report: Callable[[str], None], download: Download
) -> None:
    """Gather all jars, check each, and give the folder its name at the end."""
    report(f"first start downloads about {DOWNLOAD_MB} MB of Apache Kafka {KAFKA_VERSION}, once")
    with tempfile.TemporaryDirectory(prefix="fetch-", dir=folder.parent) as scratch:
        gathered = Path(scratch) / "jars"
        gathered.mkdir()
        fetch = functools.partial(download, repository=Path(scratch) / "repository")
        with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
            arrived = zip(jars, pool.map(fetch, jars), strict=True)
            for done, (jar, path) in enumerate(arrived, start=1):
                _check_digest(jar, path)
                shutil.move(path, gathered / jar.file_name)
                if done % PROGRESS_JARS == 0 or done == len(jars):
                    report(f"  {done} of {len(jars)} jars")
        gathered.rename(folder)


def download_by_jgo(jar: LockedJar, repository: Path) -> Path:
    """Fetch one jar from Maven's central repository into a scratch repository."""
    try:
        maven = importlib.import_module("jgo.maven")
    except ImportError as error:
        raise JarsMissing(JGO_MISSING) from error
    context = maven.MavenContext(
        resolver=maven.PythonResolver(), repo_cache=repository, local_repos=[]
    )
    component = context.project(jar.group, jar.artifact).at_version(jar.version)
    try:
        return Path(str(component.artifact().resolve()))
    except (OSError, RuntimeError) as error:  # requests' errors are OSErrors
        raise JarsMissing(
            f"could not download {jar.group}:{jar.artifact}:{jar.version} "
            f"({type(error).__name__}): check the network (or proxy) and start again, "
            "or set KAFKA_HOME to an unpacked Kafka"
        ) from error


def _check_digest(jar: LockedJar, path: Path) -> None:
    if hashlib.sha256(path.read_bytes()).hexdigest() != jar.sha256:
        raise JarsMissing(f"{jar.file_name} arrived damaged (its SHA-256 differs): start again")


def main() -> int:
    """Resolve ROOTS with jgo and write the lock file."""
    maven = importlib.import_module("jgo.maven")
    parse = importlib.import_module("jgo.parse")
    lines = ["# Written by `python -m hooklane.kafka_jars`: every jar of the embedded Kafka."]
    with tempfile.TemporaryDirectory() as scratch:
        context = maven.MavenContext(
            resolver=maven.PythonResolver(), repo_cache=Path(scratch), local_repos=[]
        )
        for root in ROOTS:
            wanted = context.create_dependency(parse.Coordinate.parse(f"{root}"))
            wanted.scope = "compile"
            inputs, transitive = context.resolver.resolve([wanted])
            for found in [*inputs, *(d for d in transitive if d.scope in {"compile", "runtime"})]:
                component = found.artifact.component
                digest = hashlib.sha256(Path(found.artifact.resolve()).read_bytes()).hexdigest()
                name = f"{component.groupId}:{component.artifactId}:{component.version}"
                lines.append(f"{name} {digest}")
    LOCK_FILE.write_text("\n".join(dict.fromkeys(lines)) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
