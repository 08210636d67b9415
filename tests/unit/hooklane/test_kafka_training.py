"""When the archive of Kafka's classes is made, and what a cache that cannot keep it says."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from hooklane import kafka_training
from hooklane.embedded_kafka import EmbeddedKafkaError
from hooklane.kafka_archive import KEPT_MAX
from tests.locks import is_held


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    """Name a Java and a Kafka that are only looked at, and a cache that is not there yet."""
    for file in ("java/bin/java", "kafka/libs/kafka_2.13-4.1.2.jar"):
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).touch()
    homes = {"JAVA_HOME": "java", "KAFKA_HOME": "kafka", "XDG_CACHE_HOME": "cache"}
    return {name: str(tmp_path / folder) for name, folder in homes.items()}


def test_an_unusable_cache_is_said_in_one_line(variables: dict[str, str], tmp_path: Path) -> None:
    """With KAFKA_HOME nothing before it needs the cache; a traceback would end `tools.prepare`."""
    (tmp_path / "cache").touch()

    with pytest.raises(EmbeddedKafkaError, match="XDG_CACHE_HOME") as caught:
        kafka_training.ensure(variables, print)

    assert "\n" not in str(caught.value)


def test_what_killed_trainings_left_is_removed(variables: dict[str, str], tmp_path: Path) -> None:
    """Each is up to 67 MB in the user's cache; all else in it stays."""
    cache = tmp_path / "cache" / "hooklane"
    (cache / "training-abc").mkdir(parents=True)
    (cache / "training-abc" / "kafka-1.aot").touch()
    (cache / "kafka-4.1.2-0e576ac4").mkdir()

    kafka_training.ensure(variables, print, train=lambda *_: None)

    assert {one.name for one in cache.iterdir()} == {"kafka-4.1.2-0e576ac4", "kafka-archive.lock"}


def test_an_archive_in_use_is_not_the_oldest(variables: dict[str, str]) -> None:
    """Of many clones each has its own: one made now and then must not remove the daily one."""
    archive = kafka_training.ensure(variables, print, train=made)
    assert archive is not None
    os.utime(archive, (1, 1))

    assert kafka_training.ensure(variables, print, train=made_twice) == archive

    assert archive.stat().st_mtime > 1


def test_who_asks_while_it_is_made_waits(variables: dict[str, str], tmp_path: Path) -> None:
    """Two trainings at once cost twice the CPU, and one would remove what the other writes."""
    seen: list[bool] = []

    kafka_training.ensure(
        variables,
        print,
        train=lambda *_: seen.append(is_held(tmp_path / "cache/hooklane/kafka-archive.lock")),
    )

    assert seen == [True]


def test_a_new_archive_evicts_the_oldest(variables: dict[str, str], tmp_path: Path) -> None:
    """A cache that only grows fills the user's disk; a Java that makes none is no error."""
    cache = tmp_path / "cache" / "hooklane"
    cache.mkdir(parents=True)
    for number in range(KEPT_MAX):
        (cache / f"kafka-{number}.aot").touch()
        os.utime(cache / f"kafka-{number}.aot", (number, number))

    assert kafka_training.ensure(variables, print, train=lambda *_: None) is None
    assert (cache / "kafka-0.aot").exists()
    archive = kafka_training.ensure(variables, print, train=made)

    assert archive is not None
    kept = {archive.name, *(f"kafka-{number}.aot" for number in range(1, KEPT_MAX))}
    assert {one.name for one in cache.glob("*.aot")} == kept


def made(archive: Path, _variables: Mapping[str, str], _report: Callable[[str], None]) -> None:
    """Make an archive, as a training does."""
    archive.touch()


def made_twice(*_: object) -> None:
    """Fail where nothing is to be made."""
    raise AssertionError("the archive was there")
