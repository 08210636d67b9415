"""Tests of how far back the dedupe window is read; the reads have an integration test."""

from fanout.event_log import SPAN_FIRST, SPAN_MAX, SPAN_MIN, next_span


def test_spans_grow_fourfold_while_events_are_small() -> None:
    """A window of 200,000 small events takes a dozen reads, not hundreds."""
    span = next_span(SPAN_FIRST, events=256, size_bytes=25_600, bytes_max=64_000_000)

    assert span == 4 * SPAN_FIRST
    assert next_span(SPAN_MAX, events=10, size_bytes=10, bytes_max=64_000_000) == SPAN_MAX


def test_spans_of_heavy_events_stay_within_the_bytes_that_are_left() -> None:
    """Else one read of a takeover could bring gigabytes."""
    span = next_span(SPAN_FIRST, events=100, size_bytes=20_000_000, bytes_max=40_000_000)

    assert span == 100


def test_a_span_is_never_too_small_to_make_progress() -> None:
    """Also when nothing was kept, or nearly nothing is left."""
    assert next_span(64, events=0, size_bytes=0, bytes_max=1024) == 256
    assert next_span(64, events=1, size_bytes=1023, bytes_max=1024) == SPAN_MIN
