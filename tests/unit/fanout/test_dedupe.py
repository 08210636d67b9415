"""Tests of the dedupe window."""

import re
import tracemalloc

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from fanout.dedupe import DedupeWindow, Sighting, content_of, identity_of
from fanout.settings import FanoutLimits
from schemas.event import Event
from schemas.ids import event_digest

EVENT = Event(subscriber="acme", id="1", source="/s", type="t", data=b"{}")


def _window(*, span_ms: int = 1000, events_max: int = 100, bytes_max: int = 10_000) -> DedupeWindow:
    return DedupeWindow(span_ms=span_ms, events_max=events_max, bytes_max=bytes_max)


def _see(window: DedupeWindow, identity: int, content: int = 0, at_ms: int = 0) -> Sighting:
    return window.see(identity, content, at_ms=at_ms, size_bytes=10)


def test_a_repeat_is_a_duplicate_and_other_content_a_conflict() -> None:
    """A conflict does not replace what came first."""
    window = _window()

    assert _see(window, 1, 7) is Sighting.NEW
    assert _see(window, 1, 8) is Sighting.CONFLICT
    assert _see(window, 1, 7) is Sighting.DUPLICATE


def test_time_is_counted_from_the_first_sighting() -> None:
    """A repeat does not prolong the stay; the edge itself is inside."""
    window = _window(span_ms=1000)
    _see(window, 1, at_ms=0)

    assert _see(window, 1, at_ms=1000) is Sighting.DUPLICATE
    assert _see(window, 1, at_ms=1001) is Sighting.NEW


def test_the_oldest_goes_when_there_are_too_many() -> None:
    """The bound on events holds."""
    window = _window(events_max=3)
    for identity in range(4):
        _see(window, identity)

    assert len(window) == 3
    assert _see(window, 1) is Sighting.DUPLICATE
    assert _see(window, 0) is Sighting.NEW


def test_the_oldest_goes_when_they_weigh_too_much() -> None:
    """The bound on bytes of log is what a takeover has to read."""
    window = _window(bytes_max=35)
    for identity in range(5):
        _see(window, identity)

    assert window.log_bytes == 30
    assert _see(window, 1) is Sighting.NEW


def test_an_event_above_the_byte_bound_is_forgotten_at_once() -> None:
    """The bound is never passed, not even by one."""
    window = _window(bytes_max=5)

    assert _see(window, 1) is Sighting.NEW
    assert len(window) == 0


def test_a_long_life_keeps_the_queue_short() -> None:
    """The columns are compacted; what they hold stays right."""
    window = _window(events_max=50)
    for identity in range(20_000):
        assert _see(window, identity) is Sighting.NEW

    assert len(window) == 50
    assert window.log_bytes == 500
    assert _see(window, 19_950) is Sighting.DUPLICATE


def test_a_full_window_takes_the_memory_that_its_setting_names() -> None:
    """After events have come and gone, which is when it is largest."""
    limits = FanoutLimits()
    said = FanoutLimits.model_fields["dedupe_events"].description or ""
    each = int(re.findall(r"about (\d+) bytes each", said)[0])
    tracemalloc.start()
    try:
        window = _window(events_max=limits.dedupe_events, bytes_max=limits.dedupe_bytes)
        for number in range(2 * limits.dedupe_events):
            spread = number * 0x9E3779B97F4A7C15 % 2**64
            _see(window, spread, spread >> 1)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert 0.9 * each < held / len(window) <= each


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 1), st.integers(0, 3)), max_size=60),
    st.integers(1, 6),
)
def test_the_window_agrees_with_a_simple_model(
    sightings: list[tuple[int, int, int]], events_max: int
) -> None:
    """A list of (identity, content, time) that is searched from the front says the same."""
    window = _window(span_ms=5, events_max=events_max)
    model: list[tuple[int, int, int]] = []
    now = 0
    for identity, content, step in sightings:
        now += step
        model = [entry for entry in model if entry[2] >= now - 5]
        known = next((entry for entry in model if entry[0] == identity), None)
        if known is None:
            expected = Sighting.NEW
            model = [*model, (identity, content, now)][-events_max:]
        else:
            expected = Sighting.DUPLICATE if known[1] == content else Sighting.CONFLICT
        assert _see(window, identity, content, now) is expected
        assert len(window) == len(model)


def test_the_identity_is_a_part_of_what_names_the_event() -> None:
    """The digest of subscriber, source and id, as far as 64 bits go."""
    digest = event_digest("acme", "/s", "1")

    assert identity_of(digest) == int.from_bytes(digest, "big") >> 64


def test_content_is_everything_but_trace_context() -> None:
    """Two sends of one event may be traced apart."""
    traced = msgspec.structs.replace(EVENT, extensions={"traceparent": "x", "tracestate": "y"})
    others = [
        msgspec.structs.replace(EVENT, data=None),
        msgspec.structs.replace(EVENT, data=b""),
        msgspec.structs.replace(EVENT, type="u"),
        msgspec.structs.replace(EVENT, time="2026-01-02T03:04:05Z"),
        msgspec.structs.replace(EVENT, subject="t"),
        msgspec.structs.replace(EVENT, dataschema="t"),
        msgspec.structs.replace(EVENT, datacontenttype="a/b"),
        msgspec.structs.replace(EVENT, extensions={"a": "b"}),
    ]

    assert content_of(traced) == content_of(EVENT)
    assert len({content_of(other) for other in [EVENT, *others]}) == 9


def test_the_order_of_extensions_does_not_matter() -> None:
    """Header order is no content."""
    one = msgspec.structs.replace(EVENT, extensions={"a": "1", "b": "2"})
    two = msgspec.structs.replace(EVENT, extensions={"b": "2", "a": "1"})

    assert content_of(one) == content_of(two)
