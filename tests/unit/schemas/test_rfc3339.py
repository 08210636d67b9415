"""Tests of RFC 3339 reading and writing."""

import pytest

from schemas.rfc3339 import format_ms, parse_ms


@pytest.mark.parametrize(
    ("text", "epoch_ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-01-02T03:04:05.678Z", 1_767_323_045_678),
        ("2026-01-02t03:04:05.6789999z", 1_767_323_045_678),
        ("2026-01-02T05:04:05+02:00", 1_767_323_045_000),
        ("2026-01-01T23:34:05-03:30", 1_767_323_045_000),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000),
        ("2024-02-29T00:00:00.5Z", 1_709_164_800_500),
    ],
)
def test_timestamps_are_read_to_the_millisecond(text: str, epoch_ms: int) -> None:
    """Zones, fractions of any length and leap seconds are part of the grammar."""
    assert parse_ms(text) == epoch_ms


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-02",
        "2026-01-02T03:04:05",
        "2026-01-02 03:04:05Z",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-01-32T00:00:00Z",
        "2026-01-02T24:00:00Z",
        "2026-01-02T03:04:61Z",
        "2026-01-02T03:04:05.Z",
        "2026-01-02T03:04:05+24:00",
        "2026-01-02T03:04:05Z\n",
        "0000-01-01T00:00:00Z",
        "٢٠٢٦-01-02T03:04:05Z",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    """A date alone, a missing zone, an impossible day: none of them names a moment."""
    assert parse_ms(text) is None


def test_written_times_are_read_back() -> None:
    """Milliseconds survive the way out and in."""
    assert format_ms(1_767_323_045_007) == "2026-01-02T03:04:05.007Z"
    assert parse_ms(format_ms(1_767_323_045_007)) == 1_767_323_045_007
