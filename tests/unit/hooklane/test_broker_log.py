"""The cause of death is shown, not the orderly shutdown after it."""

from hooklane.broker_log import evidence, is_port_taken

SHUTDOWN = [f"INFO shutting down part {number}" for number in range(100)]


def test_the_cause_is_shown_before_the_last_lines() -> None:
    """The error is far above the end, behind it comes its cause without stack frames."""
    died = ["ERROR cannot bind", "java.net.BindException: x", "\tat a.b(C.java:1)", *SHUTDOWN]

    shown = evidence("\n".join(["INFO start", *died])).splitlines()

    assert shown[:2] == ["ERROR cannot bind", "java.net.BindException: x"]
    assert shown[-1] == SHUTDOWN[-1]
    assert len(shown) < 20


def test_a_short_log_is_shown_as_it_is() -> None:
    """Nothing is cut when there is little."""
    assert evidence("a\nb") == "a\nb"


def test_no_log_is_said() -> None:
    """A JVM that could not even start writes nothing."""
    assert evidence("") == "(no log)"


def test_evidence_is_bounded() -> None:
    """A log full of errors with long lines stays readable."""
    shown = evidence("\n".join(["ERROR " + "x" * 10_000] * 1000))

    assert len(shown) < 8000


def test_a_taken_port_is_recognised() -> None:
    """Another port is chosen then."""
    assert is_port_taken("java.net.BindException: Address already in use")
    assert not is_port_taken("INFO started")
