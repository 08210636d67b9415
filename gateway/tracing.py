"""The spans of the gateway: one per request, one per write of events into Kafka.

Named by the route's template, never by the path: paths hold subscribers. Without tracing a request
goes by here untouched, and the trace headers it brought go into the events as they are.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from aiohttp import hdrs, web

from chassis.tracing import Span, SpanKind, TraceContext, Tracing
from gateway.admission import parse_traces
from gateway.publish import NotPublished, Published
from schemas.event import Event

SPAN: Final = web.RequestKey("span", Span)
PARENT: Final = "traceparent"
STATE: Final = "tracestate"
_SERVER_ERROR_MIN: Final = 500

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def traces_of(request: web.Request) -> dict[str, str]:
    """Return the trace headers for an event of this request: its span's, else those it brought."""
    span = request.get(SPAN)
    return parse_traces(request.headers) if span is None else dict(span.context.pairs())


def trace_requests(tracing: Tracing) -> Callable[..., Awaitable[web.StreamResponse]]:
    """Make the middleware that puts each request under a span."""

    @web.middleware
    async def trace(request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        route = "" if resource is None else resource.canonical
        span = tracing.start_span(
            f"{_method_of(request)} {route}".rstrip(),
            SpanKind.SERVER,
            parent=_context_in(parse_traces(request.headers)),
            attributes=_attributes(request, route),
        )
        request[SPAN] = span
        status, error = 0, "cancelled"
        try:
            response = await handler(request)
            status, error = response.status, ""
            return response
        except web.HTTPException as refused:
            status, error = refused.status, ""
            raise
        finally:
            if status:
                span.set({"http.response.status_code": status})
            if status >= _SERVER_ERROR_MIN:
                error = str(status)
            span.end(error=error or None)

    return trace


def begin_sending(
    tracing: Tracing, request: web.Request, events: Sequence[Event], *, topic: str
) -> Span:
    """Begin the span of one write; events take its context, but those with one of their own.

    What a producer put into its event is the event's creation context and stays; the span links it.
    """
    above = request[SPAN].context
    own = [
        context
        for event in events
        if (context := _context_in(event.extensions)) is not None
        and context.traceparent != above.traceparent
    ]
    attributes: dict[str, str | int | bool] = {
        "messaging.system": "kafka",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.destination.name": topic,
    }
    if len(events) > 1:
        attributes["messaging.batch.message_count"] = len(events)
    span = tracing.start_span(
        f"send {topic}", SpanKind.PRODUCER, parent=above, links=own, attributes=attributes
    )
    pairs = dict(span.context.pairs())
    for event in events:
        if event.extensions.get(PARENT, above.traceparent) == above.traceparent:
            event.extensions.update(pairs)
    return span


def sending_error(answers: Sequence[Published | NotPublished]) -> str | None:
    """Name what kept events from the log; None when all are there."""
    return next((str(one.code) for one in answers if isinstance(one, NotPublished)), None)


def _context_in(fields: Mapping[str, str]) -> TraceContext | None:
    parent = fields.get(PARENT)
    return None if parent is None else TraceContext(parent, fields.get(STATE))


def _method_of(request: web.Request) -> str:
    """Return a method the conventions know, else their word for others."""
    return request.method if request.method in hdrs.METH_ALL else "HTTP"


def _attributes(request: web.Request, route: str) -> dict[str, str | int | bool]:
    method = request.method if request.method in hdrs.METH_ALL else "_OTHER"
    attributes: dict[str, str | int | bool] = {
        "http.request.method": method,
        "url.scheme": request.scheme,
        "network.protocol.version": f"{request.version.major}.{request.version.minor}",
    }
    if route:
        attributes["http.route"] = route
    return attributes
