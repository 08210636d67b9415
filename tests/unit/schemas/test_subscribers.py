"""Records of subscribers."""

import msgspec
import pytest

from schemas.event import Violation
from schemas.subscribers import (
    SubscriberQuota,
    SubscriberRecord,
    decode_subscriber,
    subscriber_key,
)

RECORD = SubscriberRecord(
    subscriber="acme",
    version=2,
    name="Acme",
    metadata={"a": "b"},
    quota=SubscriberQuota(events_per_second=5.0, burst=7, subscriptions=3),
    created_at="2026-01-01T00:00:00.000Z",
    updated_at="2026-01-01T00:00:00.000Z",
)


def test_a_record_is_read_back_and_later_fields_are_no_hindrance() -> None:
    """A later version may write more."""
    raw = msgspec.to_builtins(RECORD) | {"of_the_future": 1}

    assert decode_subscriber(msgspec.json.encode(raw)) == RECORD


@pytest.mark.parametrize("value", [b"", b"\xff", b"{}", b'{"quota":{}}', b"[" * 100_000])
def test_anything_else_is_a_violation(value: bytes) -> None:
    """Readers keep the last good one."""
    assert isinstance(decode_subscriber(value), Violation)


def test_the_record_lies_beside_the_subscriptions() -> None:
    """Same subscriber, same partition: one transaction can delete all of it."""
    assert subscriber_key("acme") == b"acme/subscriber/acme"
