"""What is off costs: `python -m bench.off_bench` measures it and writes `bench/off.json`.

Tracing without an endpoint, and log lines below the level, in the hot path of each service as it
is, beside the same path with the seam cut out. Rounds alternate and are compared one by one, in CPU
time of the thread, so that neighbours do not count. The uncut path runs twice: what two
measurements of the same code lie apart, a difference must exceed to be one. Nothing is sent or
written here, so the paths are shorter than in production, and shares of them larger.
"""

import asyncio
import json
import logging
import sys
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from statistics import median

from prometheus_client import CollectorRegistry

from bench.run import surroundings
from bench.workload import Subscriber, Workload
from chassis import logs
from chassis.clock import SystemClock
from chassis.kafka import Record
from chassis.settings import LogSettings
from deliverer.attempts import Attempter, Done, Making
from deliverer.endpoints import Endpoint, PartitionEndpoints
from deliverer.metrics import DelivererMetrics
from deliverer.policy.items import Attempt, AttemptReport, Delivery
from deliverer.records import read_delivery, received
from deliverer.request import RequestRefused, build_request, recipient_of
from deliverer.sender.port import AttemptResult, Cut, Ended, PreparedRequest, always
from fanout.traces import EventTraces
from gateway.lines import Done as Told
from gateway.publish import NotPublished, Published
from gateway.sending import EventsTopic, Sending
from schemas.cloudevents import decode_event
from schemas.event import Event
from schemas.outcome import Outcome
from schemas.registry import SealedFields

RESULTS = Path(__file__).with_name("off.json")
ROUNDS, CALLS = 300, 100
URL, SECRET = "https://hooks.example.com/in", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
SHOP = Subscriber("shop", 0, ("sub_00000000000000000000000001",))

Call = Callable[[], object]


class Arrived:
    """A record as a consumer gives it."""

    def __init__(self, record: Record, offset: int) -> None:
        self.topic, self.partition, self.offset = record.topic, 0, offset
        self.key, self.value, self.headers = record.key, record.value, record.headers
        self.timestamp = SystemClock().now_ms()


class Endpoints:
    """Knows one endpoint."""

    may_send = staticmethod(always)

    def __init__(self) -> None:
        sealed = SealedFields(url=URL, secret=SECRET)
        self._endpoint = Endpoint(recipient_of(sealed, format="binary", timeout_s=15), ())

    def endpoint(self, _subscription: str) -> Endpoint:
        """Give it."""
        return self._endpoint


class Yes:
    """Sends nothing and is answered 204."""

    answer = AttemptResult(outcome=Outcome.DELIVERED, status=204, duration_ms=1)

    def begin(
        self, request: PreparedRequest, ended: Ended, *, may_send: Callable[[], bool] = always
    ) -> Cut:
        """Answer at once: there is no loop here that could do it later."""
        ended(self.answer)
        return _nothing

    async def send(
        self, request: PreparedRequest, *, may_send: Callable[[], bool] = always
    ) -> AttemptResult:
        """Answer at once."""
        return self.answer


class Untraced(Attempter):
    """The attempter with all of tracing cut out."""

    def prepare(self, attempt: Attempt, endpoints: PartitionEndpoints, done: Done) -> Making:
        """Build an attempt."""
        making = Making(
            self,
            attempt,
            done,
            spans=None,
            may_send=endpoints.may_send,
            started_at=self._clock.now_ms(),
        )
        endpoint = endpoints.endpoint(attempt.delivery.subscription)
        if not isinstance(endpoint, Endpoint):
            raise TypeError("the bench's endpoint is there")
        making.secrets = endpoint.secrets
        making.request = self._request(making, endpoint)
        return making

    def _request(self, making: Making, endpoint: Endpoint) -> PreparedRequest | RequestRefused:
        delivery, record = making.attempt.delivery, received(making.attempt.delivery)
        recipient = endpoint.recipient
        if isinstance(recipient, RequestRefused):
            raise TypeError("the bench's recipient is refused")
        return build_request(
            recipient,
            webhook_id=delivery.webhook_id,
            sequence=delivery.sequence,
            attempt=making.attempt.number,
            now_ms=making.started_at,
            record_headers=record.headers,
            data=record.value,
            is_replay=delivery.kind == "replay",
        )


class Unlogged(Attempter):
    """The attempter without the line of a success."""

    def _observe(self, attempt, result, *, started_at, finished_at):  # type: ignore[no-untyped-def]
        metrics, delivery = self._metrics, attempt.delivery
        metrics.duration[result.outcome].observe(result.duration_ms / 1000)
        if result.blocked_reason is not None:
            metrics.blocked[result.blocked_reason].inc()
        if attempt.due_at is not None:
            metrics.retry_lateness.observe(max(0, started_at - attempt.due_at) / 1000)
        if attempt.number == 1 and attempt.source is None:
            delay_ms = max(0, started_at - delivery.accepted_at)
            metrics.first_attempt_delay.observe(delay_ms / 1000)
            if delivery.is_unhindered:
                metrics.own_delay.observe(delay_ms / 1000)
        if result.outcome is Outcome.DELIVERED:
            metrics.end_to_end.observe(max(0, finished_at - delivery.accepted_at) / 1000)


class UntracedSending(Sending):
    """What writes events, with all of tracing cut out."""

    async def send(
        self, request: object, events: Sequence[Event]
    ) -> Sequence[Published | NotPublished]:
        """Write events of one request."""
        del request
        return await self._publisher.publish([self._topic.record_of(one) for one in events])


class Taking:
    """Takes every record."""

    async def publish(self, records: Sequence[Record]) -> Sequence[Published | NotPublished]:
        """Answer at once."""
        return [Published(record.partition, 0) for record in records]

    def submit(self, records: Sequence[Record], on_done: Told) -> None:
        """Answer in the next turn of the loop."""
        outcomes = [Published(record.partition, 0) for record in records]
        asyncio.get_running_loop().call_soon(on_done, outcomes)


def _nothing() -> None:
    """Cut off what has ended."""


def ignore(attempt: Attempt, report: AttemptReport | Exception) -> None:
    """Take the end of an attempt, which must be no defect."""
    if isinstance(report, Exception):
        raise report


def run(coroutine: Coroutine[object, object, object]) -> object:
    """Run what never waits, without a loop."""
    try:
        coroutine.send(None)
    except StopIteration as ended:
        return ended.value
    raise RuntimeError("it waited")


def compared(variants: Mapping[str, Call]) -> dict[str, dict[str, float]]:
    """Return for each variant the middle round in µs a call, and its ratio to the first variant.

    The ratio is the middle one of those of single rounds: within one, the machine was the same.
    """
    rounds: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(ROUNDS):
        names = list(variants)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            call = variants[name]
            began = time.thread_time_ns()
            for _ in range(CALLS):
                call()
            rounds[name].append((time.thread_time_ns() - began) / CALLS / 1_000)
    first = next(iter(rounds.values()))
    return {
        name: {
            "us": round(median(found), 3),
            "ratio": round(median(a / b for a, b in zip(found, first, strict=True)), 4),
        }
        for name, found in rounds.items()
    }


def delivery_paths() -> dict[str, Call]:
    """Make an attempt: look up, sign, send, observe, report."""
    (record,) = Workload("bench").delivery_records([SHOP], 1, now_ms=SystemClock().now_ms())
    delivery = read_delivery(Arrived(record, 5))
    if not isinstance(delivery, Delivery):
        raise TypeError("the bench wrote a delivery that nobody can read")
    endpoints = Endpoints()

    def path(kind: type[Attempter]) -> Call:
        attempter = kind(
            Yes(),
            clock=SystemClock(),
            metrics=DelivererMetrics(CollectorRegistry()),
            log=logs.get("attempts").bind(),
        )
        return lambda: attempter.prepare(Attempt(delivery, 1), endpoints, ignore).send()  # type: ignore[arg-type]

    return {
        "as it is": path(Attempter),
        "as it is, again": path(Attempter),
        "without tracing": path(Untraced),
        "without the level of lines": path(Unlogged),
    }


def fanout_paths() -> dict[str, Call]:
    """Read an event, which is the least of what fan-out does with one, and ask for its span."""
    (event,) = Workload("bench").event_records([SHOP], 1)

    class Place:
        traces: EventTraces | None = None

    place = Place()

    def as_it_is() -> None:
        decode_event(event.key, event.value, event.headers)
        if place.traces is not None:
            raise RuntimeError("tracing is off")

    def without() -> None:
        decode_event(event.key, event.value, event.headers)

    return {"as it is": as_it_is, "as it is, again": as_it_is, "without tracing": without}


def gateway_paths() -> dict[str, Call]:
    """Write one accepted event."""
    ((_, event),) = Workload("bench")._events([SHOP], 1)
    sending = Sending(Taking(), EventsTopic("bench.events", 12))
    untraced = UntracedSending(Taking(), EventsTopic("bench.events", 12))
    events = [event]
    as_it_is: Call = lambda: run(sending.send(None, events))  # type: ignore[arg-type]  # noqa: E731
    without: Call = lambda: run(untraced.send(None, events))  # noqa: E731
    return {"as it is": as_it_is, "as it is, again": as_it_is, "without tracing": without}


def line_paths() -> dict[str, Call]:
    """Say something below the level, as the hot path does, and as careless code would."""
    log = logs.get("attempts").bind()
    fields = dict.fromkeys("abcdefgh", 1)
    return {
        "nothing": lambda: None,
        "asked first": lambda: log.is_enabled_for(logging.DEBUG),
        "a suppressed line with eight fields": lambda: log.debug("x", **fields),
    }


PATHS: Mapping[str, Callable[[], dict[str, Call]]] = {
    "deliverer, one attempt": delivery_paths,
    "fan-out, one event read": fanout_paths,
    "gateway, one event written": gateway_paths,
    "one line": line_paths,
}


def main() -> int:
    """Measure, print and write it down."""
    logs.configure(LogSettings(), "bench")
    found = {name: compared(paths()) for name, paths in PATHS.items()}
    text = json.dumps({"surroundings": surroundings(), "paths": found}, indent=1)
    RESULTS.write_text(text + "\n", encoding="utf-8")
    sys.stdout.write(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
