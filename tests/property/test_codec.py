"""Properties of the codec: total on any bytes, and lossless on events."""

import msgspec
import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.cloudevents import decode_document, decode_event, encode_event
from schemas.delivery import DeliveryEnvelope, decode_delivery, decode_retry, parse_lane
from schemas.event import Event, Violation, check_event
from schemas.http_binding import event_from_http, http_head, http_headers, structured_document
from schemas.lane_state import decode_lane, decode_window
from schemas.registry import decode_subscription, parse_registry_key

NAMES = st.one_of(
    st.sampled_from(
        [
            "ce_id",
            "ce_source",
            "ce_type",
            "ce_specversion",
            "ce_time",
            "content-type",
            "CE_ID",
            "ce_subscriber",
            "ce_orderingkey",
            "traceparent",
            "hooklane_target",
            "hooklane_kind",
            "delivery",
            "retry",
        ]
    ),
    st.text(max_size=12),
)
VALUES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [b"1.0", b"1", b"/s", b"t", b"application/json", b"application/cloudevents+json"]
    ),
)
HEADERS = st.lists(st.tuples(NAMES, VALUES), max_size=12)
SUBSCRIPTIONS = st.one_of(st.sampled_from(["sub_a", "sub_ab", "", "a/1"]), st.text(max_size=6))
LANES = st.builds(
    lambda stem, rest: stem + rest,
    SUBSCRIPTIONS,
    st.sampled_from(["/1", "/1/2", "/1/63", "/1/64", "/1/test", "/", "", "b/1", "/1\n", "/\u0661"]),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=12,
)
MEMBERS = st.sampled_from(
    [
        "specversion",
        "id",
        "source",
        "type",
        "time",
        "subject",
        "data",
        "data_base64",
        "subscriber",
        "datacontenttype",
    ]
)
DOCUMENTS = st.one_of(
    st.binary(max_size=80),
    st.dictionaries(MEMBERS | st.text(max_size=6), JSON, max_size=12).map(orjson.dumps),
)
VISIBLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=30)
PRINTABLE = st.text(
    st.characters(exclude_categories=("Cc", "Cs", "Cn"), max_codepoint=0x2FFFF),
    min_size=1,
    max_size=30,
)
EVENTS = st.builds(
    Event,
    subscriber=st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._:-]{0,20}\Z"),
    id=VISIBLE,
    source=VISIBLE,
    type=VISIBLE,
    time=st.none() | st.just("2026-01-02T03:04:05Z"),
    subject=st.none() | PRINTABLE,
    dataschema=st.none() | VISIBLE,
    datacontenttype=st.none() | st.sampled_from(["application/json", "text/plain", "a/b+json"]),
    extensions=st.dictionaries(
        st.from_regex(r"\Aext[a-z0-9]{1,8}\Z"), st.text(max_size=0) | PRINTABLE, max_size=4
    ),
    data=st.none() | st.binary(max_size=60) | JSON.map(orjson.dumps),
    target=st.none() | st.just("sub_1"),
    kind=st.none() | st.sampled_from(["test", "replay"]),
).filter(lambda event: check_event(event) is None)


@given(st.none() | st.binary(max_size=20), st.none() | DOCUMENTS, HEADERS)
def test_any_record_is_an_event_or_a_violation(
    key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]
) -> None:
    """Junk never raises, and what passes has passed every check."""
    result = decode_event(key, value, headers)

    assert isinstance(result, Event | Violation)
    if isinstance(result, Event):
        assert check_event(result) is None


@settings(max_examples=300)
@given(DOCUMENTS)
def test_any_document_is_an_event_or_a_violation(raw: bytes) -> None:
    """The same, for HTTP bodies."""
    assert isinstance(decode_document(raw), Event | Violation)


@given(st.dictionaries(st.text(max_size=12), st.text(max_size=20)), st.binary(max_size=30))
def test_any_request_is_an_event_or_a_violation(headers: dict[str, str], body: bytes) -> None:
    """Header text from the wire may hold anything."""
    named = {f"ce-{name}": value for name, value in headers.items()}

    assert isinstance(event_from_http({**headers, **named}, body), Event | Violation)


@given(DOCUMENTS, HEADERS)
def test_readers_of_our_own_records_are_total(raw: bytes, headers: list[tuple[str, bytes]]) -> None:
    """A damaged record is a value, not a crash loop."""
    decode_subscription(raw)
    decode_lane(raw)
    decode_window(raw)
    parse_registry_key(raw)
    decode_delivery([*headers, ("delivery", raw)])
    decode_retry([*headers, ("retry", raw)])
    http_headers(headers)
    structured_document(headers, raw)


@given(st.one_of(HEADERS, EVENTS.map(lambda event: encode_event(event)[1])))
def test_the_lines_of_a_head_are_the_headers(headers: list[tuple[str, bytes]]) -> None:
    """The quick way and the plain one write the same bytes, whatever a record holds."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in http_headers(headers))

    assert http_head(headers)[0] == lines.encode()


@given(SUBSCRIPTIONS, LANES)
def test_a_lane_is_read_alike_however_it_is_asked(subscription: str, lane: str) -> None:
    """A record whose lane is not its subscription's goes to quarantine, in both readings."""
    envelope = {
        "webhook_id": "msg_1", "lane": lane, "subscription": subscription, "kind": "first",
        "accepted_at": 1, "registry_offset": 0,
    }  # fmt: skip
    parsed = parse_lane(lane)

    found = decode_delivery([("delivery", msgspec.json.encode(envelope))])

    is_own = parsed is not None and parsed.subscription == subscription
    assert isinstance(found, DeliveryEnvelope) is is_own


@given(EVENTS)
def test_events_survive_the_binary_mode(event: Event) -> None:
    """Encode, then decode, gives the same event."""
    value, headers = encode_event(event)

    assert decode_event(event.subscriber.encode(), value, headers) == event


@given(EVENTS)
def test_events_survive_http(event: Event) -> None:
    """What a receiver sees in binary mode says the same as the record."""
    value, headers = encode_event(event)

    seen = event_from_http(
        {**dict(http_headers(headers)), "ce-subscriber": event.subscriber}, value or b""
    )

    assert isinstance(seen, Event)
    assert (seen.id, seen.subject, seen.extensions) == (event.id, event.subject, event.extensions)
    assert (seen.data or b"") == (value or b"")


@given(EVENTS)
def test_events_survive_a_document(event: Event) -> None:
    """What a receiver sees in structured mode gives the same data back."""
    value, headers = encode_event(event)

    document = orjson.loads(structured_document(headers, value))
    seen = decode_document(orjson.dumps({**document, "subscriber": event.subscriber}))

    assert isinstance(seen, Event)
    assert (seen.id, seen.subject, seen.extensions) == (event.id, event.subject, event.extensions)
    if value not in {None, b"null"}:
        assert seen.data == value or orjson.loads(seen.data or b"") == orjson.loads(value or b"")
