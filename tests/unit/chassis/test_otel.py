"""Spans by the SDK: parents, links, sampling, and an export that nobody waits for."""

import asyncio
import threading
from collections.abc import Sequence

import pytest
import structlog
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind as ApiSpanKind
from opentelemetry.trace import StatusCode
from prometheus_client import CollectorRegistry
from structlog.testing import LogCapture

from chassis.lifecycle import Component
from chassis.otel import OtelTracing
from chassis.settings import TracingSettings
from chassis.tracing import PassedOn, SpanKind, TraceContext
from tests.contract.lifecycle import LifecycleContract
from tests.fakes.tracing import (
    ENDPOINT,
    SAMPLED,
    TRACE_ID,
    UNSAMPLED,
    ListExporter,
    Traces,
    ids_of,
    parent_of,
)


class StuckExporter(SpanExporter):
    """A collector that takes a connection and never answers."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.released = threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Hang until the end."""
        self.entered.set()
        self.released.wait(30)
        return SpanExportResult.FAILURE

    def shutdown(self) -> None:
        """Let go."""
        self.released.set()


def _tracing(
    exporter: SpanExporter, instruments: CollectorRegistry, capture: LogCapture | None = None
) -> OtelTracing:
    return OtelTracing(
        TracingSettings(endpoint=ENDPOINT, queue_spans=512),
        service="hooklane-test",
        instruments=instruments,
        log=structlog.wrap_logger(
            None, processors=[capture or LogCapture()], wrapper_class=structlog.BoundLogger
        ),
        exporter=exporter,
    )


def _make(tracing: OtelTracing, count: int = 1) -> None:
    for _ in range(count):
        tracing.start_span("x", SpanKind.SERVER, parent=None).end()


def _counted(instruments: CollectorRegistry, result: str) -> float | None:
    return instruments.get_sample_value("hooklane_trace_spans_total", {"result": result})


def test_a_span_continues_its_parents_trace() -> None:
    """Same trace, own id, the vendor's state carried on, the kinds of the SDK."""
    traces = Traces()

    span = traces.tracing.start_span(
        "work", SpanKind.CONSUMER, parent=TraceContext(SAMPLED, "a=b"), attributes={"n": 1}
    )
    span.set({"is": True})
    span.end()

    made = traces.named("work")
    trace_id, span_id, above = ids_of(made)
    assert (trace_id, above) == (TRACE_ID, SAMPLED.split("-")[2])
    assert span.context == TraceContext(f"00-{TRACE_ID}-{span_id}-01", "a=b")
    assert made.kind is ApiSpanKind.CONSUMER
    assert dict(made.attributes or {}) == {"n": 1, "is": True}
    assert made.status.status_code is StatusCode.UNSET


def test_links_name_other_traces() -> None:
    """A malformed one is left out."""
    traces = Traces()
    zeros = f"00-{'0' * 32}-{'0' * 16}-01"
    links = [TraceContext(SAMPLED), TraceContext(zeros), TraceContext("ff" + SAMPLED[2:])]

    traces.tracing.start_span("x", SpanKind.PRODUCER, parent=None, links=links).end()

    (link,) = traces.named("x").links
    assert f"{link.context.trace_id:032x}" == TRACE_ID


def test_an_error_is_a_word_and_a_status() -> None:
    """No exception text, which might quote anything."""
    traces = Traces()

    traces.tracing.start_span("x", SpanKind.CLIENT, parent=None).end(error="timeout")

    made = traces.named("x")
    assert (made.attributes or {})["error.type"] == "timeout"
    assert (made.status.status_code, made.status.description) == (StatusCode.ERROR, None)


def test_a_trace_that_came_unsampled_goes_on_unchanged() -> None:
    """No span, no new id, no work."""
    traces = Traces()

    span = traces.tracing.start_span("x", SpanKind.SERVER, parent=TraceContext(UNSAMPLED, "a=b"))
    span.end()

    assert isinstance(span, PassedOn)
    assert span.context == TraceContext(UNSAMPLED, "a=b")
    assert traces.spans == []


def test_the_ratio_decides_only_about_traces_that_begin_here() -> None:
    """And whoever continues one hears of the decision."""
    traces = Traces(ratio=0)

    begun = traces.tracing.start_span("begun", SpanKind.SERVER, parent=None)
    begun.end()
    continued = traces.tracing.start_span("came", SpanKind.SERVER, parent=TraceContext(SAMPLED))
    continued.end()

    assert not begun.is_recording
    assert int(begun.context.traceparent[-2:], 16) % 2 == 0, "the sampled flag is the last bit"
    assert [span.name for span in traces.spans] == ["came"]
    assert continued.context.traceparent == parent_of(traces.named("came"))


def test_a_full_queue_drops_the_oldest_and_counts() -> None:
    """Memory is bounded, and the end of a trace is worth more than its beginning."""
    traces = Traces(queue_spans=512)

    for number in range(515):
        traces.tracing.start_span(str(number), SpanKind.SERVER, parent=None).end()

    assert [traces.spans[0].name, traces.spans[-1].name] == ["3", "514"]
    assert _counted(traces.instruments, "dropped") == 3
    assert traces.instruments.get_sample_value("hooklane_trace_queue_spans") == 512


async def test_what_is_queued_is_exported_at_the_end() -> None:
    """A drain makes the last spans, and they matter."""
    exporter, instruments = ListExporter(), CollectorRegistry()
    tracing = _tracing(exporter, instruments)
    await tracing.start()
    _make(tracing, 3)

    await tracing.stop()

    assert (len(exporter.spans), exporter.is_shut_down) == (3, True)
    assert _counted(instruments, "exported") == 3


async def test_a_collector_that_refuses_is_told_once() -> None:
    """One line when it begins, one when it ends, and a count of what was lost."""
    exporter, instruments, capture = ListExporter(), CollectorRegistry(), LogCapture()
    tracing = _tracing(exporter, instruments, capture)
    exporter.answer = SpanExportResult.FAILURE
    for _ in range(3):
        _make(tracing)
        tracing._queue._export(tracing._queue._batch())
    exporter.answer = SpanExportResult.SUCCESS
    _make(tracing)
    tracing._queue._export(tracing._queue._batch())

    assert [one["event"] for one in capture.entries] == [
        "trace.export_failing",
        "trace.export_recovered",
    ]
    assert (_counted(instruments, "failed"), _counted(instruments, "exported")) == (3, 1)


async def test_a_stuck_collector_holds_nobody_up() -> None:
    """Spans go on being made and dropped; the end waits two seconds and no more."""
    exporter, instruments = StuckExporter(), CollectorRegistry()
    tracing = _tracing(exporter, instruments)
    await tracing.start()
    _make(tracing, 512)
    assert await asyncio.to_thread(exporter.entered.wait, 10)

    _make(tracing, 600)
    async with asyncio.timeout(10):
        await tracing.stop()

    assert (_counted(instruments, "dropped") or 0) >= 88


class TestOtelTracingLife(LifecycleContract):
    """Tracing is a component like any other."""

    @pytest.fixture
    def component(self) -> Component:
        """Give one whose collector takes everything."""
        return _tracing(ListExporter(), CollectorRegistry())
