"""One request that came at once, and what is not one."""

import weakref

import pytest

from gateway.whole_request import FIELDS_MAX, SMALL_HEAD_BYTES_MAX, Boundaries, whole_request
from tests.fakes.gateway_api import ROOT_KEY
from tests.fakes.raw_http import EVENT, event_request

RAW = event_request()


def with_field(line: str) -> bytes:
    """Write an event with one more field."""
    return event_request(fields=[line])


def test_a_request_is_read_as_it_was_sent() -> None:
    """Names of fields in lower case, all else untouched."""
    request = whole_request(with_field("X-Case: MiXed"))

    assert request is not None
    assert (request.method, request.target, request.body) == (b"POST", b"/v1/events", EVENT)
    assert request.fields[b"x-case"] == b"MiXed"
    assert request.fields[b"authorization"] == f"Bearer {ROOT_KEY}".encode()


@pytest.mark.parametrize("value", ["keep-alive", "Keep-Alive"])
def test_a_connection_that_is_kept_may_say_so(value: str) -> None:
    """Many clients do, though HTTP/1.1 takes it for granted."""
    assert whole_request(with_field(f"Connection: {value}")) is not None


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        RAW[:-1],
        RAW[:40],
        RAW + b"P",
        RAW + RAW,
        RAW.replace(b"HTTP/1.1", b"HTTP/1.0"),
        RAW.replace(b"Host:", b"Hos:"),
        RAW.replace(b"\r\n", b"\n"),
        RAW.replace(b"/v1", b"/v\x01"),
        with_field("Connection: close"),
        with_field("Connection: upgrade\r\nUpgrade: h2c"),
        with_field("Content-Length: 3"),
        with_field("content-type: text/plain"),
        with_field("Folded: a\r\n b"),
        with_field("Null: \0"),
        with_field("Bad name: x"),
        with_field("Long: " + "x" * SMALL_HEAD_BYTES_MAX),
        with_field("Transfer-Encoding: chunked"),
        event_request(fields=[f"X-{n}: 1" for n in range(FIELDS_MAX)]),
    ],
)
def test_anything_else_is_none(raw: bytes) -> None:
    """A piece, two of them, an old or closing one, a doubtful one, one with a large head."""
    assert whole_request(raw) is None


@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_boundaries_are_found_in_any_pieces(step: int) -> None:
    """True exactly where a request ends."""
    chunked = RAW.replace(b"Content-Length: %d" % len(EVENT), b"Transfer-Encoding: chunked")
    chunked = chunked[: -len(EVENT)] + b"%x\r\n%s\r\n0\r\n\r\n" % (len(EVENT), EVENT)
    bare = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    followed = Boundaries()
    for raw in (RAW, chunked, bare, RAW):
        ends = [followed.feed(raw[at : at + step]) for at in range(0, len(raw), step)]

        assert ends == [False] * (len(ends) - 1) + [True]
    assert not followed.feed(bare + RAW[:9])


def test_what_is_malformed_has_no_boundary_any_more() -> None:
    """Nobody knows what comes next."""
    followed = Boundaries()

    assert not followed.feed(b"NONSENSE\r\n\r\n")
    assert not followed.feed(RAW)


def test_nothing_waits_for_the_collector() -> None:
    """It comes rarely, and each request in pieces needs one of these."""
    followed = Boundaries()
    followed.feed(RAW[:9])
    kept = weakref.ref(followed)
    whole_request(RAW)

    del followed

    assert kept() is None
