"""One trace from the request that brought an event to the receiver that got it."""

import pytest

from tests.e2e.receiver import Receiver
from tests.e2e.stack import Stack, eventually
from tests.integration.collectors import Collector, collecting
from tests.ports import free_port

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
PARENT_ID = "b7ad6b7169203331"
SAMPLED = f"00-{TRACE_ID}-{PARENT_ID}-01"
TIMES = {"schedule_s": [0.1, 0.1]}


def _traced(stack: Stack, endpoint: str, **more: str) -> None:
    stack.extra |= {"HOOKLANE_TRACING__ENDPOINT": endpoint, **more}


async def _publish(stack: Stack, traceparent: str) -> None:
    status, body = await stack.api(
        "POST",
        "/v1/events",
        json={"subscriber": "acme", "type": "order.paid", "data": {"n": 1}},
        headers={"traceparent": traceparent, "tracestate": "vendor=x"},
    )
    assert status == 202, body


async def test_a_trace_leads_from_the_request_to_each_attempt(
    stack: Stack, receiver: Receiver
) -> None:
    """Through every topic, retries too; the receiver continues it when it may know it."""
    receiver.answers["hooks"] = lambda delivery: 204 if delivery.attempt > 1 else 500
    async with collecting() as collector:
        _traced(
            stack,
            collector.endpoint,
            HOOKLANE_DELIVERER__SEND_TRACE="true",
            HOOKLANE_TRACING__HEADERS="x-team=billing,authorization=Basic abc",
        )
        await stack.start()
        await stack.subscribe("acme", receiver.url("hooks"), retry=TIMES)
        await _publish(stack, SAMPLED)
        await receiver.until(lambda: len(receiver.at("hooks")) == 2, within_s=40)
        await stack.stop()  # SIGTERM exports what is queued

    _assert_one_trace(collector, stack.prefix)
    first, second = collector.named("POST")
    told = [one.headers["traceparent"].split("-")[1:3] for one in receiver.at("hooks")]
    assert told == [[TRACE_ID, first.span_id], [TRACE_ID, second.span_id]]
    assert receiver.at("hooks")[0].headers["tracestate"] == "vendor=x"
    assert first.attribute("error.type") == "500"
    assert second.attribute("http.response.status_code") == 204
    assert second.attribute("http.request.resend_count") == 1
    assert collector.headers[0]["authorization"] == "Basic abc"


def _assert_one_trace(collector: Collector, prefix: str) -> None:
    """Each span below the one before, each of a service, linked where a topic lies between."""
    ours = [span for span in collector.spans if span.trace_id == TRACE_ID]
    served = next(span for span in ours if span.name == "POST /v1/events")
    (sent,) = collector.named(f"send {prefix}.events")
    (fanned_out,) = collector.named(f"process {prefix}.events")
    (first,) = collector.named(f"process {prefix}.deliveries")
    (again,) = collector.named(f"process {prefix}.retry.5s")
    requests = collector.named("POST")

    assert len(ours) == 7
    assert (served.parent, sent.parent) == (PARENT_ID, served.span_id)
    assert fanned_out.parent == sent.span_id
    assert (first.parent, again.parent) == (fanned_out.span_id, fanned_out.span_id)
    assert [one.parent for one in requests] == [first.span_id, again.span_id]
    assert fanned_out.links == {(TRACE_ID, sent.span_id)}
    assert first.links == again.links == {(TRACE_ID, fanned_out.span_id)}
    services = [span.service for span in (served, fanned_out, first)]
    assert services == ["hooklane-gateway", "hooklane-fanout", "hooklane-deliverer"]


async def test_a_dead_collector_is_counted_and_costs_no_delivery(
    stack: Stack, receiver: Receiver
) -> None:
    """Events flow, probes stay green, one line says it, SIGTERM still ends with 0."""
    _traced(stack, f"http://127.0.0.1:{free_port()}/v1/traces", HOOKLANE_TRACING__TIMEOUT_S="0.5")
    services = await stack.start()
    await stack.subscribe("acme", receiver.url("hooks"))
    for _ in range(20):
        await stack.publish("acme", {"n": 1})
    await receiver.until(lambda: len(receiver.accepted("hooks")) == 20, within_s=40)
    deliverer = services[-1]

    async def has_failed() -> bool:
        url = f"http://127.0.0.1:{deliverer.admin_port}/metrics"
        async with stack.session.get(url) as answer:
            text = await answer.text()
        return "trace.export_failing" in deliverer.log.read_text() and any(
            line.startswith('hooklane_trace_spans_total{result="failed"}')
            and not line.endswith(" 0.0")
            for line in text.splitlines()
        )

    await eventually(has_failed, within_s=20, what="failed exports that are counted and told")
    assert await deliverer.is_ready(stack.session)
    await stack.stop()
    assert [service.process.returncode for service in services] == [0, 0, 0]
    assert deliverer.log.read_text().count("trace.export_failing") == 1
