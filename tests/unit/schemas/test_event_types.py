"""Tests of event types: their records, and the judgement on events."""

import orjson
import pytest

from schemas.event import Event, Violation
from schemas.event_types import (
    EventTypeCatalogue,
    EventTypeRecord,
    SchemaViolation,
    check_event_type_name,
    decode_event_type,
)
from schemas.registry import parse_registry_key
from tests.registry_keys import event_type_key

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def _record(**fields: object) -> EventTypeRecord:
    record = decode_event_type(
        orjson.dumps(
            {
                "name": "order.paid",
                "version": 1,
                "schema": SCHEMA,
                "validation": "enforce",
                "created_at": "2026-01-02T03:04:05.678Z",
                "updated_at": "2026-01-02T03:04:05.678Z",
                **fields,
            }
        )
    )
    assert isinstance(record, EventTypeRecord)
    return record


def _event(data: bytes | None, name: str = "order.paid") -> Event:
    return Event(subscriber="acme", id="1", source="/s", type=name, data=data)


def _catalogue(**fields: object) -> EventTypeCatalogue:
    catalogue = EventTypeCatalogue()
    assert catalogue.change("order.paid", _record(**fields)) == []
    return catalogue


@pytest.mark.parametrize("mode", ["warn", "enforce"])
def test_a_violation_has_the_mode_of_its_type_and_a_place(mode: str) -> None:
    """Both ingest paths decide by the mode."""
    found = _catalogue(validation=mode).violations(_event(b'{"n": "SECRET"}'))

    assert found == (SchemaViolation(mode, "/n", 'does not keep type: ["integer"]'),)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        (b"not json", None),
        (b"", None),
        (b'{"n": 1}', "text/plain"),
    ],
)
def test_data_that_is_not_json_breaks_every_schema(data: bytes, content_type: str | None) -> None:
    """Even one that allows anything."""
    event = Event(
        subscriber="a", id="1", source="/s", type="order.paid", data=data,
        datacontenttype=content_type,
    )  # fmt: skip

    assert _catalogue(schema=True).violations(event) == (
        SchemaViolation("enforce", "", "the data is not JSON"),
    )


def test_an_event_without_data_is_judged_as_null() -> None:
    """The JSON format of CloudEvents does not tell the two apart."""
    assert _catalogue().violations(_event(None)) != ()
    assert _catalogue(schema={"type": ["object", "null"]}).violations(_event(None)) == ()


@pytest.mark.parametrize("fields", [{"validation": "off"}, {"schema": None}, {"deleted": True}, {}])
def test_nothing_is_judged_without_a_schema_that_counts(fields: dict[str, object]) -> None:
    """Valid data, off, no schema, deleted: no violations."""
    data = b"{}" if fields else b'{"n": 1}'

    assert _catalogue(**fields).violations(_event(data)) == ()


def test_other_types_are_not_judged() -> None:
    """A type is exact; nothing is inherited."""
    assert _catalogue().violations(_event(b"{}", "order")) == ()
    assert _catalogue().violations(_event(b"{}", "order.paid.x")) == ()


def test_a_later_version_counts_and_a_tombstone_ends_it() -> None:
    """The record read last is in force."""
    catalogue = _catalogue()
    catalogue.change("order.paid", _record(schema={"required": ["m"]}))
    assert catalogue.violations(_event(b'{"m": 1}')) == ()

    catalogue.change("order.paid", None)
    assert catalogue.violations(_event(b"[]")) == ()


def test_a_schema_that_does_not_compile_leaves_the_last_good_one() -> None:
    """As a broken record of the registry does; and it is told."""
    catalogue = _catalogue()

    errors = catalogue.change("order.paid", _record(schema={"$ref": "https://a.example/x"}))

    assert [error.pointer for error in errors] == ["/$ref"]
    assert catalogue.violations(_event(b"{}")) != ()


def test_a_cleared_catalogue_judges_nothing() -> None:
    """Until the registry was read anew."""
    catalogue = _catalogue()
    catalogue.clear()

    assert catalogue.violations(_event(b"{}")) == ()


def test_defaults_judge_nothing() -> None:
    """Whoever names no validation has none."""
    record = decode_event_type(b'{"name":"a","version":1,"created_at":"x","updated_at":"x"}')

    assert isinstance(record, EventTypeRecord)
    assert (record.validation, record.schema, record.example) == ("off", None, None)


@pytest.mark.parametrize(
    "raw", [b"", b"{}", b"\xff", b"[" * 100_000, b'{"name":"a","version":1,"schema":5}']
)
def test_a_broken_record_is_a_violation(raw: bytes) -> None:
    """Readers keep the last good one; they must not crash."""
    assert isinstance(decode_event_type(raw), Violation)


def test_the_key_of_an_event_type_lies_under_the_reserved_name() -> None:
    """No subscriber can have it, and a name may hold slashes."""
    parts = parse_registry_key(event_type_key("a/b.c"))

    assert parts is not None
    assert (parts.subscriber, parts.kind, parts.id) == ("$event-types", "event-type", "a/b.c")


@pytest.mark.parametrize(
    ("name", "is_good"),
    [("order.paid", True), ("a" * 256, True), ("a" * 257, False), ("", False), ("a b", False)],
)
def test_a_name_is_what_an_event_can_have_as_type(name: str, is_good: bool) -> None:
    """Same grammar as the attribute."""
    assert (check_event_type_name(name) is None) is is_good
