"""When the archive of Kafka's classes is made, and what a cache that cannot keep it says."""

from pathlib import Path

import pytest

from hooklane import kafka_training
from hooklane.embedded_kafka import EmbeddedKafkaError


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
