"""The lock is consistent, and a folder of jars is complete or not there."""

import hashlib
from pathlib import Path

import pytest

from hooklane import kafka_jars
from hooklane.kafka_jars import JarsMissing, LockedJar

LOCK = kafka_jars.read_lock(kafka_jars.LOCK_FILE.read_text())


def test_every_kafka_jar_has_the_one_version() -> None:
    """A mix of Kafka versions dies at run time with NoSuchMethodError."""
    versions = {jar.version for jar in LOCK if jar.group == "org.apache.kafka"}

    assert versions == {kafka_jars.KAFKA_VERSION}


def test_the_broker_logs_through_one_binding() -> None:
    """Exactly one slf4j binding of the API's own version; log4j's would pull old Kafka jars."""
    versions = {jar.artifact: jar.version for jar in LOCK}

    assert versions["slf4j-simple"] == versions["slf4j-api"] == kafka_jars.SLF4J_VERSION
    assert not any("slf4j-impl" in name for name in versions)


def test_lock_lines_are_complete_and_unique() -> None:
    """Each jar has a SHA-256 and a file name of its own."""
    assert all(len(bytes.fromhex(jar.sha256)) == 32 for jar in LOCK)
    assert len({jar.file_name for jar in LOCK}) == len(LOCK) > 40


def test_digest_tells_sets_of_jars_apart() -> None:
    """A changed lock gets a folder of its own in the cache."""
    changed = (LockedJar("g", "a", "1", "00" * 32), *LOCK[1:])

    assert kafka_jars.lock_digest(changed) != kafka_jars.lock_digest(LOCK)


def test_kafka_home_replaces_the_download(tmp_path: Path) -> None:
    """An unpacked Kafka is used as it is."""
    (tmp_path / "libs").mkdir()
    (tmp_path / "libs" / "kafka_2.13-4.1.1.jar").write_text("")

    path = kafka_jars.classpath({"KAFKA_HOME": str(tmp_path)}, print)

    assert path == f"{tmp_path}/libs/*"


def test_a_kafka_home_without_kafka_is_said(tmp_path: Path) -> None:
    """A wrong KAFKA_HOME is named, not silently replaced by a download."""
    with pytest.raises(JarsMissing, match=r"KAFKA_HOME=.* has no libs/kafka_"):
        kafka_jars.classpath({"KAFKA_HOME": str(tmp_path)}, print)


def test_an_unwritable_cache_is_said_in_one_line(tmp_path: Path) -> None:
    """The line names the folder and the variable that moves it."""
    blocked = tmp_path / "file"
    blocked.write_text("")

    with pytest.raises(JarsMissing, match="XDG_CACHE_HOME") as caught:
        kafka_jars.classpath({"XDG_CACHE_HOME": str(blocked)}, print)

    assert "\n" not in str(caught.value)


def test_a_folder_that_is_there_is_used_without_a_word(tmp_path: Path) -> None:
    """The second start reads nothing from the network."""
    folder = tmp_path / f"kafka-{kafka_jars.KAFKA_VERSION}-{kafka_jars.lock_digest(LOCK)}"
    folder.mkdir()
    lines: list[str] = []

    assert kafka_jars.jar_folder(tmp_path, lines.append) == folder
    assert lines == []


def test_jars_are_gathered_and_checked(tmp_path: Path) -> None:
    """A complete fetch is a folder of all jars, and only then it has its name."""
    jars = tuple(
        LockedJar("g", name, "1", hashlib.sha256(name.encode()).hexdigest()) for name in "abc"
    )
    folder = tmp_path / "cache" / "kafka"
    folder.parent.mkdir()

    kafka_jars.fetch_into(folder, jars, report=print, download=written(tmp_path))

    assert names(folder) == ["a-1.jar", "b-1.jar", "c-1.jar"]
    assert names(folder.parent) == ["kafka"]


def test_a_damaged_jar_leaves_nothing_behind(tmp_path: Path) -> None:
    """A jar of another SHA-256 is refused and the folder never appears."""
    jars = (LockedJar("g", "a", "1", "00" * 32),)
    folder = tmp_path / "cache" / "kafka"
    folder.parent.mkdir()

    with pytest.raises(JarsMissing, match="damaged"):
        kafka_jars.fetch_into(folder, jars, report=print, download=written(tmp_path))

    assert names(folder.parent) == []


def written(folder: Path) -> kafka_jars.Download:
    """Make a download that writes a jar's name as its content."""

    def download(jar: LockedJar, repository: Path) -> Path:
        path = folder / jar.artifact
        path.write_text(jar.artifact)
        return path

    return download


def names(folder: Path) -> list[str]:
    """List a folder."""
    return sorted(path.name for path in folder.iterdir())
