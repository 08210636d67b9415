"""The span of each request, and what it may say."""

from collections.abc import AsyncIterator

import orjson
import pytest
from opentelemetry.trace import StatusCode

from gateway.publish import NotPublished
from tests.fakes.gateway_api import GatewayApi
from tests.fakes.tracing import SAMPLED, TRACE_ID, UNSAMPLED, Traces, ids_of

CANARY = "canary-0f9d"


@pytest.fixture
def traces() -> Traces:
    """Give a tracing that records all."""
    return Traces()


@pytest.fixture
async def api(traces: Traces) -> AsyncIterator[GatewayApi]:
    """Serve the API under it."""
    async with GatewayApi(tracing=traces.tracing) as made:
        yield made


async def test_a_request_continues_its_callers_trace(api: GatewayApi, traces: Traces) -> None:
    """Named by method and route, as the HTTP conventions say."""
    body = orjson.dumps({"subscriber": "acme", "type": "t"})
    headers = {"Content-Type": "application/json", "traceparent": SAMPLED}

    async with api.client.post("/v1/events", data=body, headers=headers) as response:
        assert response.status == 202

    span = traces.named("POST /v1/events")
    trace_id, _, above = ids_of(span)
    assert (trace_id, above) == (TRACE_ID, SAMPLED.split("-")[2])
    assert dict(span.attributes or {}) == {
        "http.request.method": "POST",
        "http.route": "/v1/events",
        "http.response.status_code": 202,
        "url.scheme": "http",
        "network.protocol.version": "1.1",
    }


async def test_a_span_holds_nothing_of_path_query_or_header(
    api: GatewayApi, traces: Traces
) -> None:
    """The path has the subscriber, the query anything; strange methods share one name."""
    path = f"/v1/subscribers/{CANARY}/subscriptions?limit={CANARY}"
    async with api.client.get(path, headers={"x-canary": CANARY}):
        pass
    async with api.client.request("PROPFIND", f"/nowhere/{CANARY}"):
        pass

    assert [span.name for span in traces.spans] == [
        "GET /v1/subscribers/{subscriber}/subscriptions",
        "HTTP",
    ]
    assert all(CANARY not in span.to_json().lower() for span in traces.spans)


async def test_a_fault_of_ours_is_an_error_and_a_refusal_is_not(
    api: GatewayApi, traces: Traces
) -> None:
    """For a server, 4xx is the client's affair."""
    body = orjson.dumps({"subscriber": "acme", "type": "t"})
    native = {"Content-Type": "application/json"}
    async with api.client.post("/v1/events", data=b"{", headers=native):
        pass
    api.publisher.outcomes = [NotPublished(was_tried=False)]
    async with api.client.post("/v1/events", data=body, headers=native):
        pass

    refused, sent, failed = traces.spans
    assert refused.status.status_code is StatusCode.UNSET
    assert (sent.attributes or {})["error.type"] == "unavailable"
    assert (failed.attributes or {})["error.type"] == "503"


async def test_an_unsampled_caller_makes_no_span(api: GatewayApi, traces: Traces) -> None:
    """And its event carries what it sent."""
    body = orjson.dumps({"subscriber": "acme", "type": "t"})
    headers = {"Content-Type": "application/json", "traceparent": UNSAMPLED}
    async with api.client.post("/v1/events", data=body, headers=headers):
        pass

    (record,) = api.publisher.records
    assert dict(record.headers)["traceparent"] == UNSAMPLED.encode()
    assert traces.spans == []
