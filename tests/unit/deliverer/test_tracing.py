"""The spans of an attempt, and what its receiver is told."""

import asyncio
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from deliverer.attempts import Attempter
from deliverer.metrics import DelivererMetrics
from deliverer.policy.items import Attempt, Delivery
from deliverer.records import read_delivery
from deliverer.sender.port import AttemptResult, Cut
from deliverer.tracing import AttemptTraces
from schemas.outcome import Outcome
from tests.fakes.clock import ManualClock
from tests.fakes.deliverer import FakeRegistry, delivery_record, made, silent_log
from tests.fakes.sender import FakeSender
from tests.fakes.tracing import SAMPLED, TRACE_ID, UNSAMPLED, Traces, ids_of, parent_of

HOST = "hooks.example.com"


class Rig:
    """An attempter over fakes, traced or not."""

    def __init__(
        self,
        traces: Traces | None = None,
        answer: AttemptResult | None = None,
        *,
        tells_trace: bool = True,
    ) -> None:
        self.sender = FakeSender({} if answer is None else {HOST: answer})
        log, self.said = silent_log()
        self.registry = FakeRegistry(log)
        self.registry.put()
        self.attempter = Attempter(
            self.sender,
            clock=ManualClock(),
            metrics=DelivererMetrics(CollectorRegistry()),
            log=log,
            traces=None if traces is None else AttemptTraces(traces.tracing, group="t-deliverer"),
            tells_trace=tells_trace,
        )

    async def make(self, *trace: tuple[str, bytes], number: int = 1) -> None:
        """Make an attempt of a record with these trace headers."""
        record = delivery_record(5)
        delivery = read_delivery(replace(record, headers=[*record.headers, *trace]))
        assert isinstance(delivery, Delivery)
        await made(self.attempter, Attempt(delivery, number), self.registry.view)

    def told(self) -> dict[str, str]:
        """Return the trace headers of the one request."""
        (request,) = self.sender.requests
        pairs = [line.partition(": ") for line in request.head.decode().split("\r\n")]
        return {name: value for name, _, value in pairs if name.startswith("trace")}


async def test_an_attempt_is_two_spans_below_the_fan_out() -> None:
    """What is processed, and the request; the receiver continues the request."""
    traces, came = Traces(), ("traceparent", SAMPLED.encode())
    rig = Rig(traces)

    await rig.make(came, number=3)

    process, request = traces.named("process t.deliveries"), traces.named("POST")
    assert (ids_of(process)[0], ids_of(process)[2]) == (TRACE_ID, SAMPLED.split("-")[2])
    assert [f"{link.context.trace_id:032x}" for link in process.links] == [TRACE_ID]
    assert ids_of(request)[2] == ids_of(process)[1]
    assert rig.told() == {"traceparent": parent_of(request)}
    assert dict(request.attributes or {}) == {
        "http.request.method": "POST",
        "http.request.resend_count": 2,
        "http.response.status_code": 204,
        "network.protocol.version": "1.1",
        "server.address": HOST,
        "server.port": 443,
        "url.scheme": "https",
    }
    attributes = dict(process.attributes or {})
    assert (attributes["hooklane.outcome"], attributes["hooklane.attempt"]) == ("delivered", 3)
    assert (attributes["messaging.message.id"], attributes["messaging.kafka.offset"]) == (
        "msg_5",
        5,
    )


@pytest.mark.parametrize(
    ("outcome", "status", "request_error"),
    [
        (Outcome.HTTP_5XX, 503, "503"),
        (Outcome.HTTP_3XX, 302, "http_3xx"),
        (Outcome.TIMEOUT, None, "timeout"),
    ],
)
async def test_a_failure_is_named_in_both(
    outcome: Outcome, status: int | None, request_error: str
) -> None:
    """The request by its status, the delivery by our outcome."""
    traces = Traces()

    await Rig(traces, AttemptResult(outcome=outcome, status=status)).make()

    process, request = traces.named("process t.deliveries"), traces.named("POST")
    assert (process.attributes or {})["error.type"] == outcome.value
    assert (request.attributes or {})["error.type"] == request_error


async def test_spans_of_an_attempt_that_is_cut_off_end() -> None:
    """A rebalance cuts attempts; their spans say so."""
    traces = Traces()
    rig = Rig(traces)
    rig.sender.hangs.add(HOST)

    running = asyncio.create_task(rig.make())
    await asyncio.wait({running}, timeout=0.05)
    running.cancel()
    await asyncio.wait({running})

    errors = [(span.attributes or {})["error.type"] for span in traces.spans]
    assert errors == ["cancelled", "cancelled"]


async def test_spans_of_an_attempt_that_could_not_begin_end() -> None:
    """Whoever began it hears the defect; a span without an end would never be exported."""
    traces = Traces()
    rig = Rig(traces)
    rig.sender.begin = _refuse  # type: ignore[method-assign]

    with pytest.raises(RuntimeError):
        await rig.make()

    assert [span.name for span in traces.spans] == ["POST", "process t.deliveries"]


def _refuse(*_: object, **__: object) -> Cut:
    raise RuntimeError("a defect")


async def test_a_subscription_that_is_gone_has_no_request() -> None:
    """Only the delivery's span."""
    traces = Traces()
    rig = Rig(traces)
    delivery = read_delivery(delivery_record(5, subscription="sub_gone"))
    assert isinstance(delivery, Delivery)

    await made(rig.attempter, Attempt(delivery, 1), rig.registry.view)

    (process,) = traces.spans
    assert (process.attributes or {})["hooklane.outcome"] == "cancelled"


async def test_receivers_are_told_nothing_unless_it_is_wanted() -> None:
    """They are strangers."""
    traces, came = Traces(), ("traceparent", SAMPLED.encode())
    traced, plain = Rig(traces, tells_trace=False), Rig(tells_trace=False)

    await traced.make(came)
    await plain.make(came)

    assert (traced.told(), plain.told()) == ({}, {})


@pytest.mark.parametrize(
    ("trace", "told"),
    [
        (
            [("traceparent", SAMPLED.encode()), ("tracestate", b"a=b")],
            {"traceparent": SAMPLED, "tracestate": "a=b"},
        ),
        ([("traceparent", UNSAMPLED.encode())], {"traceparent": UNSAMPLED}),
        (
            [("traceparent", SAMPLED.encode()), ("tracestate", b"a\r\nx: y")],
            {"traceparent": SAMPLED},
        ),
        ([("traceparent", b"00-\r\nx: y")], {}),
        ([], {}),
    ],
)
async def test_without_tracing_the_records_own_headers_are_passed_on(
    trace: list[tuple[str, bytes]], told: dict[str, str]
) -> None:
    """Well formed, or not at all: a record is written by whoever may write the topic."""
    rig = Rig()

    await rig.make(*trace)

    assert rig.told() == told


async def test_a_failed_attempt_names_its_trace_in_the_log() -> None:
    """So that a line leads to its trace, also where other people record it."""
    rig = Rig(answer=AttemptResult(outcome=Outcome.HTTP_5XX, status=500))

    await rig.make(("traceparent", SAMPLED.encode()))

    assert [line["trace_id"] for line in rig.said.entries] == [TRACE_ID]
