"""Records of `events` and rows of the registry for the fan-out's unit tests."""

import orjson

from fanout.directory import Directory
from fanout.index import Interest, interest_of
from schemas.event_types import EventTypeRecord, decode_event_type
from schemas.registry import SubscriptionRecord, decode_subscription, registry_key
from tests.fakes.fanout import FakeReceived

NOW_MS = 1_700_000_000_000


def received(
    number: int = 1,
    *,
    offset: int = 0,
    subscriber: str = "acme",
    value: bytes | None = b"{}",
    timestamp: int = NOW_MS,
    headers: list[tuple[str, bytes]] | None = None,
    event_type: str = "order.paid",
) -> FakeReceived:
    """Return a record as a direct producer writes it."""
    return FakeReceived(
        "hooklane.events",
        0,
        offset,
        timestamp,
        subscriber.encode(),
        value,
        [
            ("ce_specversion", b"1.0"),
            ("ce_id", str(number).encode()),
            ("ce_source", b"/s"),
            ("ce_type", event_type.encode()),
            *(headers or []),
        ],
    )


def subscription(
    subscription_id: str = "sub_1", subscriber: str = "acme", **fields: object
) -> Interest:
    """Return a registry record as fan-out keeps it."""
    record = decode_subscription(document(subscription_id, subscriber, **fields))
    assert isinstance(record, SubscriptionRecord)
    return interest_of(record)


def document(subscription_id: str = "sub_1", subscriber: str = "acme", **fields: object) -> bytes:
    """Return the bytes of a registry record."""
    return orjson.dumps(
        {
            "id": subscription_id,
            "subscriber": subscriber,
            "version": 1,
            "sealed": "AA==",
            "created_at": "2026-01-02T03:04:05.678Z",
            "updated_at": "2026-01-02T03:04:05.678Z",
            "enabled_at": 0,
            **fields,
        }
    )


def event_type(name: str = "order.paid", **fields: object) -> EventTypeRecord:
    """Return the record of an event type whose data has a number `n`."""
    record = decode_event_type(
        orjson.dumps(
            {
                "name": name,
                "version": 1,
                "schema": {"required": ["n"], "properties": {"n": {"type": "number"}}},
                "validation": "enforce",
                "created_at": "2026-01-02T03:04:05.678Z",
                "updated_at": "2026-01-02T03:04:05.678Z",
                **fields,
            }
        )
    )
    assert isinstance(record, EventTypeRecord)
    return record


def put(
    directory: Directory, interest: Interest, *, subscriber: str = "acme", appended_at: int = 0
) -> None:
    """Let a directory read a record."""
    key = registry_key(subscriber, "subscription", interest.id)
    directory.change(key, interest, appended_at=appended_at)
