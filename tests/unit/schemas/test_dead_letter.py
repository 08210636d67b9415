"""Tests of the dead letter header."""

import orjson

from schemas.dead_letter import DeadLetterEnvelope, DeadLetterReason, decode_dead_letter
from schemas.outcome import Outcome


def test_the_header_holds_the_fields_of_the_contract() -> None:
    """`response` is absent when the receiver sent none; unknown facts are null."""
    envelope = DeadLetterEnvelope(
        webhook_id="msg_1",
        event_id="1",
        subscriber="acme",
        subscription="sub_1",
        type="t",
        sequence=4,
        reason=DeadLetterReason.GONE,
        attempts=1,
        first_attempt_at=None,
        last_attempt_at=None,
        last_outcome=Outcome.HTTP_410,
        last_status=410,
        dead_at="2026-01-02T03:04:05.678Z",
    )

    document = orjson.loads(envelope.encode())

    assert set(document) == {
        "v",
        "webhook_id",
        "event_id",
        "subscriber",
        "subscription",
        "type",
        "sequence",
        "reason",
        "attempts",
        "first_attempt_at",
        "last_attempt_at",
        "last_outcome",
        "last_status",
        "dead_at",
    }
    assert document["reason"] == "gone"


def test_reasons_are_the_closed_list_of_the_contract() -> None:
    """The values are a metric label."""
    assert " ".join(DeadLetterReason) == "exhausted expired aborted gone too_large"


def test_a_header_that_cannot_be_read_is_none() -> None:
    """Tools read what anybody may have written."""
    assert decode_dead_letter([]) is None
    assert decode_dead_letter([("dead_letter", b"{")]) is None
    assert decode_dead_letter([("dead_letter", b"\xff")]) is None
