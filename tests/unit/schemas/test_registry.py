"""Tests of the registry records."""

import orjson
import pytest

from schemas.event import Violation
from schemas.registry import (
    PreviousSecret,
    RegistryKey,
    SealedFields,
    SubscriptionRecord,
    decode_sealed,
    decode_subscription,
    encode_sealed,
    parse_registry_key,
    registry_key,
)

MINIMAL = {
    "id": "sub_1",
    "subscriber": "acme",
    "version": 1,
    "sealed": "AA==",
    "created_at": "2026-01-02T03:04:05.678Z",
    "updated_at": "2026-01-02T03:04:05.678Z",
}


def _decode(**fields: object) -> SubscriptionRecord:
    record = decode_subscription(orjson.dumps({**MINIMAL, **fields}))
    assert isinstance(record, SubscriptionRecord)
    return record


def test_defaults_are_those_of_the_contract() -> None:
    """A record that names nothing behaves as CONTRACT §4 says."""
    record = _decode()

    assert (record.status, record.event_types, record.ordering) == ("active", ["*"], "strict")
    assert (record.max_in_flight, record.timeout_s, record.format) == (8, 15.0, "binary")
    assert record.retry.schedule_s == [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400]
    assert record.retry.max_age_s == 518_400
    assert record.signature == "v1"


def test_a_filter_and_fields_of_a_later_version_are_read() -> None:
    """Nested filters stay values; what we do not know is ignored by readers."""
    record = _decode(filter={"data.n": {"$in": [1, None, "x"]}}, later={"a": 1})

    assert record.filter == {"data.n": {"$in": [1, None, "x"]}}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"\xff",
        b'{"id":"\xff"}',
        b"[" * 100_000,
        orjson.dumps({**MINIMAL, "status": "odd"}),
    ],
)
def test_a_broken_record_is_a_violation(raw: bytes) -> None:
    """Readers keep the last good one; they must not crash."""
    assert isinstance(decode_subscription(raw), Violation)


def test_a_violation_never_echoes_sealed_fields() -> None:
    """The detail of a broken secret is not the secret."""
    violation = decode_sealed(b'{"url":1,"secret":"whsec_topsecret"}')

    assert isinstance(violation, Violation)
    assert "topsecret" not in violation.detail


def test_sealed_fields_are_read_as_written() -> None:
    """URL, headers and secrets come back whole."""
    fields = SealedFields(
        url="https://a.example/x",
        headers={"x-a": "1"},
        secret="whsec_a",
        previous=[PreviousSecret("whsec_b", 99)],
    )

    assert decode_sealed(encode_sealed(fields)) == fields


@pytest.mark.parametrize(
    ("key", "parts"),
    [
        (b"acme/subscription/sub_1", RegistryKey("acme", "subscription", "sub_1")),
        (b"$system/event-type/a/b", RegistryKey("$system", "event-type", "a/b")),
        (b"acme/other/x", None),
        (b"acme/key/", None),
        (b"/key/x", None),
        (b"acme", None),
        (b"\xff/key/x", None),
        (b"", None),
    ],
)
def test_record_keys_are_split_or_refused(key: bytes, parts: RegistryKey | None) -> None:
    """A key of another shape belongs to nobody."""
    assert parse_registry_key(key) == parts
    if parts is not None:
        assert registry_key(parts.subscriber, parts.kind, parts.id) == key
