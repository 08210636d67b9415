"""What is kept of registry records, and the lists made of them."""

import orjson
import pytest

from gateway.kafka_registry import encode_change
from gateway.paging import name_at, place_of
from gateway.registry_rows import Places, RegistryIndex, Row, decode_row
from gateway.subscriptions import Change
from schemas.api_keys import ApiKeyRecord
from schemas.event_types import EventTypeRecord
from schemas.ids import id_of
from schemas.registry import SubscriptionRecord, registry_key
from schemas.rfc3339 import parse_ms
from schemas.subscribers import SubscriberRecord, subscriber_key
from tests.contract.gateway import SEALED, raw_record
from tests.fakes.gateway import VAULT
from tests.registry_keys import api_key_key, event_type_key

KEY = registry_key("acme", "subscription", "sub_1")
TIMES = {"created_at": "2026-01-01T00:00:00.000Z", "updated_at": "2026-01-01T00:00:00.000Z"}


def row_of(*, deleted: bool = False) -> Row:
    """Make the row of `sub_1`."""
    _, value, _ = encode_change(Change(raw_record("sub_1", deleted=deleted), SEALED), VAULT)
    return decode_row(KEY, value)


def subscriber_row(*, deleted: bool = False) -> Row:
    """Make the row of the subscriber `acme`."""
    raw = {"subscriber": "acme", "version": 1, "deleted": deleted, **TIMES}
    return decode_row(subscriber_key("acme"), orjson.dumps(raw))


@pytest.mark.parametrize(
    ("key", "raw", "kind"),
    [
        (KEY, raw_record("sub_1", sealed="", later=1), SubscriptionRecord),
        (subscriber_key("acme"), {"subscriber": "acme", "version": 1, **TIMES}, SubscriberRecord),
        (event_type_key("a/b"), {"name": "a/b", "version": 1, **TIMES}, EventTypeRecord),
        (
            api_key_key("key_1"),
            {"id": "key_1", "name": "n", "version": 1, "scopes": [], "digest": "", **TIMES},
            ApiKeyRecord,
        ),
    ],
)
def test_every_kind_is_read_with_its_bytes(
    key: bytes, raw: dict[str, object], kind: type[object]
) -> None:
    """The bytes are what a writer edits; one that names another place is broken."""
    value = orjson.dumps(raw)

    row = decode_row(key, value)

    assert row is not None
    assert isinstance(row.record, kind)
    assert row.value == value
    assert row.stored(appended_at=7).raw() == raw
    assert row.stored(appended_at=7).appended_at == 7
    with pytest.raises(ValueError, match="another place"):
        decode_row(key + b"x", value)


def test_what_is_no_record_of_ours_is_passed_over() -> None:
    """A later version may add kinds."""
    assert decode_row(b"junk", b"") is None
    assert decode_row(b"acme/future/1", b"{}") is None


@pytest.mark.parametrize("kind", ["subscription", "subscriber", "event-type", "key"])
def test_a_record_that_cannot_be_read_is_told_to_the_table(kind: str) -> None:
    """It keeps the last good one and alarms."""
    with pytest.raises(ValueError, match="cannot be read"):
        decode_row(f"acme/{kind}/x".encode(), b"{}")


def test_the_index_follows_the_table() -> None:
    """Repeats, deletions and tombstones in any order leave it right and empty at the end."""
    index = RegistryIndex()

    index.note(KEY, row_of())
    index.note(KEY, row_of())
    index.note(subscriber_key("acme"), None)
    assert list(index.ids_of("acme")) == ["sub_1"]
    assert [name_at(place) for place in index.subscribers()] == ["acme"]

    index.note(KEY, row_of(deleted=True))
    index.note(KEY, None)
    assert list(index.ids_of("acme")) == []
    assert list(index.subscribers()) == []

    index.note(KEY, row_of())
    index.note(KEY, None)
    assert index._ids == {}


def test_a_subscriber_is_there_by_its_record_or_a_subscription() -> None:
    """It is gone when both are."""
    index = RegistryIndex()

    index.note(subscriber_key("acme"), subscriber_row())
    index.note(KEY, row_of())
    index.note(subscriber_key("acme"), subscriber_row(deleted=True))
    assert [name_at(place) for place in index.subscribers()] == ["acme"]

    index.note(KEY, None)
    assert list(index.subscribers()) == []


def test_places_are_ascending_whatever_came_first() -> None:
    """Also after one went, or moved."""
    places = Places()
    for name, place in (("b", "2 b"), ("c", "1 c"), ("a", "3 a"), ("b", "2 b")):
        places.note(name, place)
    assert list(places.ascending()) == ["1 c", "2 b", "3 a"]

    places.note("b", None)
    places.note("x", None)
    places.note("a", "0 a")

    assert list(places.ascending()) == ["0 a", "1 c"]


def note_subscription(index: RegistryIndex, made_at: int, *, is_there: bool = True) -> None:
    """Let `acme` have a subscription of a time, or no more."""
    name = id_of("sub", made_at.to_bytes(6, "big") + bytes(10))
    key = registry_key("acme", "subscription", name)
    _, value, _ = encode_change(Change(raw_record(name), SEALED), VAULT)
    index.note(key, decode_row(key, value) if is_there else None)


RECORDED_AT = parse_ms(TIMES["created_at"]) or 0


@pytest.mark.parametrize("first_at", [RECORDED_AT - 5, RECORDED_AT + 5])
def test_a_subscriber_is_as_old_as_the_oldest_that_it_has(first_at: int) -> None:
    """Its record, or a subscription, whose id says when it was made."""
    index = RegistryIndex()
    for made_at in (first_at, first_at + 3):
        note_subscription(index, made_at)
    assert list(index.subscribers()) == [place_of("acme", first_at)]

    index.note(subscriber_key("acme"), subscriber_row())
    assert list(index.subscribers()) == [place_of("acme", min(first_at, RECORDED_AT))]


def test_a_subscriber_never_becomes_younger() -> None:
    """Somebody who pages would miss it; when all is gone it is another one."""
    index = RegistryIndex()
    for made_at in (10, 20):
        note_subscription(index, made_at)
    note_subscription(index, 10, is_there=False)
    assert list(index.subscribers()) == [place_of("acme", 10)]

    note_subscription(index, 20, is_there=False)
    note_subscription(index, 30)
    assert list(index.subscribers()) == [place_of("acme", 30)]
