"""Looking at the text of JSON."""

import msgspec
import pytest

from schemas.json_text import depth_of, has_duplicate_names


def test_depth_is_counted_outside_of_strings() -> None:
    """A string full of brackets is flat."""
    assert depth_of(b'{"a":"[[[\\"[[","b":[{}]}', at_most=2) == 3
    assert depth_of(b"[" * 7 + b"{}" + b"]" * 7, at_most=2) == 8
    assert depth_of(b"[[],[[]],{}]", at_most=0) == 3
    assert depth_of(b"1", at_most=0) == 0


def test_brackets_in_a_string_are_no_levels() -> None:
    """Whatever stands between the quotes, escaped quotes too."""
    assert depth_of(b'"' + b"[" * 1_000 + b'"', at_most=64) == 0
    assert depth_of(b'["' + b'\\"[' * 1_000 + b'"]', at_most=64) == 1


@pytest.mark.parametrize(
    ("text", "is_twice"),
    [
        (b"{}", False),
        (b'{"a":1,"b":2}', False),
        (b'{"a":{"b":1,"b":2}}', False),
        (b'{"a":1,"a":1}', True),
        (b'{"a":1,"\\u0061":2}', True),
        (b' { "a" : 1 , "b" : "}" , "a" : 1 } ', True),
        (b'{"a":"x\\",\\"a\\":1"}', False),
    ],
)
def test_a_name_that_comes_twice_is_found(text: bytes, is_twice: bool) -> None:
    """On the first level only: below it, it is data."""
    members = msgspec.json.decode(text, type=dict[str, msgspec.Raw])

    assert has_duplicate_names(text, {k: bytes(v) for k, v in members.items()}) is is_twice
