"""Spans by the OpenTelemetry SDK, exported over OTLP/HTTP. Imported only when tracing is on.

The SDK's own batch processor counts no drops and logs each failure, so the queue is ours: bounded,
filled by `on_end` without waiting, emptied by one thread. A collector that is dead or slow costs
that thread its time-out and the oldest spans their place; nothing else waits for it.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Sequence
from typing import Final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace import Span as SdkSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)
from opentelemetry.trace import Span as ApiSpan
from opentelemetry.trace import SpanKind as ApiSpanKind
from prometheus_client import CollectorRegistry, Counter, Gauge
from structlog.typing import FilteringBoundLogger

from chassis.metrics import product_version
from chassis.settings import TracingSettings
from chassis.tracing import Attributes, PassedOn, Span, SpanKind, TraceContext

BATCH_SPANS: Final = 512
EXPORT_EVERY_S: Final = 1.0
STOP_S: Final = 2.0
"""What the end of a process may wait for its last spans."""

ENDS: Final = ("exported", "dropped", "failed")
_MS_IN_NS: Final = 1_000_000
_KINDS: Final = {
    SpanKind.SERVER: ApiSpanKind.SERVER,
    SpanKind.CLIENT: ApiSpanKind.CLIENT,
    SpanKind.PRODUCER: ApiSpanKind.PRODUCER,
    SpanKind.CONSUMER: ApiSpanKind.CONSUMER,
}
_NO_CONTEXT: Final = Context()
_UNKNOWN_VERSION: Final = "ff"


class OtelTracing:
    """Component: makes spans and exports them in the background."""

    def __init__(
        self,
        settings: TracingSettings,
        *,
        service: str,
        instruments: CollectorRegistry,
        log: FilteringBoundLogger,
        exporter: SpanExporter | None = None,
    ) -> None:
        _quieten_library()
        self._queue = ExportQueue(
            exporter or _exporter(settings),
            spans_max=settings.queue_spans,
            instruments=instruments,
            log=log,
        )
        attributes = {
            "service.name": service,
            "service.namespace": "hooklane",
            "service.version": product_version(),
        }
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(settings.ratio)),
            resource=Resource.create(attributes),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(self._queue)
        self._tracer = self._provider.get_tracer("hooklane", product_version())

    def start_span(
        self,
        name: str,
        kind: SpanKind,
        *,
        parent: TraceContext | None,
        links: Sequence[TraceContext] = (),
        attributes: Attributes | None = None,
        started_ms: int | None = None,
    ) -> Span:
        """Begin a span; a parent that is not sampled is passed on as it is."""
        above = None if parent is None else _span_context(parent)
        if parent is not None and above is not None and not above.trace_flags.sampled:
            return PassedOn(parent)
        linked = [Link(found) for one in links if (found := _span_context(one)) is not None]
        around = _NO_CONTEXT
        if above is not None:
            around = set_span_in_context(NonRecordingSpan(above), _NO_CONTEXT)
        span = self._tracer.start_span(
            name,
            context=around,
            kind=_KINDS[kind],
            links=linked,
            attributes=attributes,
            start_time=None if started_ms is None else started_ms * _MS_IN_NS,
        )
        return OtelSpan(span)

    async def start(self) -> None:
        """Start the exporting thread."""
        self._queue.begin()

    async def drain(self, deadline_s: float) -> None:
        """Go on: what is drained makes spans."""

    async def stop(self) -> None:
        """Export what is queued, for at most two seconds."""
        await asyncio.to_thread(self._queue.finish, STOP_S)


class OtelSpan:
    """A span of the SDK, recording or not."""

    __slots__ = ("_span", "context")

    def __init__(self, span: ApiSpan) -> None:
        self._span = span
        found = span.get_span_context()
        state = found.trace_state.to_header() or None
        parent = f"00-{found.trace_id:032x}-{found.span_id:016x}-{found.trace_flags:02x}"
        self.context = TraceContext(parent, state)

    @property
    def is_recording(self) -> bool:
        """Whether attributes are kept."""
        return self._span.is_recording()

    def set(self, attributes: Attributes) -> None:
        """Add attributes."""
        self._span.set_attributes(attributes)

    def end(self, *, error: str | None = None) -> None:
        """End it; an error becomes the status and `error.type`."""
        if error is not None:
            self._span.set_attribute("error.type", error)
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()


class ExportQueue(SpanProcessor):
    """Ended spans on their way out; the newest are kept when there are too many."""

    def __init__(
        self,
        exporter: SpanExporter,
        *,
        spans_max: int,
        instruments: CollectorRegistry,
        log: FilteringBoundLogger,
    ) -> None:
        self._exporter = exporter
        self._spans_max = spans_max
        self._log = log
        self._spans: deque[ReadableSpan] = deque()
        self._lock = threading.Lock()
        self._wanted = threading.Event()
        self._is_ending = False
        self._is_failing = False
        self._thread: threading.Thread | None = None
        counted = Counter(
            "hooklane_trace_spans_total",
            "Spans, by their end: exported, dropped (queue full), failed (collector).",
            ["result"],
            registry=instruments,
        )
        self._ends = {end: counted.labels(end) for end in ENDS}
        Gauge(
            "hooklane_trace_queue_spans", "Ended spans that wait for export.", registry=instruments
        ).set_function(lambda: len(self._spans))

    def on_start(self, span: SdkSpan, parent_context: Context | None = None) -> None:
        """Nothing: a span matters when it has ended."""

    def on_end(self, span: ReadableSpan) -> None:
        """Queue a span; never waits, and drops the oldest when the queue is full."""
        with self._lock:
            is_full = len(self._spans) >= self._spans_max
            if is_full:
                self._spans.popleft()
            self._spans.append(span)
        if is_full:
            self._ends["dropped"].inc()
        if len(self._spans) >= BATCH_SPANS:
            self._wanted.set()

    def begin(self) -> None:
        """Start the thread, once."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="trace-export", daemon=True)
            self._thread.start()

    def finish(self, timeout_s: float) -> None:
        """Let the thread export what is queued; it is given up after `timeout_s`."""
        self._is_ending = True
        self._wanted.set()
        thread, self._thread = self._thread, None
        if thread is None:
            return
        thread.join(timeout_s)
        self._exporter.shutdown()  # ends a retry that waits
        with self._lock:
            left = len(self._spans)
            self._spans.clear()
        if left:
            self._ends["dropped"].inc(left)

    def shutdown(self) -> None:
        """End as the SDK asks it; ours is `finish`."""
        self.finish(STOP_S)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nobody here waits for spans."""
        return not self._spans

    def _work(self) -> None:
        while True:
            self._wanted.wait(EXPORT_EVERY_S)
            self._wanted.clear()
            while batch := self._batch():
                self._export(batch)
            if self._is_ending:
                return

    def _batch(self) -> list[ReadableSpan]:
        with self._lock:
            count = min(BATCH_SPANS, len(self._spans))
            return [self._spans.popleft() for _ in range(count)]

    def _export(self, batch: list[ReadableSpan]) -> None:
        try:
            is_out = self._exporter.export(batch) is SpanExportResult.SUCCESS
        except Exception as error:  # noqa: BLE001 - a defect of the exporter must not end the thread
            self._log.error("trace.export_broken", error=error)
            is_out = False
        self._ends["exported" if is_out else "failed"].inc(len(batch))
        if is_out == self._is_failing:
            self._is_failing = not is_out
            if is_out:
                self._log.info("trace.export_recovered")
            else:
                self._log.warning("trace.export_failing", spans=len(batch))


def _exporter(settings: TracingSettings) -> OTLPSpanExporter:
    return OTLPSpanExporter(
        endpoint=settings.endpoint,
        certificate_file=None if settings.ca_file is None else str(settings.ca_file),
        headers=settings.header_fields(),
        timeout=settings.timeout_s,
        compression=Compression.Gzip,
    )


def _quieten_library() -> None:
    """Keep the exporter's line per failure out of the log: ours comes when that changes."""
    logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)


def _span_context(context: TraceContext) -> SpanContext | None:
    """Read the headers; None when they name no trace."""
    version, trace_id, span_id, flags, *_ = context.traceparent.split("-")
    if version == _UNKNOWN_VERSION:
        return None
    state = None if context.tracestate is None else TraceState.from_header([context.tracestate])
    found = SpanContext(
        trace_id=int(trace_id, 16),
        span_id=int(span_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(int(flags, 16)),
        trace_state=state,
    )
    return found if found.is_valid else None
