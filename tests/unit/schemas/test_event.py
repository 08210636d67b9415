"""Tests of the checks every ingest path shares."""

import msgspec
import pytest

from schemas.event import ATTRIBUTE_BYTES_MAX, Event, check_event, check_subscriber, is_ordinary
from schemas.quarantine import QuarantineReason

EVENT = Event(subscriber="acme", id="1", source="/s", type="order.paid")


def _reason(event: Event) -> str | None:
    violation = check_event(event)
    assert violation is None or not is_ordinary(event)
    return None if violation is None else violation.reason.value


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"id": "x" * 256, "source": "s" * 512, "type": "t" * 256},
        {"time": "2026-01-02T03:04:05Z", "subject": "grüße 1", "dataschema": "urn:x"},
        {"datacontenttype": "application/json; charset=utf-8"},
        {"datacontenttype": 'text/plain; a="b c";d=e'},
        {"extensions": {"orderingkey": "k" * 256, "n0": ""}},
        {"data": b"x" * 262_144},
        {"data": b""},
        {"target": "sub_01abc", "kind": "test"},
        {"kind": "replay"},
    ],
)
def test_events_within_the_contract_pass(fields: dict[str, object]) -> None:
    """The limits themselves are allowed."""
    assert _reason(msgspec.structs.replace(EVENT, **fields)) is None


def test_most_events_need_no_closer_look() -> None:
    """An id, a source, a type and data; anything more is looked at, good or not."""
    ordinary = msgspec.structs.replace(EVENT, datacontenttype="application/json", data=b"{}")

    assert is_ordinary(EVENT)
    assert is_ordinary(ordinary)
    assert not is_ordinary(ordinary, data_bytes_max=1)
    assert not is_ordinary(msgspec.structs.replace(EVENT, subject="s"))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"subscriber": "$x"}, "bad_key"),
        ({"id": ""}, "bad_event"),
        ({"id": "x" * 257}, "bad_event"),
        ({"id": "a b"}, "bad_event"),
        ({"id": "a\r\nb"}, "bad_event"),
        ({"type": "t" * 257}, "bad_event"),
        ({"type": "ü"}, "bad_event"),
        ({"source": "s" * 513}, "bad_event"),
        ({"source": ""}, "bad_event"),
        ({"time": "yesterday"}, "bad_event"),
        ({"subject": ""}, "bad_event"),
        ({"subject": "a\nb"}, "bad_event"),
        ({"subject": "\ud800"}, "bad_event"),
        ({"dataschema": ""}, "bad_event"),
        ({"datacontenttype": ""}, "bad_event"),
        ({"datacontenttype": "json"}, "bad_event"),
        ({"datacontenttype": "a/b\r\nx: y"}, "bad_event"),
        ({"datacontenttype": "a/b; c=" + "d" * 256}, "bad_event"),
        ({"extensions": {"Bad": "x"}}, "bad_event"),
        ({"extensions": {"": "x"}}, "bad_event"),
        ({"extensions": {"a": "\x00"}}, "bad_event"),
        ({"extensions": {"subscriber": "x"}}, "bad_event"),
        ({"extensions": {"data": "x"}}, "bad_event"),
        ({"extensions": {"orderingkey": "k" * 257}}, "bad_event"),
        ({"extensions": {"orderingkey": ""}}, "bad_event"),
        ({"extensions": {f"e{n}": "" for n in range(65)}}, "bad_event"),
        ({"extensions": {"a": "x" * 8193}}, "bad_event"),
        ({"target": "sub/../x"}, "bad_event"),
        ({"kind": "first"}, "bad_event"),
        ({"data": b"x" * 262_145}, "too_large"),
        ({"extensions": {f"e{n}": "x" * 8000 for n in range(5)}}, "too_large"),
    ],
)
def test_events_outside_the_contract_are_refused(fields: dict[str, object], reason: str) -> None:
    """Each rule of CONTRACT 3.1 has its reason."""
    assert _reason(msgspec.structs.replace(EVENT, **fields)) == reason


def test_a_violation_never_echoes_what_the_event_held() -> None:
    """Payloads may be secret; the detail goes to logs and answers."""
    violation = check_event(msgspec.structs.replace(EVENT, id="top secret"))

    assert violation is not None
    assert violation.reason is QuarantineReason.BAD_EVENT
    assert "secret" not in violation.detail


def test_attributes_are_counted_in_bytes() -> None:
    """Two-byte characters count twice: receivers see them percent-encoded."""
    values = {f"e{n}": "ü" * (ATTRIBUTE_BYTES_MAX // 8) for n in range(4)}

    assert _reason(msgspec.structs.replace(EVENT, extensions=values)) == "too_large"


@pytest.mark.parametrize("name", ["a", "A.b_c:d-e", "0" * 128])
def test_subscribers_within_the_grammar_pass(name: str) -> None:
    """Tenant ids of all usual kinds fit."""
    assert check_subscriber(name) is None


@pytest.mark.parametrize("name", ["", "$x", "-a", "a/b", "a b", "é", "0" * 129, "a\n"])
def test_other_subscribers_are_refused(name: str) -> None:
    """A slash would break registry keys; a dollar is reserved."""
    assert check_subscriber(name) is not None


def test_the_ordering_key_is_an_extension() -> None:
    """It is forwarded like any other."""
    assert EVENT.ordering_key is None
    event = msgspec.structs.replace(EVENT, extensions={"orderingkey": "k"})
    assert event.ordering_key == "k"
