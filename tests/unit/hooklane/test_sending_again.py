"""Tests of the event that repeats a delivery."""

from types import SimpleNamespace

import pytest

from hooklane.sending_again import event_again, parse_moment
from schemas.cloudevents import decode_event
from schemas.event import Event
from schemas.ids import webhook_id

NOW_MS = 1_700_000_000_000
HEADERS = [
    ("dead_letter", b"{}"),
    ("delivery", b"{}"),
    ("ce_specversion", b"1.0"),
    ("ce_id", b"1"),
    ("ce_source", b"/s"),
    ("ce_type", b"order.paid"),
    ("ce_orderingkey", b"o-1"),
    ("content-type", b"application/json"),
    ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ("tracestate", b"a=b"),
]


def test_it_is_the_same_event_for_one_subscription() -> None:
    """Same identity, so the same webhook id; same data, byte for byte; no old trace."""
    record = SimpleNamespace(
        partition=3, offset=9, key=b"acme", value=b'{"n": 1e2}', headers=HEADERS
    )

    again = event_again(record, subscription="sub_1", topic="h.events")

    assert again is not None
    assert (again.topic, again.partition, again.key) == ("h.events", 3, b"acme")
    event = decode_event(again.key, again.value, again.headers)
    assert isinstance(event, Event)
    assert webhook_id(event.subscriber, event.source, event.id) == webhook_id("acme", "/s", "1")
    assert (event.target, event.kind, event.data) == ("sub_1", "replay", b'{"n": 1e2}')
    assert event.extensions == {"orderingkey": "o-1"}
    assert {name for name, _ in again.headers} == {
        "ce_specversion", "ce_id", "ce_source", "ce_type", "ce_orderingkey", "content-type",
        "hooklane_target", "hooklane_kind",
    }  # fmt: skip


def test_a_record_without_an_event_is_left_out() -> None:
    """A tool must not stumble over one broken record."""
    record = SimpleNamespace(partition=0, offset=0, key=None, value=b"", headers=[])

    assert event_again(record, subscription="sub_1", topic="h.events") is None


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("90s", NOW_MS - 90_000),
        ("15m", NOW_MS - 900_000),
        ("24h", NOW_MS - 86_400_000),
        ("7d", NOW_MS - 604_800_000),
        ("999999d", 0),
        ("2023-11-14T22:13:20Z", NOW_MS),
        ("yesterday", None),
        ("24", None),
        ("-1h", None),
    ],
)
def test_moments_are_read(text: str, moment: int | None) -> None:
    """How long ago, or when."""
    assert parse_moment(text, NOW_MS) == moment
