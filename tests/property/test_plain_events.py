"""The fast reading of an event agrees with the rule."""

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.cloudevents import attribute_headers, decode_event
from schemas.event import Event
from schemas.plain_events import read_plain

REQUIRED = [
    ("ce_specversion", b"1.0"),
    ("ce_id", b"evt_1"),
    ("ce_source", b"/s"),
    ("ce_type", b"order.paid"),
]
TRACEPARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
GOOD = {
    "ce_time": [b"2026-01-02T03:04:05.678Z", b"2024-02-29T23:59:60.000Z"],
    "ce_subject": [b"order/1", b"x" * 256],
    "content-type": [b"application/json", b"text/plain; charset=utf-8"],
    "ce_orderingkey": [b"customer 7"],
    "traceparent": [TRACEPARENT],
    "tracestate": [b"a=b"],
}
BAD: list[bytes] = [
    None,  # type: ignore[list-item]  # brokers give it
    b"", b" ", b"\xff", "ü".encode(), b"x" * 257, b"x" * 70_000, b"a\nb", b"0.3", b"1,",
    b"2026-02-30T03:04:05.678Z", b"2026-01-02T03:04:05.67_Z", b"2026-01-02T03:04:05.678z",
    b"2026-01-02 03:04:05.678Z", b"\xb2026-01-02T03:04:05.67Z", b"application/cloudevents+json",
    TRACEPARENT.upper(), TRACEPARENT + b"-" + b"x" * 9_000, b"test", b"sub_1",
]  # fmt: skip
NAMES = [
    *GOOD, *(name for name, _ in REQUIRED), "CE_ID", "ce_region", "ce_subscriber", "ce_data",
    "ce_dataschema", "x-other", "delivery", "hooklane_target", "hooklane_kind", "hooklane_hops",
]  # fmt: skip
RAWS = st.sampled_from(BAD) | st.sampled_from([raw for raws in GOOD.values() for raw in raws])
GOOD_PAIRS = st.sampled_from([(name, raw) for name, raws in GOOD.items() for raw in raws])
ODD_PAIRS = st.tuples(st.sampled_from(NAMES), RAWS | st.binary(max_size=30))
KEYS = st.sampled_from([b"acme", b"acme", b"", b"-a", "é".encode(), b"\xff", b"a" * 129, None])


@st.composite
def headers(draw: st.DrawFn) -> list[tuple[str, bytes]]:
    """Draw good headers, and mostly do one thing to them."""
    made = [*REQUIRED, *draw(st.lists(GOOD_PAIRS, max_size=6, unique_by=lambda pair: pair[0]))]
    at = draw(st.integers(0, len(made) - 1))
    match draw(
        st.sampled_from(["good", "bad value", "bad value", "again", "odd", "fewer", "mixed"])
    ):
        case "bad value":
            made[at] = (made[at][0], draw(RAWS))
        case "again":
            made.append((made[at][0], draw(RAWS)))
        case "odd":
            made.insert(at, draw(ODD_PAIRS))
        case "fewer":
            made.pop(at)
        case "mixed":
            made = draw(st.permutations(made))
    return made


@settings(max_examples=400)
@given(KEYS, st.sampled_from([None, b"", b"{}", b"x" * 262_144, b"x" * 262_145]), headers())
def test_what_is_read_fast_is_what_the_rule_reads(
    key: bytes | None, value: bytes | None, pairs: list[tuple[str, bytes]]
) -> None:
    """The same event, and the headers that came are the ones its deliveries would get."""
    event = read_plain(key, value, pairs)

    if event is not None:
        assert event == decode_event(key, value, pairs)
        assert sorted(pairs) == sorted(attribute_headers(event))


@given(st.lists(GOOD_PAIRS, max_size=6, unique_by=lambda pair: pair[0]))
def test_what_nearly_all_producers_write_is_read_fast(pairs: list[tuple[str, bytes]]) -> None:
    """A slow path that is always taken would hide here."""
    assert isinstance(read_plain(b"acme", b"{}", [*REQUIRED, *pairs]), Event)
