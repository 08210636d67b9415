"""Tests of what is read in one pass; tests/property/test_plain_events.py holds it to the rule."""

import pytest

from schemas.event import Event
from schemas.plain_events import read_plain

REQUIRED = [("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_source", b"/s"), ("ce_type", b"t")]


def test_the_common_shape_is_read() -> None:
    """As the gateway and the usual libraries write it."""
    optional = [
        ("ce_time", b"2026-01-02T03:04:05.678Z"),
        ("ce_subject", b"order/1"),
        ("content-type", b"application/json"),
        ("ce_orderingkey", b"k"),
        ("tracestate", b"a=b"),
    ]

    assert read_plain(b"acme", b"{}", [*REQUIRED, *optional]) == Event(
        subscriber="acme",
        id="1",
        source="/s",
        type="t",
        time="2026-01-02T03:04:05.678Z",
        subject="order/1",
        datacontenttype="application/json",
        extensions={"orderingkey": "k", "tracestate": "a=b"},
        data=b"{}",
    )


@pytest.mark.parametrize(
    "more",
    [
        ("ce_id", b"2"),
        ("ce_region", b"eu"),
        ("ce_time", b"2026-02-29T03:04:05.678Z"),
        ("ce_time", b"2026-01-02T03:04:05+01:00"),
        ("ce_time", b"2026-01-02T03:04:05.67_Z"),
        ("ce_subject", "ü".encode()),
        ("content-type", b"application/cloudevents+json"),
        ("content-type", None),
        ("hooklane_target", b"sub_1"),
        ("x-other", b"1"),
        ("ce_subject", None),
        ("ce_orderingkey", b""),
        ("ce_orderingkey", b"k" * 257),
        ("traceparent", b"junk"),
    ],
)
def test_what_is_rare_or_broken_is_left_to_the_rule(more: tuple[str, bytes]) -> None:
    """Good or not, it needs a closer look."""
    assert read_plain(b"acme", b"{}", [*REQUIRED, more]) is None


@pytest.mark.parametrize("name", ["ce_time", "content-type"])
def test_a_repeated_header_is_left_to_the_rule(name: str) -> None:
    """The first one counts there; both would be carried on here."""
    raw = b"2026-01-02T03:04:05.678Z" if name == "ce_time" else b"text/plain"

    assert read_plain(b"acme", b"{}", [*REQUIRED, (name, raw)]) is not None
    assert read_plain(b"acme", b"{}", [*REQUIRED, (name, raw), (name, raw)]) is None


@pytest.mark.parametrize("at", range(4))
@pytest.mark.parametrize("raw", [None, b"", b"\xff", b" "])
def test_a_required_attribute_that_is_broken_is_left_to_the_rule(at: int, raw: bytes) -> None:
    """Also one that is absent, or in another place."""
    name = REQUIRED[at][0]
    broken = [(name, raw) if pair[0] == name else pair for pair in REQUIRED]

    assert read_plain(b"acme", b"{}", broken) is None
    assert read_plain(b"acme", b"{}", REQUIRED[:at] + REQUIRED[at + 1 :]) is None
    assert read_plain(b"acme", b"{}", [*REQUIRED[1:], REQUIRED[0]]) is None


@pytest.mark.parametrize("key", [None, b"", b"-acme", "é".encode(), b"a" * 129, b"\xff"])
def test_a_broken_key_is_left_to_the_rule(key: bytes | None) -> None:
    """It says what is wrong with it."""
    assert read_plain(key, b"{}", REQUIRED) is None


def test_names_of_any_length_are_not_kept() -> None:
    """A producer that writes ever new sources must not fill the memory."""
    source = ("ce_source", b"/" * 1_100)

    assert read_plain(b"acme", b"{}", [*REQUIRED[:2], source, REQUIRED[3]]) is None
