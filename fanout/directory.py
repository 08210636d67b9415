"""Keep the subscriber indexes of one partition in step with its registry records."""

from fanout.index import EMPTY, Row, SubscriberIndex, row_of
from schemas.registry import SubscriptionRecord, decode_subscription, parse_registry_key


def decode_entry(key: bytes, value: bytes) -> SubscriptionRecord | None:
    """Read a registry record; None for kinds fan-out has no use for, ValueError when broken."""
    parts = parse_registry_key(key)
    if parts is None:
        raise ValueError("the key names no record of the registry")
    if parts.kind != "subscription":
        return None
    record = decode_subscription(value)
    if isinstance(record, SubscriptionRecord):
        if (record.subscriber, record.id) == (parts.subscriber, parts.id):
            return record
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

    def change(self, key: bytes, record: SubscriptionRecord | None, *, appended_at: int) -> None:
        """Take a registry record in; None is a tombstone, or a record of another kind."""
        parts = parse_registry_key(key)
        if parts is None or parts.kind != "subscription":
            return
        row = None if record is None else row_of(record, appended_at=appended_at)
        self._indexes.pop(parts.subscriber, None)
        rows = self._rows.setdefault(parts.subscriber, {})
        if row is not None:
            rows[parts.id] = row
        else:
            rows.pop(parts.id, None)
        if not rows:
            del self._rows[parts.subscriber]
