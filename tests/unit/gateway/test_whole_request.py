"""One request that came at once, and what is not one."""

import pytest

from gateway.whole_request import HEAD_BYTES_MAX, whole_request
from tests.fakes.raw_http import EVENT, ROOT_KEY, event_request

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


def test_a_connection_that_is_kept_may_say_so() -> None:
    """Many clients do, though HTTP/1.1 takes it for granted."""
    assert whole_request(with_field("Connection: keep-alive")) is not None


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
        with_field("Long: " + "x" * HEAD_BYTES_MAX),
        with_field("Transfer-Encoding: chunked"),
    ],
)
def test_anything_else_is_none(raw: bytes) -> None:
    """A piece, two of them, an old or closing one, a doubtful one, one with a large head."""
    assert whole_request(raw) is None
