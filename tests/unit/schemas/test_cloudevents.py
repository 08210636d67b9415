"""Tests of the Kafka binding codec; the official SDK is the referee."""

import base64
from datetime import UTC, datetime

import orjson
import pytest
from cloudevents.core.bindings import kafka as sdk
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from schemas.cloudevents import (
    HOPS_UNREADABLE,
    _known_name_of,
    decode_document,
    decode_event,
    encode_event,
    trace_value,
)
from schemas.event import Event, Violation

BINARY = [
    ("ce_specversion", b"1.0"),
    ("ce_id", b"1"),
    ("ce_source", b"/s"),
    ("ce_type", b"order.paid"),
]
STRUCTURED = [("content-type", b"application/cloudevents+json; charset=utf-8")]
TRACE = b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"


def _document(**members: object) -> bytes:
    return orjson.dumps({"specversion": "1.0", "id": "1", "source": "/s", "type": "t", **members})


def _event(result: Event | Violation) -> Event:
    assert isinstance(result, Event), result
    return result


def _reason(result: Event | Violation) -> str:
    assert isinstance(result, Violation), result
    return result.reason.value


def _raw_document(data: bytes) -> bytes:
    return _document(subscriber="acme")[:-1] + b',"data":' + data + b"}"


# --- binary mode


def test_binary_mode_reads_attributes_from_headers() -> None:
    """Optional attributes and extensions are carried; the value is untouched."""
    headers = [
        *BINARY,
        ("ce_time", b"2026-01-02T03:04:05Z"),
        ("ce_subject", "grün".encode()),
        ("ce_orderingkey", b"o-1"),
        ("content-type", b"application/json"),
        ("traceparent", TRACE),
        ("something-else", b"\xff"),
    ]

    event = _event(decode_event(b"acme", b' {"a" : 1}', headers))

    assert event.data == b' {"a" : 1}'
    assert (event.time, event.subject) == ("2026-01-02T03:04:05Z", "grün")
    assert event.extensions == {"orderingkey": "o-1", "traceparent": TRACE.decode()}
    assert event.datacontenttype == "application/json"


def test_header_names_have_any_case_and_the_first_counts() -> None:
    """Two headers of one name cannot smuggle a second identity in."""
    headers = [("CE_Id", b"first"), *BINARY, ("Content-Type", b"text/plain")]

    event = _event(decode_event(b"acme", b"", headers))

    assert event.id == "first"
    assert event.datacontenttype == "text/plain"


def test_a_null_value_is_an_event_without_data() -> None:
    """Null and empty are told apart."""
    assert _event(decode_event(b"acme", None, BINARY)).data is None
    assert _event(decode_event(b"acme", b"", BINARY)).data == b""


@pytest.mark.parametrize(
    ("key", "extra", "reason"),
    [
        (None, [], "no_key"),
        (b"", [], "bad_key"),
        (b"\xff", [], "bad_key"),
        (b"$system", [], "bad_key"),
        (b"acme", [("ce_subscriber", b"other")], "key_mismatch"),
        (b"acme", [("ce_time", b"\xff")], "bad_event"),
        (b"acme", [("ce_", b"x")], "bad_event"),
        (b"acme", [("ce_a-b", b"x")], "bad_event"),
        (b"acme", [("ce_data", b"x")], "bad_event"),
        (b"acme", [("content-type", b"nonsense")], "bad_event"),
        (b"acme", [("hooklane_kind", b"odd")], "bad_event"),
    ],
)
def test_broken_records_have_a_reason(
    key: bytes | None, extra: list[tuple[str, bytes]], reason: str
) -> None:
    """The reasons are those of CONTRACT 3.1."""
    assert _reason(decode_event(key, b"{}", [*BINARY, *extra])) == reason


@pytest.mark.parametrize("missing", ["ce_specversion", "ce_id", "ce_source", "ce_type"])
def test_each_required_attribute_is_missed(missing: str) -> None:
    """A record without CloudEvents headers is no event."""
    headers = [header for header in BINARY if header[0] != missing]

    assert _reason(decode_event(b"acme", b"{}", headers)) == "missing_attribute"


def test_another_version_is_refused() -> None:
    """0.3 has other rules."""
    headers = [("ce_specversion", b"0.3"), *BINARY[1:]]

    assert _reason(decode_event(b"acme", b"{}", headers)) == "bad_event"


def test_the_subscriber_extension_may_repeat_the_key() -> None:
    """It says nothing new, so it is not forwarded."""
    event = _event(decode_event(b"acme", b"{}", [*BINARY, ("ce_subscriber", b"acme")]))

    assert event.extensions == {}


def test_a_null_header_counts_as_absent() -> None:
    """Kafka allows headers without a value."""
    headers = [*BINARY[:3], ("ce_type", None)]

    result = decode_event(b"acme", b"{}", headers)  # type: ignore[arg-type]  # as clients send it

    assert _reason(result) == "missing_attribute"


def test_a_broken_trace_is_left_out() -> None:
    """Tracing must never cost an event."""
    for broken in (b"junk", b"\xff"):
        event = _event(decode_event(b"acme", b"{}", [*BINARY, ("traceparent", broken)]))
        assert event.extensions == {}
    assert trace_value("tracestate", "a=1,b=2") == "a=1,b=2"


def test_internal_headers_name_target_and_kind() -> None:
    """Test events, redrive and replay enter through `events` (PROTOCOL L4)."""
    headers = [*BINARY, ("hooklane_target", b"sub_1"), ("hooklane_kind", b"replay")]

    event = _event(decode_event(b"acme", b"{}", headers))

    assert (event.target, event.kind) == ("sub_1", "replay")


# --- structured mode

EXOTIC = (
    b'{ "n": 1234567890123456789012345678901234567890, "b":1e99,'
    b'"b" : 0.10, "\\u0061":"\\/\\ud83d\\ude00","a":[ ] }'
)


def test_the_data_of_a_document_is_cut_out_untouched() -> None:
    """Long numbers, key order, escapes, repeated keys and spaces inside data survive."""
    event = _event(decode_event(b"acme", _raw_document(EXOTIC), STRUCTURED))

    assert event.data == EXOTIC
    assert event.datacontenttype == "application/json"
    assert _event(decode_document(_raw_document(EXOTIC))).data == EXOTIC


def test_text_data_is_the_text() -> None:
    """A string under a type that is not JSON is the content itself."""
    document = _document(subscriber="a", datacontenttype="text/plain", data='x"\n😀')

    assert _event(decode_document(document)).data == 'x"\n😀'.encode()


def test_json_strings_stay_json() -> None:
    """A string under a JSON type is a JSON document."""
    for kind in ({}, {"datacontenttype": "application/vnd.x+json"}):
        assert _event(decode_document(_document(subscriber="a", data="x", **kind))).data == b'"x"'


def test_base64_data_is_decoded() -> None:
    """Binary data travels as base64; its type is not guessed."""
    document = _document(subscriber="a", data_base64=base64.b64encode(b"\x00\xff").decode())

    event = _event(decode_document(document))

    assert event.data == b"\x00\xff"
    assert event.datacontenttype is None


def test_null_members_are_absent() -> None:
    """The JSON format says null means unset; so data null is an event without data."""
    event = _event(decode_document(_document(subscriber="a", subject=None, data=None, x=None)))

    assert (event.subject, event.data, event.extensions) == (None, None, {})


def test_integers_and_booleans_become_text() -> None:
    """Extensions have one text form in every header."""
    event = _event(decode_document(_document(subscriber="a", n=-5, yes=True, no=False)))

    assert event.extensions == {"n": "-5", "yes": "true", "no": "false"}


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "bad_json"),
        (b"[]", "bad_json"),
        (b"{", "bad_json"),
        (b"null", "bad_json"),
        (b"\xef\xbb\xbf" + _document(), "bad_json"),
        (_document() + b"x", "bad_json"),
        (_raw_document(b"NaN"), "bad_json"),
        (_raw_document(b"Infinity"), "bad_json"),
        (_raw_document(b"1e400"), "bad_json"),
        (_raw_document(b"[-1e999]"), "bad_json"),
        (_raw_document(b"9" * 4_301), "bad_json"),
        (_raw_document(b'"\\ud800"'), "bad_json"),
        (_raw_document(b'"\\udc00x"'), "bad_json"),
        (_raw_document(b'"\xff"'), "bad_json"),
        (_raw_document(b"[" * 64 + b"]" * 64), "bad_json"),
        (_raw_document(b"[" * 200_000 + b"]" * 200_000), "bad_json"),
        (_raw_document(b'1,"data":2'), "bad_json"),
        (_raw_document(b'1,"\\u0069d":"2"'), "bad_json"),
        (_raw_document(b'1,"a":1,"a":1'), "bad_json"),
        (_raw_document(b'1,"data_base64":"AA=="'), "bad_event"),
        (_document(subscriber="a", data_base64="A"), "bad_event"),
        (_document(subscriber="a", data_base64=5), "bad_event"),
        (_document(subscriber="a", x={"a": 1}), "bad_event"),
        (_document(subscriber="a", x=1.5), "bad_event"),
        (_document(subscriber="a", x=2**31), "bad_event"),
        (_document(subscriber="a", time=5), "bad_event"),
        (_document(subscriber="a", specversion=1), "bad_event"),
        (_document(subscriber="a", Upper="x"), "bad_event"),
        (_document(), "missing_attribute"),
        (b'{"specversion":"1.0","subscriber":"a"}', "missing_attribute"),
        (_document(subscriber="$a"), "bad_key"),
        (_raw_document(b'"' + b"x" * 262_143 + b'"'), "too_large"),
    ],
)
def test_broken_documents_have_a_reason(raw: bytes, reason: str) -> None:
    """What HTTP answers with 400 or 422 is told apart here."""
    assert _reason(decode_document(raw)) == reason


def test_nesting_of_64_is_allowed() -> None:
    """The envelope is the first level."""
    data = b"[" * 63 + b"]" * 63

    assert _event(decode_document(_raw_document(data))).data == data


def test_brackets_and_colons_inside_strings_do_not_count() -> None:
    """The scan knows strings and escapes."""
    data = orjson.dumps({'a":{"b': "[" * 100 + '\\":' + '"'})

    assert _event(decode_document(_raw_document(data))).data == data


@pytest.mark.parametrize(
    ("content_type", "is_read"),
    [
        (b"Application/CloudEvents+JSON", True),
        (b"application/cloudevents", True),
        (b'application/cloudevents+json; charset="UTF-8"', True),
        (b"application/cloudevents+json; charset=latin1", False),
        (b"application/cloudevents+avro", False),
        (b"application/cloudevents-batch+json", False),
    ],
)
def test_structured_mode_follows_the_content_type(content_type: bytes, is_read: bool) -> None:
    """Any case; formats other than JSON are refused, never taken for data."""
    headers = [*BINARY, ("content-type", content_type)]

    result = decode_event(b"acme", _document(data=1), headers)

    assert isinstance(result, Event) is is_read


def test_a_structured_record_must_agree_with_its_key() -> None:
    """The key decides where the event lives."""
    document = _document(subscriber="other", data=1)

    assert _reason(decode_event(b"acme", document, STRUCTURED)) == "key_mismatch"


# --- both ways, and the referee


def test_an_encoded_event_is_read_back_whole() -> None:
    """The gateway writes exactly what a direct producer would."""
    event = Event(
        subscriber="acme",
        id="1",
        source="/s",
        type="t",
        time="2026-01-02T03:04:05.1+01:00",
        subject="ü",
        dataschema="urn:x",
        datacontenttype="application/json",
        extensions={"orderingkey": "k", "traceparent": TRACE.decode(), "tracestate": "a=b"},
        data=EXOTIC,
        target="sub_1",
        kind="test",
    )

    value, headers = encode_event(event)

    assert decode_event(b"acme", value, headers) == event
    assert ("traceparent", TRACE) in headers


def _sdk_event() -> CloudEvent:
    return CloudEvent(
        attributes={
            "id": "a-1",
            "source": "/shop/ü"[:5],
            "type": "order.paid",
            "specversion": "1.0",
            "time": datetime(2026, 1, 2, 3, 4, 5, 678000, UTC),
            "subject": "größe",
            "datacontenttype": "application/json",
            "dataschema": "https://schemas.example/order",
            "orderingkey": "o-1",
        },
        data={"amount": 5, "text": "ü"},
    )


@pytest.mark.parametrize("write", [sdk.to_binary, sdk.to_structured])
def test_events_of_the_official_sdk_are_read(write: object) -> None:
    """Binary and structured records of the SDK give the same event."""
    message = write(_sdk_event(), JSONFormat(), lambda _: "acme")  # type: ignore[operator]

    event = _event(decode_event(b"acme", message.value, list(message.headers.items())))

    assert (event.id, event.source, event.type) == ("a-1", "/shop", "order.paid")
    assert event.subject == "größe"
    assert event.time == "2026-01-02T03:04:05.678000Z"
    assert event.dataschema == "https://schemas.example/order"
    assert event.extensions == {"orderingkey": "o-1"}
    assert orjson.loads(event.data or b"") == {"amount": 5, "text": "ü"}


def test_our_records_are_read_by_the_official_sdk() -> None:
    """What we write is CloudEvents to others, too."""
    event = _event(decode_event(b"acme", b'{"a":1}', [*BINARY, ("content-type", b"text/json")]))
    value, headers = encode_event(event)

    read = sdk.from_binary(sdk.KafkaMessage(dict(headers), None, value or b""), JSONFormat())

    assert read.get_id() == "1"
    assert read.get_type() == "order.paid"
    assert read.get_data() == {"a": 1}


def test_endless_header_names_are_not_remembered() -> None:
    """A producer may write megabytes of header names; the cache of names keeps short ones only."""
    before = _known_name_of.cache_info().currsize
    headers = [(f"ce_{number}" + "x" * 100, b"1") for number in range(50)]

    event = decode_event(b"acme", None, [*BINARY, *headers])

    assert isinstance(event, Violation)
    assert _known_name_of.cache_info().currsize - before <= len(BINARY)


@pytest.mark.parametrize(("counted", "hops"), [(b"3", 3), (b"0", 0), (b"junk", HOPS_UNREADABLE)])
def test_hops_go_through_every_topic_beside_the_attributes(counted: bytes, hops: int) -> None:
    """They are no extension: receivers and filters never see them."""
    event = _event(decode_event(b"acme", b"1", [*BINARY, ("hooklane_hops", counted)]))
    _, headers = encode_event(event)

    assert (event.hops, event.extensions) == (hops, {})
    assert _event(decode_event(b"acme", b"1", headers)) == event
