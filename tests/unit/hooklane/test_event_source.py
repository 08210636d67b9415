"""Events from flags, files and lines."""

import json

import pytest

from hooklane.event_source import (
    BATCH_ITEMS_MAX,
    SourceInvalid,
    batches,
    compose_event,
    joined,
    read_events,
)


def test_data_goes_in_as_it_stands() -> None:
    """No round trip: digits and blanks survive."""
    events = compose_event({"subscriber": "a", "type": 'q"t'}, b' {"n": 1.10e400000} ')

    assert events.items == (b'{"subscriber":"a","type":"q\\"t","data":{"n": 1.10e400000}}',)


@pytest.mark.parametrize("data", [b"hello", b"{", b"", b'{"a":"\xff"}', b"1 2"])
def test_data_that_is_no_json_is_refused(data: bytes) -> None:
    """With the remedy."""
    with pytest.raises(SourceInvalid, match="quotes"):
        compose_event({}, data)


@pytest.mark.parametrize(
    ("raw", "count", "is_single"),
    [
        (b'{"a":1}', 1, True),
        (b'{\n "a": 1\n}\n', 1, True),
        (b'\xef\xbb\xbf{"a":1}', 1, True),
        (b'[{"a":1}]', 1, False),
        (b'[{"a":1},{"b":2}]', 2, False),
        (b'{"a":1}\n\n{"b":2}\r\n', 2, False),
    ],
)
def test_forms_of_a_file(raw: bytes, count: int, is_single: bool) -> None:
    """One object is one event; arrays and lines are batches."""
    events = read_events(raw)

    assert (len(events.items), events.is_single) == (count, is_single)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b" \n", "no event"),
        (b"[", "array"),
        (b"[]", "empty"),
        (b"[1]", "item 0"),
        (b'{"a":1}\nnull', "line 2"),
        (b"nonsense", "line 1"),
        (b'\n\n{"a":1}\n\nnull', "line 5"),
        (b'{"subscriber":"d200","type":"a","\xff":1}\n', "line 1 is not UTF-8"),
        (b'{"a":1}\n{"a":"\xff"}\n', "line 2 is not UTF-8"),
        (b'\n[{"a":1},\n{"\xff":1}]', "line 3 is not UTF-8"),
        (b'{"a":1}\r\n\r{"a":\r"\xff"}\n', "line 4 is not UTF-8"),
        (b'{"a":1}\r\n\r{"a":\r1}\n', "line 3 is not a JSON object"),
        (b'{"a":' * 9_000, "line 1"),
    ],
)
def test_what_is_no_event_is_placed(raw: bytes, said: str) -> None:
    """Which line or item, without its content."""
    with pytest.raises(SourceInvalid, match=said) as caught:
        read_events(raw)

    assert "nonsense" not in str(caught.value)


def test_cloudevents_are_told_by_specversion() -> None:
    """They need another media type."""
    assert read_events(b'{"specversion":"1.0"}').is_cloudevents
    assert not read_events(b'{"subscriber":"a"}').is_cloudevents


def test_batches_keep_count_and_bytes() -> None:
    """Nothing is lost, order is kept, no batch is above a bound."""
    items = [b'{"n":%d}' % n for n in range(BATCH_ITEMS_MAX + 5)]
    large = [b"x" * 3_000_000, b"y" * 3_000_000]

    cut = list(batches(items))

    assert [len(one) for one in cut] == [BATCH_ITEMS_MAX, 5]
    assert [item for one in cut for item in one] == items
    assert [len(one) for one in batches(large)] == [1, 1]
    assert json.loads(joined(cut[1]))[0] == {"n": BATCH_ITEMS_MAX}
