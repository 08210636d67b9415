"""Entity tags and If-Match."""

import pytest

from gateway.preconditions import etag_of, parse_if_match


@pytest.mark.parametrize(
    ("header", "holds"),
    [
        (None, True),
        ("*", True),
        (' "3"', True),
        ('"1", "3"', True),
        ('"1" ,, "3",', True),
        ('"1"', False),
        ('"33"', False),
        ('W/"3"', False),
        ('W/"3", "3"', True),
    ],
)
def test_a_condition_holds_for_the_versions_it_names(header: str | None, holds: bool) -> None:
    """The comparison is strong: a weak tag never matches."""
    condition = parse_if_match(header)

    assert condition is not None
    assert condition.holds_for(3) is holds


@pytest.mark.parametrize("header", ["", "3", '"3', '"1" "3"', '*, "3"', "'3'", "W/3", '"a b"'])
def test_a_malformed_condition_is_told(header: str) -> None:
    """Ignoring it would overwrite what the client wanted to protect."""
    assert parse_if_match(header) is None


def test_a_version_is_written_as_a_strong_tag() -> None:
    """Quotes belong to the tag."""
    assert etag_of(3) == '"3"'


def test_only_named_versions_are_specific() -> None:
    """Only then a lost race is the client's to solve."""
    named, anything, absent = parse_if_match('"3"'), parse_if_match("*"), parse_if_match(None)

    assert [c.is_specific for c in (named, anything, absent) if c] == [True, False, False]
