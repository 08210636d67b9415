"""Make one attempt: look up the endpoint, build the request, send it, report how it ended.

All of it by callbacks: what a task and its futures cost per attempt is more than the policy does.
To build a request and to send it are two calls, so that many can be built before any is written.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import TypeVar

from structlog.typing import FilteringBoundLogger

from chassis.clock import Clock
from chassis.tracing import context_of
from deliverer.endpoints import Absent, Endpoint, PartitionEndpoints, VaultClosed
from deliverer.metrics import DelivererMetrics
from deliverer.policy.items import Attempt, AttemptReport
from deliverer.records import masked, received
from deliverer.report import cut_off, heeding_abort, report_of
from deliverer.request import RequestRefused, build_request
from deliverer.sender.port import AttemptResult, Cut, MaySend, PreparedRequest, Sender
from deliverer.tracing import AttemptSpans, AttemptTraces, TraceHeaders, headers_to_pass
from schemas.outcome import Outcome

T = TypeVar("T")
Done = Callable[[Attempt, AttemptReport | Exception], None]
"""Hears how an attempt ended; an exception is a defect of ours."""


class Attempter:
    """Run attempts of any partition of this process."""

    def __init__(
        self,
        sender: Sender,
        *,
        clock: Clock,
        metrics: DelivererMetrics,
        log: FilteringBoundLogger,
        traces: AttemptTraces | None = None,
        tells_trace: bool = False,
    ) -> None:
        """`tells_trace`: receivers get the W3C headers."""
        self._sender = sender
        self._traces = traces
        self._tells_trace = tells_trace
        self._clock = clock
        self._metrics = metrics
        self._log = log

    def prepare(self, attempt: Attempt, endpoints: PartitionEndpoints, done: Done) -> "Making":
        """Build the request of an attempt, with the URL, headers and secrets of this moment.

        `send` of what is returned begins it. `done` is called once, never before `send` returned;
        or never, when `cut` comes first.
        """
        spans = None if self._traces is None else self._traces.begin(attempt)
        making = Making(
            self,
            attempt,
            done,
            spans=spans,
            may_send=endpoints.may_send,
            started_at=self._clock.now_ms(),
        )
        try:
            endpoint = endpoints.endpoint(attempt.delivery.subscription)
            if isinstance(endpoint, Endpoint):
                making.secrets = endpoint.secrets
                making.request = self._request(making, endpoint)
            else:
                making.request = endpoint
        except BaseException:
            making.cut()
            raise
        return making

    def send(self, making: "Making") -> Cut | None:
        """Send what was built; what cannot be sent ends soon."""
        request = making.request
        if isinstance(request, PreparedRequest):
            return self._sender.begin(request, making.ended, may_send=making.may_send)
        soon = asyncio.get_running_loop().call_soon
        if isinstance(request, RequestRefused):
            soon(making.ended, _refused(request))
        elif request is not None:
            soon(making.give_up, request)
        return None

    def tell_unmade(self, attempt: Attempt, report: AttemptReport) -> None:
        """Write the line of an attempt that was cut off or never got as far as a request."""
        self._log.info("attempt.failed", **_fields(attempt, report))

    def unmade(self, making: "Making", endpoint: Absent | VaultClosed) -> AttemptReport:
        """Report an attempt that has nowhere to go."""
        is_ours = isinstance(endpoint, VaultClosed)
        report = cut_off(
            Outcome.LOCAL_FAULT if is_ours else Outcome.CANCELLED,
            started_at=making.started_at,
            finished_at=making.started_at,
            detail="vault" if is_ours else "subscription gone",
        )
        self.tell_unmade(making.attempt, report)
        return report

    def report(self, making: "Making", result: AttemptResult) -> AttemptReport:
        """Observe how an attempt ended and describe it to the policy."""
        result = heeding_abort(result)
        started_at, finished_at = making.started_at, self._clock.now_ms()
        self._observe(making.attempt, result, started_at=started_at, finished_at=finished_at)
        report = report_of(result, started_at=started_at, finished_at=finished_at)
        if report.response:
            report.response = masked(report.response, making.secrets)
        return report

    def _request(self, making: "Making", endpoint: Endpoint) -> PreparedRequest | RequestRefused:
        recipient, spans = endpoint.recipient, making.spans
        if isinstance(recipient, RequestRefused):
            return recipient
        delivery = making.attempt.delivery
        record = received(delivery)
        told = None if spans is None else spans.begin_request(recipient)
        trace: TraceHeaders = ()
        if self._tells_trace:
            trace = headers_to_pass(record) if told is None else told.pairs()
        return build_request(
            recipient,
            webhook_id=delivery.webhook_id,
            sequence=delivery.sequence,
            attempt=making.attempt.number,
            now_ms=making.started_at,
            record_headers=record.headers,
            data=record.value,
            is_replay=delivery.kind == "replay",
            trace=trace,
        )

    def _observe(
        self, attempt: Attempt, result: AttemptResult, *, started_at: int, finished_at: int
    ) -> None:
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
            # A success costs microseconds; not to build a line that nobody sees is part of that.
            if self._log.is_enabled_for(logging.DEBUG):
                self._log.debug("attempt.delivered", **_fields(attempt, result))
        else:
            self._log.info("attempt.failed", **_fields(attempt, result))


class Making:
    """One attempt: built, sent, and then it runs until `ended`, `give_up` or `cut`."""

    __slots__ = (
        "_attempter",
        "_done",
        "_is_over",
        "attempt",
        "may_send",
        "request",
        "secrets",
        "sending",
        "spans",
        "started_at",
    )

    def __init__(
        self,
        attempter: Attempter,
        attempt: Attempt,
        done: Done,
        *,
        spans: AttemptSpans | None,
        may_send: MaySend,
        started_at: int,
    ) -> None:
        self._attempter = attempter
        self._done = done
        self._is_over = False
        self.attempt = attempt
        self.spans = spans
        self.may_send = may_send
        self.started_at = started_at
        self.secrets: tuple[str, ...] = ()
        self.request: PreparedRequest | RequestRefused | Absent | VaultClosed | None = None
        self.sending: Cut | None = None

    def send(self) -> None:
        """Begin it, unless it was cut off; an exception ends it."""
        if self._is_over:
            return
        try:
            self.sending = self._attempter.send(self)
        except BaseException:
            self.cut()
            raise

    def ended(self, result: AttemptResult) -> None:
        """Report the end that the sender tells."""
        self._end(self._attempter.report, result)

    def give_up(self, endpoint: Absent | VaultClosed) -> None:
        """Report that there is nowhere to send it."""
        self._end(self._attempter.unmade, endpoint)

    def cut(self) -> None:
        """End it now, and report nothing; what has ended is left alone."""
        if self._is_over:
            return
        self._is_over = True
        if self.sending is not None:
            self.sending()
        if self.spans is not None:
            self.spans.end(None)

    def _end(self, report_on: Callable[["Making", T], AttemptReport], what: T) -> None:
        if self._is_over:
            return
        self._is_over = True
        report: AttemptReport | None = None
        try:
            report = report_on(self, what)
        except Exception as fault:  # noqa: BLE001 - it would end in the loop, the attempt nowhere
            self._done(self.attempt, fault)
        else:
            self._done(self.attempt, report)
        finally:
            if self.spans is not None:
                self.spans.end(report)


def _refused(refusal: RequestRefused) -> AttemptResult:
    return AttemptResult(
        outcome=Outcome.BLOCKED, detail=refusal.detail, blocked_reason=refusal.reason
    )


def _fields(attempt: Attempt, result: AttemptResult | AttemptReport) -> dict[str, object]:
    fields = {
        "webhook_id": attempt.delivery.webhook_id,
        "subscription": attempt.delivery.subscription,
        "sequence": attempt.delivery.sequence,
        "attempt": attempt.number,
        "outcome": result.outcome.value,
        "status": result.status,
        "duration_ms": result.duration_ms,
        "detail": result.detail,
    }
    context = context_of(received(attempt.delivery).headers)
    return fields if context is None else fields | {"trace_id": context.trace_id}
