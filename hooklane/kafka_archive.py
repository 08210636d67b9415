"""Where what a JVM learned about Kafka's classes is kept: a start then costs half the CPU.

Java 25 writes the classes that a run loaded and linked into a file, an AOT cache, which later runs
map into memory. It fits one Java and one set of jars, so its name is made of both. A start without
it is only slower: nobody waits for it to be made (`python -m hooklane.kafka_training`).
"""

import contextlib
import hashlib
from pathlib import Path

KEPT_MAX = 3
"""Of different Javas, each some 65 MB."""
TOLERANT = "-XX:+IgnoreUnrecognizedVMOptions"
"""A Java before 24 knows no AOT caches and would not start."""


def path_of(cache: Path, java: Path, jars: str) -> Path:
    """Return where the archive of this Java and these jars is, or would be.

    `jars` is a class path of one folder, `…/*`; Java looks at the size and time of each jar too.
    """
    found = sorted(Path(jars).parent.glob("*.jar"))
    stamps = (f"{one.name} {_stamp(one)}" for one in found)
    modules = _stamp(java.parent.parent / "lib/modules")
    identity = "\n".join((str(java.resolve()), modules, jars, *stamps))
    return cache / f"kafka-{hashlib.sha256(identity.encode()).hexdigest()[:12]}.aot"


def use_options(archive: Path) -> tuple[str, ...]:
    """Return the options of a JVM that uses the archive; none when there is none."""
    return (TOLERANT, f"-XX:AOTCache={archive}", "-Xlog:aot=off") if archive.is_file() else ()


def training_options(archive: Path) -> tuple[str, ...]:
    """Return the options of a JVM that writes the archive when it ends."""
    return (TOLERANT, f"-XX:AOTCacheOutput={archive}")


def keep_newest(cache: Path) -> None:
    """Remove archives of former Javas and jars, but for those made or asked for last."""
    found = sorted(cache.glob("kafka-*.aot"), key=lambda one: one.stat().st_mtime, reverse=True)
    for old in found[KEPT_MAX:]:
        with contextlib.suppress(FileNotFoundError):
            old.unlink()


def _stamp(file: Path) -> str:
    try:
        found = file.stat()
    except OSError:
        return ""
    return f"{found.st_size} {found.st_mtime_ns}"
