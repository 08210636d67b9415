"""What may become an event, in all four forms."""

import orjson
import pytest
from multidict import CIMultiDict

from gateway.admission import (
    Ambience,
    admit_binary,
    admit_native,
    admit_structured,
    parse_idempotency_key,
    parse_traces,
)
from gateway.problems import Code, Problem
from schemas.event import Event
from schemas.ids import idempotent_event_id

NOW_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def ambience(
    key: str | None = None, traces: dict[str, str] | None = None, data_bytes_max: int = 262_144
) -> Ambience:
    """Make a surrounding with a fixed time and id."""
    return Ambience(
        now_ms=NOW_MS,
        fresh_event_id=lambda: "evt_fresh",
        idempotency_key=key,
        traces=traces or {},
        data_bytes_max=data_bytes_max,
    )


def native(**fields: object) -> bytes:
    """Write a native body with what is required."""
    return orjson.dumps({"subscriber": "acme", "type": "order.paid", **fields})


def structured(**fields: object) -> bytes:
    """Write a structured CloudEvent with what is required."""
    required = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "subscriber": "acme"}
    return orjson.dumps(required | fields)


def test_a_native_event_needs_subscriber_and_type_only() -> None:
    """Id and source have defaults; without data there is no content type."""
    event = admit_native(native(), ambience())

    assert event == Event(subscriber="acme", id="evt_fresh", source="/hooklane", type="order.paid")


def test_a_native_event_may_say_everything() -> None:
    """Each field lands in its attribute, the data untouched."""
    body = (
        b'{"subscriber":"acme","type":"order.paid","data": {"n":1e2, "m":18446744073709551617} ,'
        b'"id":"e1","source":"/shop","time":"2026-01-01T00:00:00Z","subject":"o/1",'
        b'"ordering_key":"k"}'
    )

    event = admit_native(body, ambience())

    assert event == Event(
        subscriber="acme",
        id="e1",
        source="/shop",
        type="order.paid",
        time="2026-01-01T00:00:00Z",
        subject="o/1",
        datacontenttype="application/json",
        extensions={"orderingkey": "k"},
        data=b'{"n":1e2, "m":18446744073709551617}',
    )


@pytest.mark.parametrize(
    ("fields", "pointers"),
    [
        ({"subscriber": None}, ["/subscriber"]),
        ({"subscriber": "$internal"}, ["/subscriber"]),
        ({"subscriber": "a b"}, ["/subscriber"]),
        ({"subscriber": "a" * 129}, ["/subscriber"]),
        ({"subscriber": 1}, ["/subscriber"]),
        ({"type": None}, ["/type"]),
        ({"type": ""}, ["/type"]),
        ({"type": "a b"}, ["/type"]),
        ({"type": "é"}, ["/type"]),
        ({"type": "a" * 257}, ["/type"]),
        ({"type": ["a"]}, ["/type"]),
        ({"id": ""}, ["/id"]),
        ({"id": "a" * 257}, ["/id"]),
        ({"id": "a\n"}, ["/id"]),
        ({"source": "a" * 513}, ["/source"]),
        ({"subject": ""}, ["/subject"]),
        ({"subject": "a" * 1025}, ["/subject"]),
        ({"subject": "a\u0000"}, ["/subject"]),
        ({"ordering_key": "a\n"}, ["/ordering_key"]),
        ({"ordering_key": ""}, ["/ordering_key"]),
        ({"ordering_key": "a" * 257}, ["/ordering_key"]),
        ({"ordering_key": 7}, ["/ordering_key"]),
        ({"time": "yesterday"}, ["/time"]),
        ({"time": "2026-01-02T00:00:01Z"}, ["/time"]),
        ({"time": "9999-12-31T23:59:59Z"}, ["/time"]),
        ({"time": 1767225600}, ["/time"]),
        ({"orderingkey": "k", "a/b": 1}, ["/orderingkey", "/a~1b"]),
        ({"hooklane_target": "sub_1"}, ["/hooklane_target"]),
        ({"type": "", "id": ""}, ["/type", "/id"]),
    ],
)
def test_each_broken_field_is_named(fields: dict[str, object], pointers: list[str]) -> None:
    """All of them at once, so that a producer is mended once."""
    problem = admit_native(native(**fields), ambience())

    assert isinstance(problem, Problem)
    assert problem.code is Code.VALIDATION_FAILED
    assert [error.pointer for error in problem.errors] == pointers
    assert "orderingkey" not in problem.detail.partition(":")[2]


@pytest.mark.parametrize(
    "time", ["1970-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2016-12-31T23:59:60Z"]
)
def test_old_times_leap_seconds_and_clocks_a_day_ahead_are_fine(time: str) -> None:
    """The time of an event is data; nothing is ordered by it."""
    assert isinstance(admit_native(native(time=time), ambience()), Event)


def test_null_stands_for_absent() -> None:
    """Generated clients send every field."""
    body = native(id=None, source=None, time=None, subject=None, ordering_key=None, data=None)

    event = admit_native(body, ambience())

    assert event == Event(subscriber="acme", id="evt_fresh", source="/hooklane", type="order.paid")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'{"subscriber":"acme","subscriber":"evil","type":"t"}',
        b'{"subscriber":"acme","type":"t","data":' + b"[" * 64 + b"]" * 64 + b"}",
        b'{"subscriber":"acme","type":"t","data":NaN}',
        b'{"subscriber":"acme","type":"t","data":"\\ud800"}',
    ],
)
def test_what_is_not_strict_json_is_told_apart(body: bytes) -> None:
    """400, not 422: nobody can say what was meant."""
    for admit in (admit_native, admit_structured):
        problem = admit(body, ambience())
        assert isinstance(problem, Problem)
        assert problem.code is Code.INVALID_JSON


@pytest.mark.parametrize(("size", "is_taken"), [(100, True), (101, False)])
def test_data_has_a_limit_in_bytes(size: int, is_taken: bool) -> None:
    """The very bytes count, quotes included."""
    outcome = admit_native(native(data="x" * (size - 2)), ambience(data_bytes_max=100))

    assert isinstance(outcome, Event) is is_taken
    if isinstance(outcome, Problem):
        assert outcome.code is Code.TOO_LARGE


def test_an_idempotency_key_decides_the_id() -> None:
    """The same key gives the same event; another subscriber's gives another one."""
    key = "K" * 10

    first = admit_native(native(), ambience(key))
    again = admit_native(native(), ambience(key))
    other = admit_native(native(source="/x"), ambience(key))

    assert isinstance(first, Event)
    assert isinstance(other, Event)
    assert first == again
    assert first.id == idempotent_event_id("acme", "/hooklane", key)
    assert first.id != other.id


def test_an_id_wins_over_an_idempotency_key() -> None:
    """The producer's own id is the identity wherever the event comes from."""
    event = admit_native(native(id="mine"), ambience("key"))

    assert isinstance(event, Event)
    assert event.id == "mine"


def test_items_of_a_batch_do_not_share_an_id() -> None:
    """One key for the request is one identity per place, the same when it is repeated."""
    ids = [
        event.id
        for index in (0, 1, 0)
        if isinstance(event := admit_native(native(), ambience("key"), index=index), Event)
    ]

    assert ids[0] == ids[2] != ids[1]


@pytest.mark.parametrize("value", ["", "a b", "é", "a" * 257, "a\n"])
def test_a_broken_idempotency_key_is_a_bad_header(value: str) -> None:
    """A key that a proxy may change would not be one."""
    problem = parse_idempotency_key(value)

    assert isinstance(problem, Problem)
    assert problem.code is Code.INVALID_REQUEST


def test_idempotency_keys_are_optional() -> None:
    """Most requests have none."""
    assert parse_idempotency_key(None) is None
    assert parse_idempotency_key("a" * 256) == "a" * 256


def test_a_structured_event_keeps_its_data_and_extensions() -> None:
    """The subscriber is an extension on the way in and none afterwards."""
    body = structured(orderingkey="k").replace(b"}", b',"data":{"n":1e2}}')

    event = admit_structured(body, ambience())

    assert event == Event(
        subscriber="acme",
        id="1",
        source="/s",
        type="t",
        datacontenttype="application/json",
        extensions={"orderingkey": "k"},
        data=b'{"n":1e2}',
    )


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"subscriber": None}, "/subscriber"),
        ({"subscriber": "$x"}, "/subscriber"),
        ({"specversion": "0.3"}, "/specversion"),
        ({"specversion": None}, "/specversion"),
        ({"id": None}, "/id"),
        ({"id": ""}, "/id"),
        ({"source": "a b"}, "/source"),
        ({"type": 1}, "/type"),
        ({"subject": "\u0000"}, "/subject"),
        ({"dataschema": "a b"}, "/dataschema"),
        ({"datacontenttype": "x"}, "/datacontenttype"),
        ({"orderingkey": ""}, "/orderingkey"),
        ({"later": "\u0000"}, "/later"),
        ({"later": 1.5}, "/later"),
        ({"Upper/": "x"}, "/Upper~1"),
        ({"data": 1, "data_base64": "AA=="}, "/data_base64"),
        ({"data_base64": "!"}, "/data_base64"),
        ({"time": "noon"}, "/time"),
        ({"time": "2026-01-03T00:00:00Z"}, "/time"),
        ({f"e{n}": "x" for n in range(65)}, ""),
    ],
)
def test_a_broken_structured_event_is_unprocessable(
    fields: dict[str, object], pointer: str
) -> None:
    """It is JSON, but no event of ours; the answer points at what is wrong."""
    problem = admit_structured(structured(**fields), ambience())

    assert isinstance(problem, Problem)
    assert problem.code is Code.VALIDATION_FAILED
    assert [one.pointer for one in problem.errors] == [pointer]
    assert problem.errors[0].detail in problem.detail


BINARY = {
    "Ce-Specversion": "1.0",
    "Ce-Id": "1",
    "Ce-Source": "/s",
    "Ce-Type": "t",
    "Ce-Subscriber": "acme",
}


def test_a_binary_event_is_headers_and_bytes() -> None:
    """The body is the data whatever it is; text in headers is percent-encoded."""
    headers = BINARY | {"Content-Type": "text/plain", "ce-subject": "%C3%A9"}

    event = admit_binary(headers, b"\xff\x00", ambience())

    assert isinstance(event, Event)
    assert (event.subject, event.data, event.datacontenttype) == ("é", b"\xff\x00", "text/plain")


@pytest.mark.parametrize("content_type", ["application/json", "application/x+json; charset=utf-8"])
def test_binary_data_that_claims_to_be_json_must_be(content_type: str) -> None:
    """Filters and receivers would stumble over it later."""
    headers = BINARY | {"Content-Type": content_type}

    broken = admit_binary(headers, b"{", ambience())
    deep = admit_binary(headers, b"[" * 65 + b"]" * 65, ambience())

    for problem in (broken, deep):
        assert isinstance(problem, Problem)
        assert problem.code is Code.INVALID_JSON
    assert isinstance(admit_binary(headers, b"[1]", ambience()), Event)
    assert isinstance(admit_binary(headers, b"", ambience()), Event)


@pytest.mark.parametrize("name", ["Ce-Id", "ce-id", "CE-SUBSCRIBER", "ce-orderingkey"])
def test_an_attribute_that_comes_twice_is_a_bad_header(name: str) -> None:
    """Even with the same value: `ce-subscriber` decides who gets the event."""
    headers = CIMultiDict(BINARY | {"ce-orderingkey": "k"})
    headers.add(name, "acme")

    problem = admit_binary(headers, b"", ambience())

    assert isinstance(problem, Problem)
    assert problem.code is Code.INVALID_REQUEST
    assert problem.errors == ()


def test_other_headers_of_a_binary_event_may_come_twice() -> None:
    """They are not of the event."""
    headers = CIMultiDict(BINARY)
    headers.add("Via", "a")
    headers.add("Via", "b")

    assert isinstance(admit_binary(headers, b"", ambience()), Event)


@pytest.mark.parametrize(
    ("header", "value", "pointer"),
    [
        ("Ce-Type", None, "/ce-type"),
        ("Ce-Subscriber", None, "/ce-subscriber"),
        ("Ce-Subscriber", "$x", "/ce-subscriber"),
        ("Ce-Specversion", "0.3", "/ce-specversion"),
        ("Ce-Id", "a b", "/ce-id"),
        ("Ce-Time", "noon", "/ce-time"),
        ("Ce-Time", "2026-01-03T00:00:00Z", "/ce-time"),
        ("Ce-Subject", "%zz", "/ce-subject"),
        ("Ce-Orderingkey", "%00", "/ce-orderingkey"),
        ("Ce-A_b~", "x", "/ce-a_b~0"),
        ("Content-Type", "x", "/content-type"),
    ],
)
def test_a_broken_binary_event_points_at_a_header(
    header: str, value: str | None, pointer: str
) -> None:
    """The headers were understood, one is missing or wrong."""
    headers = {name: text for name, text in BINARY.items() if name != header}

    problem = admit_binary(headers | ({} if value is None else {header: value}), b"", ambience())

    assert isinstance(problem, Problem)
    assert problem.code is Code.VALIDATION_FAILED
    assert [one.pointer for one in problem.errors] == [pointer]


def test_the_trace_of_the_request_goes_with_the_event() -> None:
    """Unless the event brings its own."""
    traces = parse_traces({"traceparent": TRACE, "tracestate": "a=b"})
    own = TRACE.replace("00-0a", "00-0b")

    plain = admit_native(native(), ambience(traces=traces))
    carried = admit_structured(structured(traceparent=own), ambience(traces=traces))

    assert isinstance(plain, Event)
    assert isinstance(carried, Event)
    assert plain.extensions == {"traceparent": TRACE, "tracestate": "a=b"}
    assert carried.extensions["traceparent"] == own


@pytest.mark.parametrize(
    "headers", [{}, {"traceparent": "junk"}, {"tracestate": "a=b"}, {"traceparent": ""}]
)
def test_a_broken_trace_is_no_trace(headers: dict[str, str]) -> None:
    """W3C: restart the trace instead of refusing the request."""
    assert parse_traces(headers) == {}
