"""What the gateway keeps of each registry record, and the lists that are made of them. Pure."""

from bisect import bisect_left, insort
from collections.abc import Callable, Sequence
from sys import intern

import msgspec

from chassis.vault import sealing_key
from gateway.registry import AnyRecord, Stored
from schemas.api_keys import KEYS_SUBSCRIBER, ApiKeyRecord, decode_api_key
from schemas.event import Violation
from schemas.event_types import EVENT_TYPES_SUBSCRIBER, EventTypeRecord, decode_event_type
from schemas.registry import (
    RegistryKey,
    RegistryKind,
    SubscriptionRecord,
    decode_subscription,
    parse_registry_key,
)
from schemas.subscribers import SubscriberRecord, decode_subscriber

_DECODERS: dict[RegistryKind, Callable[[bytes], AnyRecord | Violation]] = {
    "subscription": decode_subscription,
    "subscriber": decode_subscriber,
    "event-type": decode_event_type,
    "key": decode_api_key,
}


class Kept(msgspec.Struct, frozen=True, gc=False):
    """A record as it is kept: its bytes, read again by whoever asks.

    `sealed_with` names the vault key of a subscription; None when it names none.
    A hundred thousand subscriptions are kept and a few are asked for; read, each would be five
    times as large.
    """

    kind: RegistryKind
    value: bytes
    deleted: bool
    sealed_with: str | None = None

    @property
    def record(self) -> AnyRecord:
        """Read it; `decode_row` has found that it can be read."""
        record = _DECODERS[self.kind](self.value)
        if isinstance(record, Violation):
            raise TypeError("a record was kept that nobody can read")
        return record

    def stored(self, *, appended_at: int | None) -> Stored[AnyRecord]:
        """Give it as the handlers see it."""
        return Stored(self.record, self.value, appended_at)


Row = Kept | None


def decode_row(key: bytes, value: bytes) -> Row:
    """Read one record of the registry; None for what is of a kind we do not know.

    Raises ValueError for a record that cannot be read: the table then keeps the last good one.
    """
    parts = parse_registry_key(key)
    if parts is None:
        return None
    record = _DECODERS[parts.kind](value)
    if isinstance(record, Violation):
        raise ValueError(record.detail)  # noqa: TRY004 - what a table expects of its decoder
    if _place_of(record) != parts:
        raise ValueError("the record names another place than its key")
    sealed_with = None
    if isinstance(record, SubscriptionRecord) and (name := sealing_key(record.sealed)):
        sealed_with = intern(name)
    return Kept(parts.kind, value, record.deleted, sealed_with)


def _place_of(record: AnyRecord) -> RegistryKey:
    match record:
        case SubscriptionRecord():
            return RegistryKey(record.subscriber, "subscription", record.id)
        case SubscriberRecord():
            return RegistryKey(record.subscriber, "subscriber", record.subscriber)
        case EventTypeRecord():
            return RegistryKey(EVENT_TYPES_SUBSCRIBER, "event-type", record.name)
        case ApiKeyRecord():
            return RegistryKey(KEYS_SUBSCRIBER, "key", record.id)


class Names:
    """Names in ascending order; a long list is sorted when it is asked for, not on every change."""

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._sorted: list[str] | None = []

    def note(self, name: str, *, is_there: bool) -> None:
        """Add or remove one."""
        if is_there == (name in self._names):
            return
        (self._names.add if is_there else self._names.discard)(name)
        self._sorted = None

    def ascending(self) -> Sequence[str]:
        """List them."""
        if self._sorted is None:
            self._sorted = sorted(self._names)
        return self._sorted


class RegistryIndex:
    """The names of what lives, by kind; fed by the table's changes."""

    def __init__(self) -> None:
        self._ids: dict[str, list[str]] = {}
        self._with_record: set[str] = set()
        self._subscribers = Names()
        self._names: dict[RegistryKind, Names] = {"event-type": Names(), "key": Names()}

    def note(self, key: bytes, row: Row) -> None:
        """Follow one change of the table."""
        parts = parse_registry_key(key)
        if parts is None:
            return
        is_there = row is not None and not row.deleted
        if parts.kind in self._names:
            self._names[parts.kind].note(parts.id, is_there=is_there)
            return
        if parts.kind == "subscription":
            self._note_subscription(parts.subscriber, parts.id, is_there=is_there)
        else:
            (self._with_record.add if is_there else self._with_record.discard)(parts.subscriber)
        is_known = parts.subscriber in self._ids or parts.subscriber in self._with_record
        self._subscribers.note(parts.subscriber, is_there=is_known)

    def ids_of(self, subscriber: str) -> Sequence[str]:
        """List a subscriber's subscriptions, ascending."""
        return self._ids.get(subscriber, ())

    def subscribers(self) -> Sequence[str]:
        """List those that have a record or a subscription, ascending."""
        return self._subscribers.ascending()

    def names_of(self, kind: RegistryKind) -> Sequence[str]:
        """List event types or keys, ascending."""
        return self._names[kind].ascending()

    def _note_subscription(self, subscriber: str, name: str, *, is_there: bool) -> None:
        ids = self._ids.setdefault(subscriber, [])
        at = bisect_left(ids, name)
        is_known = at < len(ids) and ids[at] == name
        if is_there and not is_known:
            insort(ids, name)
        elif is_known and not is_there:
            del ids[at]
        if not ids:
            del self._ids[subscriber]
