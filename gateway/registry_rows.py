"""What the gateway keeps of each registry record, and the lists that are made of them. Pure."""

from bisect import bisect_left, insort
from collections.abc import Callable, Sequence
from sys import intern

import msgspec

from chassis.vault import sealing_key
from gateway.paging import place_of
from gateway.registry import AnyRecord, Stored
from schemas.api_keys import KEYS_SUBSCRIBER, ApiKeyRecord, decode_api_key
from schemas.event import Violation
from schemas.event_types import EVENT_TYPES_SUBSCRIBER, EventTypeRecord, decode_event_type
from schemas.ids import created_ms
from schemas.registry import (
    RegistryKey,
    RegistryKind,
    SubscriptionRecord,
    decode_subscription,
    parse_registry_key,
)
from schemas.rfc3339 import parse_ms
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


def _created_ms(row: Kept) -> int:
    return parse_ms(row.record.created_at) or 0


class Places:
    """Places by name; a long list is sorted when it is asked for, not on every change."""

    def __init__(self) -> None:
        self._places: dict[str, str] = {}
        self._sorted: list[str] | None = []

    def get(self, name: str) -> str | None:
        """Return the place of a name."""
        return self._places.get(name)

    def note(self, name: str, place: str | None) -> None:
        """Give a name its place, or remove it."""
        if place == self._places.get(name):
            return
        if place is None:
            del self._places[name]
        else:
            self._places[name] = place
        self._sorted = None

    def ascending(self) -> Sequence[str]:
        """List them."""
        if self._sorted is None:
            self._sorted = sorted(self._places.values())
        return self._sorted


class RegistryIndex:
    """The places of what lives, by kind (`gateway.paging`); fed by the table's changes."""

    def __init__(self) -> None:
        self._ids: dict[str, list[str]] = {}
        self._recorded_at: dict[str, int] = {}
        self._subscribers = Places()
        self._places: dict[RegistryKind, Places] = {"event-type": Places(), "key": Places()}

    def note(self, key: bytes, row: Row) -> None:
        """Follow one change of the table."""
        parts = parse_registry_key(key)
        if parts is None:
            return
        living = None if row is None or row.deleted else row
        match parts.kind:
            case "key":
                self._places["key"].note(parts.id, None if living is None else parts.id)
            case "event-type":
                place = None if living is None else place_of(parts.id, _created_ms(living))
                self._places["event-type"].note(parts.id, place)
            case "subscription":
                self._note_subscription(parts.subscriber, parts.id, is_there=living is not None)
                self._note_subscriber(parts.subscriber)
            case "subscriber":
                self._recorded_at.pop(parts.subscriber, None)
                if living is not None:
                    self._recorded_at[parts.subscriber] = _created_ms(living)
                self._note_subscriber(parts.subscriber)

    def ids_of(self, subscriber: str) -> Sequence[str]:
        """List a subscriber's subscriptions, ascending."""
        return self._ids.get(subscriber, ())

    def subscribers(self) -> Sequence[str]:
        """List the places of those that have a record or a subscription, ascending."""
        return self._subscribers.ascending()

    def places_of(self, kind: RegistryKind) -> Sequence[str]:
        """List those of event types or keys, ascending."""
        return self._places[kind].ascending()

    def _note_subscriber(self, subscriber: str) -> None:
        """Place a subscriber by the oldest that it has, its record or a subscription.

        While it has anything it never moves to a younger place: a pager would miss it.
        """
        times = [created_ms(self._ids[subscriber][0])] if subscriber in self._ids else []
        if subscriber in self._recorded_at:
            times.append(self._recorded_at[subscriber])
        if not times:
            self._subscribers.note(subscriber, None)
            return
        place = place_of(subscriber, min(times))
        self._subscribers.note(subscriber, min(place, self._subscribers.get(subscriber) or place))

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
