"""What a body may have been."""

import base64

import pytest

from hooklane.body_changes import BODY_BYTES_MAX, originals

ORIGINAL = b'{"b":1,"a":"\xc3\xa9"}'


@pytest.mark.parametrize(
    ("arrived", "what"),
    [
        (ORIGINAL + b"\n", "newline was added"),
        (ORIGINAL + b"\r\n", "newline was added"),
        (b'{"b": 1, "a": "\xc3\xa9"}', "serialised again"),
        (b'{\n  "b": 1,\n  "a": "\\u00e9"\n}', "serialised again"),
        (b"\xef\xbb\xbf" + ORIGINAL, "byte order mark"),
        (base64.b64encode(ORIGINAL), "base64"),
        (ORIGINAL.decode("latin-1").encode(), "Latin-1"),
        (b'"{\\"b\\":1,\\"a\\":\\"\\u00e9\\"}"', "JSON string"),
    ],
)
def test_usual_changes_are_undone(arrived: bytes, what: str) -> None:
    """The original is among the candidates, under the right name."""
    found = [name for name, body in originals(arrived) if body == ORIGINAL]

    assert any(what in name for name in found), found


def test_line_ends_are_tried_both_ways() -> None:
    """CRLF made of LF, and LF made of CRLF."""
    assert b"a\r\nb" in [body for _, body in originals(b"a\nb")]
    assert b"a\nb" in [body for _, body in originals(b"a\r\nb")]


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"[" * 100_000, b"NaN", b'"\\ud800"'])
def test_anything_is_survived(body: bytes) -> None:
    """It is somebody else's input."""
    assert all(isinstance(one, bytes) for _, one in originals(body))


def test_a_huge_body_is_not_worked_on() -> None:
    """The work is bounded."""
    assert list(originals(b"x" * (BODY_BYTES_MAX + 1))) == []
