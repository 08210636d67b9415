"""Export to the real OpenTelemetry Collector."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from chassis import logs
from chassis.otel import OtelTracing
from chassis.settings import TracingSettings
from chassis.tracing import SpanKind, TraceContext
from tests.fakes.tracing import SAMPLED, TRACE_ID
from tests.missing import not_built
from tests.ports import free_port
from tools import collector

pytestmark = [
    pytest.mark.last,  # `make test` builds the collector meanwhile, in the background
    pytest.mark.timeout(700),  # it is waited for, or built here
]
CONFIG = """
receivers: {{otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{port}"}}}}}}}}
exporters: {{debug: {{verbosity: detailed}}}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{traces: {{receivers: [otlp], exporters: [debug]}}}}
"""


@dataclass
class Running:
    """A collector that prints each span it takes."""

    process: asyncio.subprocess.Process
    endpoint: str

    async def says(self, *words: str, within_s: float = 30) -> str:
        """Read what it prints until all the words were there."""
        assert self.process.stderr is not None
        text = ""
        async with asyncio.timeout(within_s):
            while not all(word in text for word in words):
                line = await self.process.stderr.readline()
                assert line, f"the collector ended:\n{text[-2000:]}"
                text += line.decode()
        return text


@pytest.fixture
async def otelcol(tmp_path: Path) -> AsyncIterator[Running]:
    """Run the collector on loopback."""
    try:
        program = await asyncio.to_thread(collector.ensure)
    except collector.CollectorMissing as error:
        not_built(str(error))
    port = free_port()
    config = tmp_path / "otel.yaml"
    config.write_text(CONFIG.format(port=port))
    process = await asyncio.create_subprocess_exec(
        program, "--config", f"file:{config}", stderr=asyncio.subprocess.PIPE
    )
    running = Running(process, f"http://127.0.0.1:{port}/v1/traces")
    try:
        await running.says("Everything is ready")
        yield running
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def test_the_real_collector_understands_what_is_exported(otelcol: Running) -> None:
    """Trace, parent, kind, link, attribute, status and service arrive as they were meant."""
    instruments = CollectorRegistry()
    tracing = OtelTracing(
        TracingSettings(endpoint=otelcol.endpoint),
        service="hooklane-deliverer",
        instruments=instruments,
        log=logs.get("test"),
    )
    await tracing.start()
    came = TraceContext(SAMPLED)
    tracing.start_span(
        "process hooklane.deliveries",
        SpanKind.CONSUMER,
        parent=came,
        links=[came],
        attributes={"messaging.kafka.offset": 41},
    ).end(error="timeout")

    await tracing.stop()
    text = await otelcol.says("error.type", "SpanLink #0")

    exported = {"result": "exported"}
    assert instruments.get_sample_value("hooklane_trace_spans_total", exported) == 1
    for words in (
        TRACE_ID,
        SAMPLED.split("-")[2],
        "process hooklane.deliveries",
        "Kind           : Consumer",
        "messaging.kafka.offset: Int(41)",
        "error.type: Str(timeout)",
        "Status code    : Error",
        "service.name: Str(hooklane-deliverer)",
        "service.namespace: Str(hooklane)",
    ):
        assert words in text, words
