"""Tests of how the doctor reads settings."""

import base64

from hooklane.doctor.configured import read

KAFKA = {"HOOKLANE_KAFKA__BOOTSTRAP_SERVERS": "kafka:9092"}
VAULT = {"HOOKLANE_VAULT__KEYS": "k1:" + base64.b64encode(b"k" * 32).decode()}


def test_a_pod_is_looked_at_as_what_it_is() -> None:
    """It has the variables of its own service; what the others need is not missing there."""
    found = read(KAFKA | VAULT, [])

    assert list(found.services) == ["fanout", "deliverer"]
    statuses = {one.check: one.status for one in found.findings}
    assert statuses == {
        "settings gateway": "skip",
        "settings fanout": "ok",
        "settings deliverer": "ok",
    }


def test_a_service_that_was_asked_for_must_be_complete() -> None:
    """The missing variable is named."""
    found = read(KAFKA | VAULT, ["gateway"])

    (one,) = found.findings
    assert (one.status, found.services) == ("fail", {})
    assert "HOOKLANE_AUTH__ROOT_KEY: is required" in one.seen


def test_a_wrong_value_fails_wherever_it_is() -> None:
    """And is not shown: it may be a secret in the wrong place."""
    found = read(KAFKA | {"HOOKLANE_TOPICS__PARTITIONS": "hunter2"}, [])

    failed = [one for one in found.findings if one.status == "fail"]
    assert failed
    assert all("HOOKLANE_TOPICS__PARTITIONS" in one.seen for one in failed)
    assert "hunter2" not in str(found.findings)


def test_without_any_variable_nothing_can_start() -> None:
    """That is a failure, not a list of services that are not set up here."""
    found = read({}, [])

    assert found.findings[-1].status == "fail"
    assert "no service could start" in found.findings[-1].seen
