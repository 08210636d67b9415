"""Records of API keys."""

import msgspec
import pytest

from schemas.api_keys import KEYS_SUBSCRIBER, ApiKeyRecord, EventQuota, decode_api_key
from schemas.event import Violation, check_subscriber

RECORD = ApiKeyRecord(
    id="key_1",
    name="orders",
    version=1,
    scopes=["events:write"],
    subscriber="acme",
    quota=EventQuota(events_per_second=5.0),
    digest="00",
    created_at="2026-01-01T00:00:00.000Z",
    updated_at="2026-01-01T00:00:00.000Z",
)


def test_a_record_is_read_back_and_later_fields_are_no_hindrance() -> None:
    """A later version may write more."""
    raw = msgspec.to_builtins(RECORD) | {"of_the_future": 1}

    assert decode_api_key(msgspec.json.encode(raw)) == RECORD


@pytest.mark.parametrize("value", [b"", b"\xff", b"{}", b'{"scopes":["root"]}', b"[" * 100_000])
def test_anything_else_is_a_violation(value: bytes) -> None:
    """A scope that is not known must not be half understood."""
    assert isinstance(decode_api_key(value), Violation)


def test_keys_lie_under_a_name_that_no_subscriber_can_have() -> None:
    """Nobody reaches them by a path of the API."""
    assert check_subscriber(KEYS_SUBSCRIBER) is not None
