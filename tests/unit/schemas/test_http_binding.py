"""Tests of the CloudEvents HTTP binding; the official SDK is the referee."""

import orjson
import pytest
from cloudevents.core.bindings import http as sdk
from cloudevents.core.formats.json import JSONFormat

from schemas.event import Event, Violation
from schemas.http_binding import (
    event_from_http,
    http_head,
    http_headers,
    structured_document,
)

RECORD = [
    ("ce_specversion", b"1.0"),
    ("ce_id", b"1"),
    ("ce_source", b"/s"),
    ("ce_type", b"t"),
    ("ce_subject", 'Euro € 😀 "50%"'.encode()),
    ("ce_orderingkey", b"k"),
    ("ce_subscriber", b"acme"),
    ("content-type", b"application/json"),
    ("traceparent", b"00-x"),
    ("delivery", b"{}"),
    ("hooklane_target", b"sub_1"),
]
REQUEST = {
    "Ce-SpecVersion": "1.0",
    "Ce-Id": "1",
    "ce-source": "/s",
    "ce-type": "t",
    "ce-subscriber": "acme",
    "Content-Type": "application/json",
}


def test_receivers_see_attributes_percent_encoded() -> None:
    """Subscriber, trace and internal headers are not theirs."""
    headers = dict(http_headers(RECORD))

    assert headers["ce-subject"] == "Euro%20%E2%82%AC%20%F0%9F%98%80%20%2250%25%22"
    assert headers["ce-orderingkey"] == "k"
    assert set(headers) == {
        "ce-specversion",
        "ce-id",
        "ce-source",
        "ce-type",
        "ce-subject",
        "ce-orderingkey",
        "content-type",
    }


@pytest.mark.parametrize(
    "headers",
    [
        [],
        RECORD,
        [("ce_id", b"plain"), ("content-type", b"application/json; charset=utf-8")],
        [("ce_id", b""), ("ce_subscriber", b"acme"), ("traceparent", b"00-1")],
        [("ce_id", b"1"), ("ce_type", b"t"), ("content-type", b"")],
        [("ce_subscriber", b"acme")],
        [("ce_id", b"1"), ("ce_id", b"2"), ("ce_type", b"t")],
        [("ce_id", b"1"), ("ce_type", b"t"), ("content-type", b"a/b; charset=utf-8")],
        [("ce_id", b"1"), ("ce_type", b"t"), ("content-type", b"a/b"), ("content-type", b"\r\n")],
        [("ce_id", b""), ("ce_type", b"")],
        [("ce_id", b"a b"), ("content-type", b'a/b; c="%"')],
        [("ce_id", b"\xff"), ("content-type", b"a/b\r\nx: y"), ("ce_a\r\nb", b"z")],
        [("ce_" + "a" * 100, b"x"), ("ce_" + "a" * 100, b"y")],
    ],
)
def test_the_lines_of_a_head_are_the_headers(headers: list[tuple[str, bytes]]) -> None:
    """The quick way and the plain one write the same bytes."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in http_headers(headers))

    assert http_head(headers)[0] == lines.encode()


def test_the_official_sdk_reads_our_headers() -> None:
    """Percent-encoding is undone to the same text."""
    message = sdk.HTTPMessage(dict(http_headers(RECORD)), b'{"a":1}')

    event = sdk.from_binary(message, JSONFormat())

    assert event.get_subject() == 'Euro € 😀 "50%"'
    assert event.get_data() == {"a": 1}


def test_no_record_can_split_a_header() -> None:
    """A line break never reaches the wire, whoever wrote the record."""
    headers = http_headers(
        [("ce_id", b"a\r\nx: y"), ("content-type", b"a/b\r\nx: y"), ("ce_a\r\nb", b"z")]
    )

    assert headers == [("ce-id", "a%0D%0Ax:%20y")]


@pytest.mark.parametrize(
    ("content_type", "data", "member", "value"),
    [
        (b"application/json", b'{"n": 1.0}', "data", {"n": 1.0}),
        (None, b"[1]", "data", [1]),
        (None, b"junk", "data_base64", "anVuaw=="),
        (b"application/json", b"{", "data_base64", "ew=="),
        (b"application/json", b'"\xff"', "data_base64", "Iv8i"),
        (b"text/plain", "ü".encode(), "data", "ü"),
        (b"text/plain", b"\xff", "data_base64", "/w=="),
        (b"image/png", b"{}", "data_base64", "e30="),
    ],
)
def test_documents_carry_data_as_the_format_says(
    content_type: bytes | None, data: bytes, member: str, value: object
) -> None:
    """JSON as JSON, text as text, all else as base64."""
    headers = [("ce_id", b"1")]
    if content_type is not None:
        headers.append(("content-type", content_type))

    document = orjson.loads(structured_document(headers, data))

    assert document[member] == value
    assert document["id"] == "1"
    assert {"data", "data_base64"} & set(document) == {member}


def test_json_data_goes_into_a_document_as_it_is() -> None:
    """Numbers and spaces are not re-written."""
    data = b'{ "n":123456789012345678901234567890 ,"n":1e2}'

    document = structured_document(RECORD, data)

    assert data in document
    assert b"subscriber" not in document
    assert b"traceparent" not in document


def test_a_document_without_data_has_no_member_for_it() -> None:
    """Null data is absent data."""
    assert set(orjson.loads(structured_document([("ce_id", b"1")], None))) == {"id"}


def test_the_official_sdk_reads_our_documents() -> None:
    """Structured deliveries are CloudEvents to others, too."""
    message = sdk.HTTPMessage(
        {"content-type": "application/cloudevents+json"}, structured_document(RECORD, b'{"a":1}')
    )

    event = sdk.from_structured(message, JSONFormat())

    assert event.get_subject() == 'Euro € 😀 "50%"'
    assert event.get_data() == {"a": 1}


def test_a_binary_request_becomes_an_event() -> None:
    """Names in any case; percent-encoding and quotes are undone; an empty body is no data."""
    headers = {**REQUEST, "ce-subject": "gr%C3%BCn", "ce-x": '"a \\"b\\""', "X-Other": "y"}

    event = event_from_http(headers, b"")

    assert isinstance(event, Event)
    assert (event.subscriber, event.subject, event.data) == ("acme", "grün", None)
    assert event.extensions == {"x": 'a "b"'}
    assert event.datacontenttype == "application/json"


def test_a_request_carries_its_trace() -> None:
    """A broken one is left out; an extension of that name wins."""
    trace = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"

    event = event_from_http({**REQUEST, "Traceparent": trace, "tracestate": "\x00"}, b"{}")

    assert isinstance(event, Event)
    assert event.extensions == {"traceparent": trace}


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ({"ce-subject": "%zz"}, "bad_event"),
        ({"ce-subject": "%ff"}, "bad_event"),
        ({"ce-subject": "%00"}, "bad_event"),
        ({"ce-a_b": "x"}, "bad_event"),
        ({"ce-type": ""}, "bad_event"),
        ({"ce-subscriber": "$x"}, "bad_key"),
    ],
)
def test_broken_requests_have_a_reason(extra: dict[str, str], reason: str) -> None:
    """The gateway answers with it."""
    result = event_from_http({**REQUEST, **extra}, b"{}")

    assert isinstance(result, Violation)
    assert result.reason.value == reason


def test_a_request_without_subscriber_is_no_event() -> None:
    """Over HTTP the extension is the only name of the subscriber."""
    headers = {name: value for name, value in REQUEST.items() if name != "ce-subscriber"}

    result = event_from_http(headers, b"{}")

    assert isinstance(result, Violation)
    assert result.reason.value == "missing_attribute"


def test_data_above_the_limit_is_refused() -> None:
    """The limit is the gateway's setting."""
    result = event_from_http(REQUEST, b"12345", data_bytes_max=4)

    assert isinstance(result, Violation)
    assert result.reason.value == "too_large"
