"""Tests of reading data as JSON."""

import math

import pytest

from schemas.json_data import NOT_JSON, read_json


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b' {"a": [1, 1.5, null, true]} ', {"a": [1, 1.5, None, True]}),
        (b"12345678901234567890123", 12345678901234567890123),
        (b'{"a": 1e400, "b": -1e400, "c": 2}', {"a": math.inf, "b": -math.inf, "c": 2}),
        (b"[" + b"9" * 5_000 + b"]", [math.inf]),
        (b"[-" + b"9" * 5_000 + b"]", [-math.inf]),
        (b'{"a": 1, "a": 2}', {"a": 2}),
    ],
)
def test_json_is_read(raw: bytes, value: object) -> None:
    """Numbers of any size, since JSON allows them."""
    assert read_json(raw) == value


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"NaN",
        b"[Infinity, 1e400]",
        b"\xff",
        b'"\xff"',
        b'{"\xff": 1e400}',
        b'"\\ud800"',
        b'["\\ud800", 1e400]',
        b'{"\\ud800": 1e400}',
        b"[" * 100_000,
        b"[1e400," * 100_000,
        b"\xef\xbb\xbf1",
    ],
)
def test_everything_else_is_not_json(raw: bytes) -> None:
    """And nothing raises."""
    assert read_json(raw) is NOT_JSON
