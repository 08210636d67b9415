"""What is decided before a process starts; the process itself is an integration test."""

import sys
from pathlib import Path

import pytest

from hooklane import embedded_kafka
from hooklane.embedded_kafka import EmbeddedKafka, EmbeddedKafkaError, report_to_stderr


def test_one_node_can_hold_every_internal_topic() -> None:
    """With one broker every replication factor and minimum of in-sync replicas is 1."""
    properties = embedded_kafka.server_properties(data=Path("/d"), port=1, controller_port=2)

    factors = {v for k, v in properties.items() if k.endswith(("replication.factor", "min.isr"))}

    assert factors == {"1"}
    assert properties["auto.create.topics.enable"] == "false"
    assert "0.0.0.0" not in str(properties)


def test_given_properties_win() -> None:
    """A fault test may tune the broker."""
    properties = embedded_kafka.server_properties(
        data=Path("/d"), port=1, controller_port=2, extra={"num.io.threads": "1"}
    )

    assert properties["num.io.threads"] == "1"


def test_free_ports_differ() -> None:
    """Ports are chosen while all of them are held."""
    assert len(set(embedded_kafka.free_ports(20))) == 20


def test_what_is_missing_is_the_error(tmp_path: Path) -> None:
    """A wrong KAFKA_HOME ends the start with its line, and nothing is left to stop."""
    node = EmbeddedKafka(folder=tmp_path / "n", variables={"KAFKA_HOME": str(tmp_path)})

    with pytest.raises(EmbeddedKafkaError, match="KAFKA_HOME"):
        node.start()
    node.close()

    assert not (tmp_path / "n").exists()


def test_a_node_that_never_ran_can_be_stopped() -> None:
    """Stop, kill, pause, resume and close tolerate a node without a process."""
    node = EmbeddedKafka(variables={})

    node.stop()
    node.kill()
    node.pause()
    node.resume()
    node.close()

    assert not node.is_running
    assert node.pid is None
    with pytest.raises(EmbeddedKafkaError, match="not started"):
        _ = node.folder


def test_progress_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """Standard output stays clean for results."""
    report_to_stderr("x")

    assert capsys.readouterr() == ("", "x\n")


def test_a_java_that_cannot_start_is_said(tmp_path: Path) -> None:
    """An unusable JAVA_HOME without a release file shows in the error of the format step."""
    home = tmp_path / "jdk"
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "java").write_text(f"#!{sys.executable}\nraise SystemExit('no VM')\n")
    (home / "bin" / "java").chmod(0o755)
    (tmp_path / "libs").mkdir()
    (tmp_path / "libs" / "kafka_2.13-x.jar").write_text("")
    variables = {"JAVA_HOME": str(home), "KAFKA_HOME": str(tmp_path)}

    with pytest.raises(EmbeddedKafkaError, match="no VM"):
        EmbeddedKafka(variables=variables).start()
