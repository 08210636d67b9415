"""Spans without a collector: the real SDK, whose export never starts, so that all can be read."""

from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from prometheus_client import CollectorRegistry

from chassis import logs
from chassis.otel import OtelTracing
from chassis.settings import TracingSettings

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
SAMPLED = f"00-{TRACE_ID}-b7ad6b7169203331-01"
UNSAMPLED = f"00-{TRACE_ID}-b7ad6b7169203331-00"
ENDPOINT = "http://127.0.0.1:1/v1/traces"


class ListExporter(SpanExporter):
    """Keep what is exported; `answer` is what the collector says."""

    def __init__(self, answer: SpanExportResult = SpanExportResult.SUCCESS) -> None:
        self.answer = answer
        self.spans: list[ReadableSpan] = []
        self.is_shut_down = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Take spans."""
        self.spans += spans
        return self.answer

    def shutdown(self) -> None:
        """Note the end."""
        self.is_shut_down = True


class Traces:
    """A tracing, and the spans that have ended, oldest first."""

    def __init__(self, **settings: object) -> None:
        self.instruments = CollectorRegistry()
        self.tracing = OtelTracing(
            TracingSettings.model_validate({"endpoint": ENDPOINT, **settings}),
            service="hooklane-test",
            instruments=self.instruments,
            log=logs.get("test"),
            exporter=ListExporter(),
        )

    @property
    def spans(self) -> list[ReadableSpan]:
        """Return what waits for export."""
        return [*self.tracing._queue._spans]

    def named(self, name: str) -> ReadableSpan:
        """Return the only span of a name."""
        (found,) = [span for span in self.spans if span.name == name]
        return found


def ids_of(span: ReadableSpan) -> tuple[str, str, str | None]:
    """Return trace id, span id and parent's span id."""
    own, parent = span.get_span_context(), span.parent
    assert own is not None
    above = None if parent is None else f"{parent.span_id:016x}"
    return f"{own.trace_id:032x}", f"{own.span_id:016x}", above


def parent_of(span: ReadableSpan) -> str:
    """Return the `traceparent` that continues a span."""
    trace_id, span_id, _ = ids_of(span)
    own = span.get_span_context()
    assert own is not None
    return f"00-{trace_id}-{span_id}-{own.trace_flags:02x}"
