"""Test what a receiver gets on the wire."""

import base64
import json
from collections.abc import Sequence
from typing import Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from chassis.clock import SystemClock
from deliverer.request import (
    PreparedRequest,
    Recipient,
    RequestRefused,
    build_request,
    recipient_of,
    user_agent,
)
from schemas.registry import PreviousSecret, SealedFields

NOW_MS = 1_614_265_330_999
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
KEY = "whsk_" + base64.b64encode(b"s" * 32).decode()
RECORD = [
    ("ce_specversion", b"1.0"),
    ("ce_id", b"evt-1"),
    ("ce_source", "/caf\u00e9".encode()),
    ("ce_type", b"order.paid"),
    ("ce_subscriber", b"acme"),
    ("content-type", b"application/json"),
    ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ("delivery", b"{}"),
]


def _recipient(**changes: object) -> Recipient:
    fields: dict[str, object] = {"url": "https://hooks.example.com/in?x=1", "secret": SECRET}
    sealed = SealedFields(**(fields | changes))  # type: ignore[arg-type]  # test data by name
    recipient = recipient_of(sealed, format="binary", timeout_s=15.0)
    assert isinstance(recipient, Recipient)
    return recipient


def _build(
    recipient: Recipient,
    *,
    data: bytes | None = b'{"a":1}',
    headers: list[tuple[str, bytes]] = RECORD,
    now_ms: int = NOW_MS,
    is_replay: bool = False,
    trace: Sequence[tuple[str, str]] = (),
) -> PreparedRequest:
    request = build_request(
        recipient,
        webhook_id="msg_1",
        sequence=42,
        attempt=3,
        now_ms=now_ms,
        record_headers=headers,
        data=data,
        is_replay=is_replay,
        trace=trace,
    )
    assert isinstance(request, PreparedRequest)
    return request


def _fields(request: PreparedRequest) -> dict[str, str]:
    lines = request.head.decode("ascii").removesuffix("\r\n\r\n").split("\r\n")[1:]
    pairs = [line.split(": ", 1) for line in lines]
    assert len({name.lower() for name, _ in pairs}) == len(pairs)
    return {name.lower(): value for name, value in pairs}


def test_a_binary_request_carries_body_attributes_and_counters() -> None:
    """The body is the data, byte for byte; attributes and bookkeeping are header fields."""
    request = _build(_recipient())

    fields = _fields(request)
    assert request.head.startswith(b"POST /in?x=1 HTTP/1.1\r\nhost: hooks.example.com\r\n")
    assert request.body == b'{"a":1}'
    assert (request.scheme, request.host, request.port) == ("https", "hooks.example.com", 443)
    expected = {
        "content-length": "7",
        "content-type": "application/json",
        "accept-encoding": "identity",
        "user-agent": user_agent(),
        "ce-id": "evt-1",
        "ce-source": "/caf%C3%A9",
        "webhook-id": "msg_1",
        "webhook-timestamp": "1614265330",
        "webhook-attempt": "3",
        "webhook-sequence": "42",
        "webhook-hops": "1",
    }
    assert {name: fields.get(name) for name in expected} == expected
    assert not {"ce-subscriber", "delivery", "webhook-replay", "traceparent"} & fields.keys()


def test_trace_headers_are_what_the_caller_lets_the_receiver_see() -> None:
    """The record's own never go out by themselves."""
    parent = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"

    fields = _fields(_build(_recipient(), trace=[("traceparent", parent), ("tracestate", "a=b")]))

    assert (fields["traceparent"], fields["tracestate"]) == (parent, "a=b")


def test_a_structured_request_is_one_document() -> None:
    """Attributes move into the body; the signature covers the document."""
    sealed = SealedFields(url="https://hooks.example.com/", secret=SECRET)
    recipient = recipient_of(sealed, format="structured", timeout_s=15.0)
    assert isinstance(recipient, Recipient)

    request = _build(recipient)

    document = json.loads(request.body)
    assert document["data"] == {"a": 1}
    assert document["source"] == "/caf\u00e9"
    assert "subscriber" not in document
    fields = _fields(request)
    assert fields["content-type"] == "application/cloudevents+json"
    assert fields["content-length"] == str(len(request.body))
    assert "ce-id" not in fields


@pytest.mark.parametrize("data", [None, b""])
def test_no_data_is_an_empty_body_with_its_length(data: bytes | None) -> None:
    """A receiver must not wait for a body that does not come."""
    request = _build(_recipient(), data=data)

    assert request.body == b""
    assert _fields(request)["content-length"] == "0"


def test_a_replay_says_so() -> None:
    """Receivers may treat a replay differently."""
    assert _fields(_build(_recipient(), is_replay=True))["webhook-replay"] == "true"


def test_custom_headers_go_out_and_may_name_another_agent() -> None:
    """A User-Agent of the subscriber replaces ours instead of doubling it."""
    fields = _fields(_build(_recipient(headers={"Authorization": "Bearer x", "User-Agent": "me"})))

    assert fields["authorization"] == "Bearer x"
    assert fields["user-agent"] == "me"


def test_the_official_library_verifies_the_request() -> None:
    """What is signed is what is sent (B405)."""
    request = _build(_recipient(), now_ms=SystemClock().now_ms())

    Webhook(SECRET).verify(request.body, _fields(request))


@pytest.mark.parametrize(
    ("expires_at", "count"), [(NOW_MS - 1000, 1), (NOW_MS, 1), (NOW_MS + 1, 2), (NOW_MS + 1000, 2)]
)
def test_a_replaced_secret_signs_until_its_end(expires_at: int, count: int) -> None:
    """New first, old while its grace lasts, also when the types differ (B403, B404)."""
    previous = [PreviousSecret(secret=KEY, expires_at=expires_at)]

    signatures = _fields(_build(_recipient(previous=previous)))["webhook-signature"].split(" ")

    assert len(signatures) == count
    assert signatures[0].startswith("v1,")
    assert all(value.startswith("v1a,") for value in signatures[1:])


def test_many_replaced_secrets_keep_the_header_small() -> None:
    """At most six signatures, whatever the record says (B410)."""
    previous = [PreviousSecret(secret=KEY, expires_at=NOW_MS + 1) for _ in range(40)]

    value = _fields(_build(_recipient(previous=previous)))["webhook-signature"]

    assert len(value.split(" ")) == 6
    assert len(value) < 4096


def test_each_attempt_has_its_own_timestamp_and_signature() -> None:
    """The id stays, so receivers can tell a repeat (B406)."""
    first = _fields(_build(_recipient()))
    second = _fields(_build(_recipient(), now_ms=NOW_MS + 5000))

    assert first["webhook-id"] == second["webhook-id"]
    assert first["webhook-timestamp"] != second["webhook-timestamp"]
    assert first["webhook-signature"] != second["webhook-signature"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"url": "ftp://a.com/"}, "scheme"),
        ({"url": "https://a.com:0/"}, "port"),
        ({"url": "https://127.1/"}, "address"),
        ({"url": "not a url"}, "address"),
        ({"headers": {"Host": "x"}}, None),
        ({"headers": {"X-A": "a\r\nHost: b"}}, None),
        ({"secret": "whsec_"}, None),
    ],
)
def test_a_stored_field_that_breaks_todays_rules_is_refused(
    changes: dict[str, object], reason: str | None
) -> None:
    """The record may be older than the rules; nothing of it is shown."""
    fields: dict[str, object] = {"url": "https://a.com/", "secret": SECRET}
    sealed = SealedFields(**(fields | changes))  # type: ignore[arg-type]  # test data by name

    refused = recipient_of(sealed, format="binary", timeout_s=1.0)

    assert isinstance(refused, RequestRefused)
    assert refused.reason == reason


def test_a_malformed_id_is_refused() -> None:
    """A dot would let two requests share a signed text, a line break would add a field."""
    refused = build_request(
        _recipient(),
        webhook_id="msg_1\r\nx: y",
        sequence=1,
        attempt=1,
        now_ms=NOW_MS,
        record_headers=RECORD,
        data=None,
        is_replay=False,
    )

    assert isinstance(refused, RequestRefused)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ["ce_id", "ce_x", "content-type", "traceparent", "tracestate", "ce_a b"]
            ),
            st.binary(max_size=20),
        ),
        max_size=4,
        unique_by=lambda pair: pair[0],
    )
)
def test_no_record_can_add_a_line_to_the_head(headers: list[tuple[str, bytes]]) -> None:
    """Every line of the head is one field with a known name."""
    fields = _fields(_build(_recipient(), headers=headers))

    known = {"host", "user-agent", "accept-encoding", "content-length", "content-type"}
    assert all(name in known or name.startswith(("webhook-", "ce-", "trace")) for name in fields)


def test_a_recipient_does_not_show_its_secrets() -> None:
    """It may end up in a log line or a traceback."""
    assert "hooks" not in repr(_recipient())


@pytest.mark.parametrize("form", ["binary", "structured"])
@pytest.mark.parametrize(
    ("counted", "line"),
    [(b"1", b"2"), (b"41", b"42"), (b"junk", b"1000000"), (b"\xff", b"1000000")],
)
def test_each_delivery_counts_one_hop_more(
    form: Literal["binary", "structured"], counted: bytes, line: bytes
) -> None:
    """What cannot be read counts as often, since only a loop gains by hiding it."""
    recipient = msgspec.structs.replace(_recipient(), format=form)
    request = _build(recipient, headers=[*RECORD, ("hooklane_hops", counted)])

    assert b"webhook-hops: " + line + b"\r\n" in request.head
