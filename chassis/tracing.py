"""Trace context as it travels in headers, and the port through which spans are made.

Knows nothing of OpenTelemetry: `make_tracing` gives None while no endpoint is set, so a service
without tracing pays one branch where a span would begin and imports nothing. `chassis.otel` is the
adapter. A trace that arrives unsampled is passed on as it came, without any work.

Attributes never hold secrets: no bodies, no URL paths or queries, no header values, no subscriber.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from types import ModuleType
from typing import NamedTuple, Protocol

from prometheus_client import CollectorRegistry
from structlog.typing import FilteringBoundLogger

from chassis.refusal import StartRefused
from chassis.settings import TracingSettings

Attributes = Mapping[str, str | int | bool]


class SpanKind(StrEnum):
    """What a span is to its neighbours."""

    SERVER = "server"
    CLIENT = "client"
    PRODUCER = "producer"
    CONSUMER = "consumer"


class TraceContext(NamedTuple):
    """The two W3C headers, well formed; a `tracestate` never comes alone."""

    traceparent: str
    tracestate: str | None = None

    @property
    def trace_id(self) -> str:
        """Return the 32 hex digits that all spans of the trace share."""
        return self.traceparent.split("-")[1]

    def pairs(self) -> list[tuple[str, str]]:
        """Return the headers to send on."""
        if self.tracestate is None:
            return [("traceparent", self.traceparent)]
        return [("traceparent", self.traceparent), ("tracestate", self.tracestate)]


class Span(Protocol):
    """Something that takes time. `end` it exactly once."""

    @property
    def context(self) -> TraceContext:
        """What whoever continues the trace is told."""
        ...

    @property
    def is_recording(self) -> bool:
        """Whether attributes are kept; when not, there is no need to collect them."""
        ...

    def set(self, attributes: Attributes) -> None:
        """Add attributes."""
        ...

    def end(self, *, error: str | None = None) -> None:
        """End it; `error` is a closed word for what went wrong."""
        ...


class Tracing(Protocol):
    """Makes spans and exports those that are sampled; a component of the service."""

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
        """Begin a span; without a parent it begins a trace, sampled by the ratio."""
        ...

    async def start(self) -> None:
        """Begin to export."""
        ...

    async def drain(self, deadline_s: float) -> None:
        """Go on until the end."""
        ...

    async def stop(self) -> None:
        """Export what is queued, for a bounded time."""
        ...


class PassedOn:
    """A span that is not one: the trace is not recorded, its context goes on unchanged."""

    __slots__ = ("context",)
    is_recording = False

    def __init__(self, context: TraceContext) -> None:
        self.context = context

    def set(self, attributes: Attributes) -> None:
        """Keep nothing."""

    def end(self, *, error: str | None = None) -> None:
        """Nothing began."""


def context_of(headers: Iterable[tuple[str, bytes]]) -> TraceContext | None:
    """Find the context in a record's headers; whoever wrote the record checked its form."""
    parent = state = None
    for name, raw in headers:
        if name == "traceparent":
            parent = raw
        elif name == "tracestate":
            state = raw
    if parent is None:
        return None
    return TraceContext(
        parent.decode("latin-1"), None if state is None else state.decode("latin-1")
    )


def make_tracing(
    settings: TracingSettings,
    *,
    service: str,
    instruments: CollectorRegistry,
    log: FilteringBoundLogger,
) -> Tracing | None:
    """Return the tracing of a process, None when it is off; StartRefused without the packages."""
    if settings.endpoint is None:
        return None
    made: Tracing = _adapter().OtelTracing(
        settings, service=service, instruments=instruments, log=log
    )
    return made


def _adapter() -> ModuleType:
    try:
        from chassis import otel
    except ModuleNotFoundError as error:
        raise StartRefused(
            f"HOOKLANE_TRACING__ENDPOINT is set, but {error.name} is not installed: "
            "pip install 'hooklane[otel]', or unset it"
        ) from None
    return otel
