"""Tests of the directory of one partition."""

import msgspec
import pytest

from fanout.directory import Directory, decode_entry
from fanout.index import Interest
from schemas.registry import registry_key
from tests.registry_keys import event_type_key
from tests.unit.fanout.events import document, event_type, put, subscription

KEY = registry_key("acme", "subscription", "sub_1")


def test_changes_show_at_the_next_look() -> None:
    """Added, changed, removed: an index never shows an older state."""
    directory = Directory()
    assert directory.index_of("acme").match("a") == ()

    put(directory, subscription())
    assert [row.id for row in directory.index_of("acme").match("a")] == ["sub_1"]

    put(directory, subscription(event_types=["b"]))
    assert directory.index_of("acme").match("a") == ()

    directory.change(KEY, None, appended_at=0)
    assert directory.index_of("acme").match("b") == ()


def test_the_append_time_is_passed_on() -> None:
    """It decides from when a subscription gets events."""
    directory = Directory()

    put(directory, subscription(enabled_at=None), appended_at=77)

    assert directory.index_of("acme").match("a")[0].enabled_at == 77


def test_subscribers_do_not_see_one_another() -> None:
    """An index holds its own subscriber's subscriptions only."""
    directory = Directory()
    put(directory, subscription("sub_1", "acme"))
    put(directory, subscription("sub_2", "other"), subscriber="other")

    assert [row.id for row in directory.index_of("acme").match("a")] == ["sub_1"]


def test_an_index_is_kept_while_only_others_change() -> None:
    """The cost of an event does not depend on other subscribers."""
    directory = Directory()
    put(directory, subscription("sub_1", "acme"))
    before = directory.index_of("acme")

    put(directory, subscription("sub_2", "other"), subscriber="other")

    assert directory.index_of("acme") is before


def test_other_kinds_of_records_change_nothing() -> None:
    """A subscriber's own record, or a tombstone for something unknown."""
    directory = Directory()
    put(directory, subscription())

    directory.change(registry_key("acme", "subscriber", "acme"), None, appended_at=0)
    directory.change(b"junk", None, appended_at=0)
    directory.change(registry_key("nobody", "subscription", "sub_9"), None, appended_at=0)

    assert len(directory.index_of("acme").match("a")) == 1


def test_entries_are_decoded_by_kind() -> None:
    """What fan-out has no use for is None."""
    record = decode_entry(KEY, document())

    assert isinstance(record, Interest)
    assert record.id == "sub_1"
    assert decode_entry(registry_key("acme", "key", "key_1"), b"{}") is None
    assert decode_entry(registry_key("acme", "event-type", "order.paid"), b"{}") is None
    named = event_type("a/b")
    assert decode_entry(event_type_key("a/b"), msgspec.json.encode(named)) == named


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"junk", b"{}"),
        (KEY, b"{}"),
        (KEY, document("sub_2")),
        (KEY, document("sub_1", "other")),
        (event_type_key("a"), b"{}"),
        (event_type_key("a"), msgspec.json.encode(event_type("b"))),
    ],
)
def test_a_broken_entry_is_refused(key: bytes, value: bytes) -> None:
    """The table then keeps the last good one."""
    with pytest.raises(ValueError, match=r"\w"):
        decode_entry(key, value)


def test_a_filter_is_compiled_once_for_a_version() -> None:
    """Events share it; a later version has its own."""
    directory = Directory()
    put(directory, subscription(filter={"type": "a"}))
    first = directory.index_of("acme").match("a")[0].wanted
    put(directory, subscription("sub_2"))

    assert first is not None
    assert directory.index_of("acme").match("a")[0].wanted is first

    put(directory, subscription(filter=None))
    assert directory.index_of("acme").match("a")[0].wanted is None


def test_a_filter_that_does_not_compile_is_told() -> None:
    """The caller alarms; the subscription stays known."""
    directory = Directory()
    broken = subscription(filter={"data.n": {"$no": 1}})

    errors = directory.change(KEY, broken, appended_at=0)

    assert [error.pointer for error in errors] == ["/data.n/$no"]
    assert directory.index_of("acme").get("sub_1") is not None
    assert directory.change(KEY, subscription(filter={}), appended_at=0) == ()
