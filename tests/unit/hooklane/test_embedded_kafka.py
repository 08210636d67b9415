"""What is decided before a process starts; the process itself is an integration test."""

import sys
from pathlib import Path

import pytest

from hooklane.embedded_kafka import EmbeddedKafka, EmbeddedKafkaError, report_to_stderr


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
    with pytest.raises(EmbeddedKafkaError, match="no VM"):
        EmbeddedKafka(variables=broken_java(tmp_path)).start()


def test_a_machine_without_ports_is_said(tmp_path: Path) -> None:
    """Nobody expects a bare OSError of a start, and no folder may stay."""
    node = EmbeddedKafka(
        folder=tmp_path / "n", variables=broken_java(tmp_path), draw_ports=none_free
    )

    with pytest.raises(EmbeddedKafkaError, match=r"^no port .*: hardly any is free$"):
        node.start()

    assert not (tmp_path / "n").exists()


def none_free(_count: int) -> list[int]:
    """Draw as on a machine whose ports are all taken."""
    raise OSError("hardly any is free")


def broken_java(tmp_path: Path) -> dict[str, str]:
    """Name a Java that only complains, and a Kafka that is not one."""
    home = tmp_path / "jdk"
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "java").write_text(f"#!{sys.executable}\nraise SystemExit('no VM')\n")
    (home / "bin" / "java").chmod(0o755)
    (tmp_path / "libs").mkdir()
    (tmp_path / "libs" / "kafka_2.13-x.jar").write_text("")
    return {"JAVA_HOME": str(home), "KAFKA_HOME": str(tmp_path)}
