"""Keep the subscriber indexes of one partition in step with its registry records."""

from collections.abc import Sequence

from fanout.index import EMPTY, Interest, Row, SubscriberIndex, interest_of, row_of
from schemas.event_types import EVENT_TYPES_SUBSCRIBER, EventTypeRecord, decode_event_type
from schemas.filters import FilterError
from schemas.registry import (
    RegistryKey,
    SubscriptionRecord,
    decode_subscription,
    parse_registry_key,
)

Entry = Interest | EventTypeRecord


def decode_entry(key: bytes, value: bytes) -> Entry | None:
    """Read a registry record; None for kinds fan-out has no use for, ValueError when broken."""
    parts = parse_registry_key(key)
    if parts is None:
        raise ValueError("the key names no record of the registry")
    if parts.kind == "subscription":
        return _subscription(parts, value)
    if parts.kind == "event-type" and parts.subscriber == EVENT_TYPES_SUBSCRIBER:
        return _event_type(parts, value)
    return None


def _event_type(parts: RegistryKey, value: bytes) -> EventTypeRecord:
    record = decode_event_type(value)
    if isinstance(record, EventTypeRecord):
        if record.name == parts.id:
            return record
        raise ValueError("the record names another event type than its key")
    raise ValueError(record.detail)


def _subscription(parts: RegistryKey, value: bytes) -> Interest:
    record = decode_subscription(value)
    if isinstance(record, SubscriptionRecord):
        if (record.subscriber, record.id) == (parts.subscriber, parts.id):
            return interest_of(record)
        raise ValueError("the record names another subscription than its key")
    raise ValueError(record.detail)


class Directory:
    """Subscriber → index; an index is built when an event first asks for it after a change."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[str, Row]] = {}
        self._indexes: dict[str, SubscriberIndex] = {}

    def index_of(self, subscriber: str) -> SubscriberIndex:
        """Return the index of a subscriber, empty for an unknown one."""
        index = self._indexes.get(subscriber)
        if index is not None:
            return index
        rows = self._rows.get(subscriber)
        if rows is None:
            return EMPTY
        index = self._indexes[subscriber] = SubscriberIndex(rows.values())
        return index

    def change(
        self, key: bytes, interest: Interest | None, *, appended_at: int
    ) -> Sequence[FilterError]:
        """Take a subscription in; None is a tombstone.

        Returns why its filter does not compile: then it gets nothing but what names it as target.
        """
        parts = parse_registry_key(key)
        if parts is None or parts.kind != "subscription":
            return ()
        row = None if interest is None else row_of(interest, appended_at=appended_at)
        self._indexes.pop(parts.subscriber, None)
        rows = self._rows.setdefault(parts.subscriber, {})
        if row is not None:
            rows[row.id] = row
        else:
            rows.pop(parts.id, None)
        if not rows:
            del self._rows[parts.subscriber]
        return () if interest is None else interest.faults
