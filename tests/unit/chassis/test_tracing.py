"""Trace context in headers, and that tracing costs nothing while it is off."""

import subprocess
import sys

import pytest
from prometheus_client import CollectorRegistry

from chassis import logs
from chassis.settings import TracingSettings
from chassis.tracing import PassedOn, TraceContext, context_of, make_tracing
from tests.fakes.tracing import SAMPLED, TRACE_ID, UNSAMPLED

BUILT_WITHOUT = """
import asyncio, inspect, sys
from importlib import import_module

for name in ("gateway", "fanout", "deliverer"):
    service = import_module(f"{name}.service")
    model = getattr(import_module(f"{name}.settings"), f"{name.capitalize()}Settings")
    fields = {"kafka": {"bootstrap_servers": "127.0.0.1:9"}}
    if "vault" in model.model_fields:
        fields["vault"] = {"keys": "k1:" + "A" * 43 + "="}
    if "auth" in model.model_fields:
        fields["auth"] = {"root_key": "x" * 32}

    async def build():
        built = service.build(model(**fields))
        return await built if inspect.isawaitable(built) else built

    parts = asyncio.run(build())
    assert not [part for part in parts if "Tracing" in type(part).__name__], name
print(sorted(one for one in sys.modules if one.split(".")[0] in {"opentelemetry", "google"}))
"""


def test_a_context_is_found_among_the_headers_of_a_record() -> None:
    """Whatever stands round it."""
    headers = [("ce_id", b"1"), ("tracestate", b"a=b"), ("traceparent", SAMPLED.encode())]

    assert context_of(headers) == TraceContext(SAMPLED, "a=b")
    assert context_of(headers[:2]) is None
    assert context_of([]) is None


@pytest.mark.parametrize("traceparent", [SAMPLED, UNSAMPLED, SAMPLED + "-x"])
def test_a_trace_is_known_by_its_id(traceparent: str) -> None:
    """Whatever comes behind it."""
    assert TraceContext(traceparent).trace_id == TRACE_ID


def test_headers_to_send_on() -> None:
    """A `tracestate` never goes alone."""
    assert TraceContext(SAMPLED).pairs() == [("traceparent", SAMPLED)]
    assert TraceContext(SAMPLED, "a=b").pairs() == [("traceparent", SAMPLED), ("tracestate", "a=b")]


def test_a_trace_that_is_passed_on_keeps_nothing() -> None:
    """It only carries its context."""
    span = PassedOn(TraceContext(UNSAMPLED))
    span.set({"a": 1})
    span.end(error="x")

    assert (span.context, span.is_recording) == (TraceContext(UNSAMPLED), False)


def test_without_an_endpoint_there_is_no_tracing() -> None:
    """None, so that the hot paths have one branch and no metric appears."""
    instruments = CollectorRegistry()

    made = make_tracing(
        TracingSettings(), service="x", instruments=instruments, log=logs.get("test")
    )

    assert made is None
    assert list(instruments.collect()) == []


def test_services_without_an_endpoint_import_no_opentelemetry() -> None:
    """Neither its start-up time nor its memory."""
    done = subprocess.run(
        [sys.executable, "-c", BUILT_WITHOUT], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "[]", "")


def test_without_the_packages_the_start_is_refused() -> None:
    """The line says what to install."""
    code = (
        "import sys\n"
        "sys.modules['opentelemetry.context'] = None\n"
        "from chassis.refusal import StartRefused\n"
        "from chassis import tracing\n"
        "try:\n    tracing._adapter()\nexcept StartRefused as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "pip install 'hooklane[otel]'" in done.stdout
    assert "HOOKLANE_TRACING__ENDPOINT" in done.stdout
