"""Tests of the attempts record."""

import orjson

from schemas.attempt import AttemptKind, AttemptRecord
from schemas.outcome import Outcome

RECORD = AttemptRecord(
    webhook_id="msg_1",
    event_id="1",
    subscriber="acme",
    subscription="sub_1",
    type="order.paid",
    attempt=1,
    kind=AttemptKind.FIRST,
    outcome=Outcome.TIMEOUT,
    status=None,
    started_at="2026-01-02T03:04:05.678Z",
    duration_ms=15000,
    sequence=7,
)


def test_a_missing_status_is_null_and_optional_fields_are_absent() -> None:
    """`status` is always there; `next_attempt_at` and `detail` only when there is one."""
    document = orjson.loads(RECORD.encode())

    assert document["status"] is None
    assert document["outcome"] == "timeout"
    assert document["kind"] == "first"
    assert "next_attempt_at" not in document
    assert "detail" not in document


def test_the_fields_are_those_of_the_contract() -> None:
    """People and tools read these names."""
    assert set(orjson.loads(RECORD.encode())) == {
        "v",
        "webhook_id",
        "event_id",
        "subscriber",
        "subscription",
        "type",
        "attempt",
        "kind",
        "outcome",
        "status",
        "started_at",
        "duration_ms",
        "sequence",
    }
