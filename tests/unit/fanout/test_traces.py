"""One span per fanned-out event, and the context its deliveries carry."""

import pytest

from chassis.kafka import Record, record_bytes
from chassis.tracing import SpanKind
from fanout.plan import Plan, Result
from fanout.traces import EventTraces, end_all
from tests.fakes.tracing import SAMPLED, TRACE_ID, UNSAMPLED, Traces, ids_of, parent_of
from tests.unit.fanout.events import NOW_MS, received


def _delivery(*traces: tuple[str, bytes]) -> Record:
    headers = [("delivery", b"{}"), *traces, ("ce_id", b"1")]
    return Record("p.deliveries", 0, b"acme", b"{}", headers)


def _carried(plan: Plan) -> list[dict[str, bytes]]:
    return [
        {name: raw for name, raw in record.headers if name.startswith("trace")}
        for record in plan.records
    ]


@pytest.fixture
def traces() -> Traces:
    """Give a tracing that records all."""
    return Traces()


@pytest.fixture
def events(traces: Traces) -> EventTraces:
    """Give the spans of a partition."""
    return EventTraces(traces.tracing, topic="p.events", group="p-fanout")


def test_deliveries_carry_the_span_of_the_fan_out(traces: Traces, events: EventTraces) -> None:
    """Child of the event's context, linked to it, with all of its deliveries below."""
    came = (("traceparent", SAMPLED.encode()), ("tracestate", b"a=b"))
    planned = Plan(Result.MATCHED, [_delivery(*came), _delivery(*came)])

    plan, span = events.begin(received(offset=7), planned, started_ms=NOW_MS)
    end_all([span])

    made = traces.named("process p.events")
    assert (ids_of(made)[0], ids_of(made)[2]) == (TRACE_ID, SAMPLED.split("-")[2])
    assert [f"{link.context.trace_id:032x}" for link in made.links] == [TRACE_ID]
    expected = {"traceparent": parent_of(made).encode(), "tracestate": b"a=b"}
    assert _carried(plan) == [expected, expected]
    assert [name for name, _ in plan.records[0].headers][:2] == ["delivery", "ce_id"]
    assert made.start_time == NOW_MS * 1_000_000
    attributes = dict(made.attributes or {})
    assert (attributes["messaging.kafka.offset"], attributes["hooklane.deliveries"]) == (7, 2)
    assert attributes["messaging.consumer.group.name"] == "p-fanout"


def test_an_event_without_a_context_begins_a_trace(traces: Traces, events: EventTraces) -> None:
    """A producer that knows nothing of traces gets one from here on."""
    plan, span = events.begin(received(), Plan(Result.MATCHED, [_delivery()]), started_ms=NOW_MS)
    end_all([span])

    made = traces.named("process p.events")
    assert ids_of(made)[2] is None
    assert _carried(plan) == [{"traceparent": parent_of(made).encode()}]


@pytest.mark.parametrize("came", [(), (("traceparent", SAMPLED.encode()), ("tracestate", b"a=b"))])
def test_the_bound_of_their_size_grows_with_them(
    events: EventTraces, came: tuple[tuple[str, bytes], ...]
) -> None:
    """A tick is bounded by it, and given its time by it."""
    records = [_delivery(*came), _delivery(*came)]
    size_bytes = sum(record_bytes(record) for record in records)

    planned = Plan(Result.MATCHED, records, size_bytes)
    plan, _ = events.begin(received(), planned, started_ms=NOW_MS)

    assert (plan.size_bytes > size_bytes) == (not came)
    assert plan.size_bytes == sum(record_bytes(record) for record in plan.records)


def test_an_unsampled_event_is_left_as_it_is(traces: Traces, events: EventTraces) -> None:
    """Not even its headers are written anew."""
    planned = Plan(Result.MATCHED, [_delivery(("traceparent", UNSAMPLED.encode()))])

    plan, _ = events.begin(received(), planned, started_ms=NOW_MS)

    assert plan is planned
    assert traces.spans == []


@pytest.mark.parametrize("result", [Result.UNMATCHED, Result.DUPLICATE, Result.QUARANTINED])
@pytest.mark.parametrize("raw", [SAMPLED.encode(), b"junk", b"\xff\xfe"])
def test_what_becomes_no_delivery_has_a_span_too(
    traces: Traces, events: EventTraces, result: Result, raw: bytes
) -> None:
    """It says why; its record's headers were checked by nobody yet."""
    plan, span = events.begin(
        received(headers=[("traceparent", raw)]), Plan(result), started_ms=NOW_MS
    )
    end_all([span], error="producer_lost")

    made = traces.named("process p.events")
    assert (ids_of(made)[0] == TRACE_ID) == (raw == SAMPLED.encode())
    assert (made.attributes or {})["hooklane.result"] == result.value
    assert (made.attributes or {})["error.type"] == "producer_lost"
    assert (plan.records, made.kind.name) == ((), SpanKind.CONSUMER.name)
