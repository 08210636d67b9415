"""Pasted requests."""

import pytest

from hooklane.captures import CaptureInvalid, parse_capture, parse_headers

WANTED = [("webhook-id", "msg_1"), ("X", "a: b")]


@pytest.mark.parametrize(
    "text",
    [
        "webhook-id: msg_1\nX: a: b\n",
        "POST /hooks HTTP/1.1\r\nwebhook-id: msg_1\r\nX: a: b",
        "> webhook-id: msg_1\n> X: a: b",
        "webhook-id=msg_1\nX=a: b",
        '{"webhook-id": "msg_1", "X": ["a: b"]}',
    ],
)
def test_headers_as_people_have_them(text: str) -> None:
    """Raw, with the request line, as curl -v prints them, as JSON of a log."""
    assert parse_headers(text.encode()) == WANTED


@pytest.mark.parametrize("blank", [b"\n\n", b"\r\n\r\n"])
def test_the_body_is_all_after_the_empty_line(blank: bytes) -> None:
    """To the last byte, further empty lines included."""
    capture = parse_capture(b"a: 1" + blank + b"{}\n\nx\r\n\r\n")

    assert capture.headers == [("a", "1")]
    assert capture.body == b"{}\n\nx\r\n\r\n"


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"a: 1", "no empty line"),
        (b"nonsense\n\n{}", "line 1"),
        (b"{\n\n", "JSON"),
        (b'{"a":' * 9_000 + b"\n\n", "JSON"),
    ],
)
def test_what_is_no_request_is_placed(raw: bytes, said: str) -> None:
    """One line that says where."""
    with pytest.raises(CaptureInvalid, match=said):
        parse_capture(raw)
