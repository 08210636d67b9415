"""The spans of one attempt: the delivery that is processed, and below it the request.

The delivery is one message, so its context is the parent; it is linked as well, as the messaging
conventions want it of whatever processes a message. A retry, be it days later, stays in the trace
of its event. The request's span has the receiver's host and port, never the path or query: a URL
may be a secret, and is one in the registry.
"""

from collections.abc import Sequence
from typing import Final

from chassis.tracing import Span, SpanKind, TraceContext, Tracing, context_of
from deliverer.policy.items import Attempt, AttemptReport
from deliverer.records import Received, received
from deliverer.request import Recipient
from schemas.cloudevents import trace_value
from schemas.outcome import Outcome

CUT_OFF: Final = "cancelled"
_ERROR_STATUS_MIN: Final = 400

TraceHeaders = Sequence[tuple[str, str]]


class AttemptTraces:
    """Makes the spans of attempts of any partition."""

    def __init__(self, tracing: Tracing, *, group: str) -> None:
        self._tracing = tracing
        self._group = group

    def begin(self, attempt: Attempt) -> "AttemptSpans":
        """Begin the span of an attempt."""
        record = received(attempt.delivery)
        context = context_of(record.headers)
        span = self._tracing.start_span(
            f"process {record.topic}",
            SpanKind.CONSUMER,
            parent=context,
            links=[] if context is None else [context],
        )
        if span.is_recording:
            span.set(self._attributes(attempt, record))
        return AttemptSpans(self._tracing, span, number=attempt.number)

    def _attributes(self, attempt: Attempt, record: Received) -> dict[str, str | int | bool]:
        delivery = attempt.delivery
        return {
            "messaging.system": "kafka",
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.destination.name": record.topic,
            "messaging.destination.partition.id": str(record.partition),
            "messaging.kafka.offset": record.offset,
            "messaging.consumer.group.name": self._group,
            "messaging.message.id": delivery.webhook_id,
            "hooklane.subscription": delivery.subscription,
            "hooklane.sequence": delivery.sequence,
            "hooklane.attempt": attempt.number,
            "hooklane.kind": delivery.kind,
        }


class AttemptSpans:
    """The spans of an attempt that runs; `end` ends whatever has begun."""

    def __init__(self, tracing: Tracing, process: Span, *, number: int) -> None:
        self._tracing = tracing
        self._process = process
        self._request: Span | None = None
        self._number = number

    def begin_request(self, recipient: Recipient) -> TraceContext:
        """Begin the span of the request; the receiver may be told its context."""
        attributes: dict[str, str | int | bool] = {
            "http.request.method": "POST",
            "server.address": recipient.host,
            "server.port": recipient.port,
            "url.scheme": recipient.scheme,
            "network.protocol.version": "1.1",
        }
        if self._number > 1:
            attributes["http.request.resend_count"] = self._number - 1
        above = self._process.context
        self._request = self._tracing.start_span(
            "POST", SpanKind.CLIENT, parent=above, attributes=attributes
        )
        return self._request.context

    def end(self, report: AttemptReport | None) -> None:
        """End both; without a report the attempt was cut off."""
        outcome = CUT_OFF if report is None else report.outcome.value
        status = None if report is None else report.status
        is_delivered = outcome == Outcome.DELIVERED.value
        if self._request is not None:
            error = None if is_delivered else outcome
            if status is not None:
                self._request.set({"http.response.status_code": status})
                error = str(status) if status >= _ERROR_STATUS_MIN else error
            self._request.end(error=error)
        self._process.set({"hooklane.outcome": outcome})
        self._process.end(error=None if is_delivered else outcome)


def headers_to_pass(record: Received) -> TraceHeaders:
    """Return the record's own trace headers for a receiver; none when they are malformed."""
    context = context_of(record.headers)
    if context is None or trace_value("traceparent", context.traceparent) is None:
        return ()
    state = trace_value("tracestate", context.tracestate)
    return TraceContext(context.traceparent, state).pairs()
