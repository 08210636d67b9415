"""Test that an event cannot go round through a subscription that leads back (B118)."""

from collections.abc import AsyncIterator, Sequence

import pytest

from deliverer.report import heeding_abort
from deliverer.request import Recipient, build_request, recipient_of
from deliverer.sender.port import AttemptResult, PreparedRequest
from schemas.cloudevents import attribute_headers, decode_event
from schemas.event import Event
from schemas.outcome import Outcome
from schemas.registry import SealedFields
from tests.fakes.gateway_api import GatewayApi

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
FIRST = [
    ("ce_specversion", b"1.0"),
    ("ce_id", b"1"),
    ("ce_source", b"/shop"),
    ("ce_type", b"order.paid"),
    ("content-type", b"application/json"),
]
FRAMING = {"host", "content-length"}


@pytest.fixture
async def api() -> AsyncIterator[GatewayApi]:
    """Give a gateway."""
    async with GatewayApi() as started:
        yield started


def _delivery(headers: Sequence[tuple[str, bytes]]) -> PreparedRequest:
    """Build what a subscription to the ingest itself would be sent."""
    url = "https://hooklane.example.com/v1/events"
    recipient = recipient_of(SealedFields(url=url, secret=SECRET), format="binary", timeout_s=5)
    assert isinstance(recipient, Recipient)
    request = build_request(
        recipient,
        webhook_id="msg_1",
        sequence=1,
        attempt=1,
        now_ms=1_700_000_000_000,
        record_headers=headers,
        data=b'{"a":1}',
        is_replay=False,
    )
    assert isinstance(request, PreparedRequest)
    return request


def _passed_on(request: PreparedRequest) -> dict[str, str]:
    """Return its headers as something on the way passes them on, adding what ingest asks for."""
    lines = request.head.decode().split("\r\n")[1:-2]
    fields = dict(line.split(": ", 1) for line in lines)
    kept = {name: value for name, value in fields.items() if name not in FRAMING}
    return kept | {"ce-subscriber": "acme"}


def _read_back(api: GatewayApi) -> Sequence[tuple[str, bytes]]:
    """Return the headers of the delivery that the last event becomes."""
    record = api.publisher.records[-1]
    event = decode_event(record.key, record.value, record.headers)
    assert isinstance(event, Event)
    return attribute_headers(event)


async def test_an_event_passes_one_other_installation_and_no_more(api: GatewayApi) -> None:
    """The second time round it is refused, and the refusal ends the delivery at once."""
    first = _delivery(FIRST)
    accepted = await api.client.post("/v1/events", data=first.body, headers=_passed_on(first))
    second = _delivery(_read_back(api))
    refused = await api.client.post("/v1/events", data=second.body, headers=_passed_on(second))
    wish = refused.headers["webhook-delivery"]
    ended = heeding_abort(
        AttemptResult(outcome=Outcome.HTTP_4XX, status=refused.status, webhook_delivery=wish)
    )

    assert (accepted.status, refused.status) == (202, 422)
    assert b"webhook-hops: 1\r\n" in first.head
    assert b"webhook-hops: 2\r\n" in second.head
    assert len(api.publisher.records) == 1
    assert ended.outcome is Outcome.ABORTED
    assert api.counted("invalid") == 1


async def test_a_batch_that_goes_round_is_refused(api: GatewayApi) -> None:
    """Every way into the pipeline counts."""
    answer = await api.client.post(
        "/v1/events/batch",
        json=[{"subscriber": "acme", "type": "t", "data": 1}],
        headers={"webhook-hops": "2"},
    )

    assert answer.status == 422
    assert api.publisher.records == []
