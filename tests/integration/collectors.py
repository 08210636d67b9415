"""Collectors of traces for tests: one of a few lines, and the real one when it is installed."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass(frozen=True)
class Received:
    """A span as it came over the wire."""

    service: str
    span: Span

    @property
    def name(self) -> str:
        """Return its name."""
        return self.span.name

    @property
    def trace_id(self) -> str:
        """Return the trace it belongs to."""
        return self.span.trace_id.hex()

    @property
    def span_id(self) -> str:
        """Return its own id."""
        return self.span.span_id.hex()

    @property
    def parent(self) -> str:
        """Return the id of the span above; empty at the top."""
        return self.span.parent_span_id.hex()

    @property
    def links(self) -> set[tuple[str, str]]:
        """Return trace and span ids of what it links."""
        return {(link.trace_id.hex(), link.span_id.hex()) for link in self.span.links}

    def attribute(self, name: str) -> str | int | None:
        """Return an attribute that is text or a number."""
        for one in self.span.attributes:
            if one.key == name:
                is_text = one.value.HasField("string_value")
                found: str | int = one.value.string_value if is_text else one.value.int_value
                return found
        return None


@dataclass
class Collector:
    """OTLP/HTTP by the official protocol package; keeps spans, and every byte that came."""

    spans: list[Received] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0

    @property
    def endpoint(self) -> str:
        """Return where to export to."""
        return f"http://127.0.0.1:{self.port}/v1/traces"

    async def take(self, request: web.Request) -> web.Response:
        """Take an export."""
        body = await request.read()
        if body[:2] == b"\x1f\x8b":
            body = gzip.decompress(body)
        self.raw.append(body)
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            named = {one.key: one.value.string_value for one in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans += [Received(named["service.name"], span) for span in scope.spans]
        self.changed.set()
        return web.Response(content_type="application/x-protobuf")

    async def until(self, *names: str, within_s: float) -> None:
        """Wait for spans of these names, as many as they are given."""
        async with asyncio.timeout(within_s):
            while not self._has(names):
                await self.changed.wait()
                self.changed.clear()

    def _has(self, names: tuple[str, ...]) -> bool:
        have = [span.name for span in self.spans]
        return all(have.count(name) >= names.count(name) for name in names)

    def named(self, name: str) -> list[Received]:
        """Return the spans of a name, oldest first."""
        found = [span for span in self.spans if span.name == name]
        return sorted(found, key=lambda one: one.span.start_time_unix_nano)


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    """Run a collector on loopback."""
    collector = Collector()
    app = web.Application(client_max_size=64 << 20)
    app.router.add_post("/v1/traces", collector.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    collector.port = runner.addresses[0][1]
    try:
        yield collector
    finally:
        await runner.cleanup()
