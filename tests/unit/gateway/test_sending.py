"""The span of a write, and what the records carry on."""

from collections.abc import AsyncIterator

import orjson
import pytest

from tests.fakes.gateway_api import GatewayApi
from tests.fakes.tracing import SAMPLED, TRACE_ID, Traces, ids_of, parent_of

NATIVE = {"Content-Type": "application/json"}
BATCH = {"Content-Type": "application/cloudevents-batch+json"}


@pytest.fixture
def traces() -> Traces:
    """Give a tracing that records all."""
    return Traces()


@pytest.fixture
async def api(traces: Traces) -> AsyncIterator[GatewayApi]:
    """Serve the API under it."""
    async with GatewayApi(tracing=traces.tracing) as made:
        yield made


def _carried(api: GatewayApi) -> list[str]:
    return [dict(record.headers)["traceparent"].decode() for record in api.publisher.records]


async def test_a_record_carries_the_span_of_its_write(api: GatewayApi, traces: Traces) -> None:
    """A PRODUCER below the request, with the messaging attributes."""
    body = orjson.dumps({"subscriber": "acme", "type": "t"})

    async with api.client.post("/v1/events", data=body, headers=NATIVE) as response:
        assert response.status == 202

    sent, served = traces.named("send hooklane.events"), traces.named("POST /v1/events")
    assert _carried(api) == [parent_of(sent)]
    assert ids_of(sent)[2] == ids_of(served)[1]
    assert dict(sent.attributes or {}) == {
        "messaging.system": "kafka",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.destination.name": "hooklane.events",
    }


async def test_an_event_with_a_context_of_its_own_keeps_it(api: GatewayApi, traces: Traces) -> None:
    """Whoever created the event said where it belongs; the write links it."""
    event = {"specversion": "1.0", "source": "/s", "type": "t", "subscriber": "acme"}
    items = [event | {"id": "1", "traceparent": SAMPLED}, event | {"id": "2"}]

    async with api.client.post("/v1/events", data=orjson.dumps(items), headers=BATCH) as response:
        assert response.status == 202

    sent = traces.named("send hooklane.events")
    assert _carried(api) == [SAMPLED, parent_of(sent)]
    assert [f"{link.context.trace_id:032x}" for link in sent.links] == [TRACE_ID]
    assert (sent.attributes or {})["messaging.batch.message_count"] == 2


async def test_nothing_is_written_without_an_event(api: GatewayApi, traces: Traces) -> None:
    """A refused request has one span."""
    async with api.client.post("/v1/events", data=b"{}", headers=NATIVE) as response:
        assert response.status == 422

    assert [span.name for span in traces.spans] == ["POST /v1/events"]


async def test_without_tracing_a_record_carries_what_came() -> None:
    """W3C: who takes no part passes the headers on."""
    async with GatewayApi() as api:
        body = orjson.dumps({"subscriber": "acme", "type": "t"})
        headers = NATIVE | {"traceparent": SAMPLED, "tracestate": "a=b"}
        async with api.client.post("/v1/events", data=body, headers=headers) as response:
            assert response.status == 202

    (record,) = api.publisher.records
    carried = dict(record.headers)
    assert (carried["traceparent"], carried["tracestate"]) == (SAMPLED.encode(), b"a=b")
