"""Describe what the registry says about a subscriber as a whole; most have no such record."""

import msgspec

from schemas.event import Violation
from schemas.quarantine import QuarantineReason
from schemas.registry import registry_key


class SubscriberQuota(msgspec.Struct, frozen=True, kw_only=True):
    """How many events may come in for a subscriber, and how many subscriptions it may have."""

    events_per_second: float
    burst: int | None = None
    subscriptions: int | None = None


class SubscriberRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One subscriber; it lies on the partition of its own name, beside its subscriptions."""

    v: int = 1
    subscriber: str
    version: int
    name: str | None = None
    metadata: dict[str, str] = msgspec.field(default_factory=dict)
    quota: SubscriberQuota | None = None
    created_at: str
    updated_at: str
    deleted: bool = False


_RECORD = msgspec.json.Decoder(SubscriberRecord)


def subscriber_key(subscriber: str) -> bytes:
    """Return the record key of a subscriber."""
    return registry_key(subscriber, "subscriber", subscriber)


def decode_subscriber(value: bytes) -> SubscriberRecord | Violation:
    """Read the record of a subscriber; never raises."""
    try:
        return _RECORD.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Violation(QuarantineReason.BAD_JSON, "the subscriber record cannot be read")
