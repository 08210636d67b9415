"""Make the archive of `kafka_archive` by one start and stop of a node: `python -m` this module.

It takes 20 s of one core, once for a Java and its jars. `make test` makes it beforehand, because
its many starts of Kafka are shorter with it.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from hooklane import file_lock, kafka_archive, surroundings
from hooklane.embedded_kafka import EmbeddedKafka, EmbeddedKafkaError, report_to_stderr
from hooklane.java import JavaMissing, find_java
from hooklane.kafka_jars import JarsMissing, classpath

TRAINING = "training-"
STOP_TIMEOUT_S = 180.0
"""The JVM writes when it ends."""


Train = Callable[[Path, Mapping[str, str], Callable[[str], None]], None]


def ensure(
    variables: Mapping[str, str], report: Callable[[str], None], *, train: Train | None = None
) -> Path | None:
    """Return the archive, made when it is not there; None when this Java makes none.

    Whole or absent, and made once when two ask. Raises JavaMissing, JarsMissing,
    EmbeddedKafkaError.
    """
    cache = surroundings.cache_dir(variables)
    archive = kafka_archive.path_of(
        cache, find_java(variables, report), classpath(variables, report)
    )
    try:
        with file_lock.held(cache / "kafka-archive.lock"):
            if archive.is_file():
                os.utime(archive)  # it is in use, whenever it was made
            else:
                _remove_leftovers(cache)
                (train or _train)(archive, variables, report)
                kafka_archive.keep_newest(cache)
    except OSError as error:
        raise EmbeddedKafkaError(
            f"cannot keep an archive of Kafka's classes in {cache} ({error.strerror or error}): "
            "set XDG_CACHE_HOME to a writable folder"
        ) from error
    return archive if archive.is_file() else None


def _remove_leftovers(cache: Path) -> None:
    """Remove what was left by trainings that were killed: the lock says that none goes on."""
    for folder in cache.glob(f"{TRAINING}*"):
        shutil.rmtree(folder, ignore_errors=True)


def _train(archive: Path, variables: Mapping[str, str], report: Callable[[str], None]) -> None:
    with tempfile.TemporaryDirectory(prefix=TRAINING, dir=archive.parent) as folder:
        fresh = Path(folder) / archive.name
        options = kafka_archive.training_options(fresh)
        with EmbeddedKafka(variables=variables, java_options=options, report=report) as node:
            node.stop(timeout_s=STOP_TIMEOUT_S)
        if fresh.is_file():
            fresh.rename(archive)


def main() -> int:
    """Print the path of the archive, or one line on what is missing."""
    try:
        archive = ensure(surroundings.environ(), report_to_stderr)
    except (JavaMissing, JarsMissing, EmbeddedKafkaError) as error:
        report_to_stderr(str(error))
        return 1
    report_to_stderr(f"{archive or 'this Java keeps no archive of classes (25 does)'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
