"""One span per event that is fanned out, from its planning until its tick has committed.

The deliveries carry the span's context instead of the event's, so attempts lie below it. The event
is one message, so its context is the parent; it is linked as well, as the messaging conventions
want it of whatever processes a message.
"""

from collections.abc import Sequence

import msgspec

from chassis.kafka import record_bytes
from chassis.tracing import Span, SpanKind, TraceContext, Tracing, context_of
from fanout.plan import Plan, Result
from fanout.received import Received
from schemas.cloudevents import TRACE_NAMES, trace_value

LOST = "producer_lost"


class EventTraces:
    """Makes the spans of one partition."""

    def __init__(self, tracing: Tracing, *, topic: str, group: str) -> None:
        self._tracing = tracing
        self._topic = topic
        self._group = group

    def begin(self, record: Received, plan: Plan, *, started_ms: int) -> tuple[Plan, Span]:
        """Begin the span of a planned event; its deliveries carry it on."""
        context = _context(plan, record)
        span = self._tracing.start_span(
            f"process {self._topic}",
            SpanKind.CONSUMER,
            parent=context,
            links=[] if context is None else [context],
            started_ms=started_ms,
        )
        if span.is_recording:
            span.set(
                {
                    "messaging.system": "kafka",
                    "messaging.operation.name": "process",
                    "messaging.operation.type": "process",
                    "messaging.destination.name": self._topic,
                    "messaging.destination.partition.id": str(record.partition),
                    "messaging.kafka.offset": record.offset,
                    "messaging.consumer.group.name": self._group,
                    "hooklane.result": plan.result.value,
                    "hooklane.deliveries": _deliveries_in(plan),
                }
            )
        if plan.result is Result.MATCHED and span.context != context:
            plan = _carrying(plan, span.context)
        return plan, span


def end_all(spans: Sequence[Span], *, error: str | None = None) -> None:
    """End the spans of a tick."""
    for span in spans:
        span.end(error=error)


def _context(plan: Plan, record: Received) -> TraceContext | None:
    """Find the event's context: what it became knows it also when it stood in a document."""
    if plan.result is Result.MATCHED:
        return context_of(plan.records[0].headers)
    found = context_of([(name, raw) for name, raw in record.headers if name in TRACE_NAMES])
    is_good = found is not None and trace_value("traceparent", found.traceparent) is not None
    return TraceContext(found.traceparent) if found is not None and is_good else None


def _deliveries_in(plan: Plan) -> int:
    return len(plan.records) if plan.result is Result.MATCHED else 0


def _carrying(plan: Plan, context: TraceContext) -> Plan:
    """Let deliveries carry a context; all of them had the same before, so each grows alike."""
    traces = [(name, value.encode()) for name, value in context.pairs()]
    records = [
        msgspec.structs.replace(
            one, headers=[*(pair for pair in one.headers if pair[0] not in TRACE_NAMES), *traces]
        )
        for one in plan.records
    ]
    added_bytes = record_bytes(records[0]) - record_bytes(plan.records[0])
    size_bytes = plan.size_bytes + added_bytes * len(records)
    return msgspec.structs.replace(plan, records=records, size_bytes=size_bytes)
