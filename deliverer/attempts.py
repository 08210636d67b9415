"""Make one attempt: look up the endpoint, build the request, send it, report how it ended."""

import logging
from collections.abc import Coroutine

from structlog.typing import FilteringBoundLogger

from chassis.clock import Clock
from chassis.tracing import context_of
from deliverer.endpoints import Endpoint, PartitionEndpoints, VaultClosed
from deliverer.metrics import DelivererMetrics
from deliverer.policy.items import Attempt, AttemptReport
from deliverer.records import masked, received
from deliverer.report import cut_off, heeding_abort, report_of
from deliverer.request import RequestRefused, build_request
from deliverer.sender.port import AttemptResult, MaySend, Sender
from deliverer.tracing import AttemptSpans, AttemptTraces, TraceHeaders, headers_to_pass
from schemas.outcome import Outcome


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

    def make(
        self, attempt: Attempt, endpoints: PartitionEndpoints
    ) -> Coroutine[object, object, AttemptReport]:
        """Make an attempt with the URL, headers and secrets of this moment."""
        if self._traces is None:
            return self._make(attempt, endpoints, None)
        return self._make_traced(attempt, endpoints, self._traces.begin(attempt))

    async def _make_traced(
        self, attempt: Attempt, endpoints: PartitionEndpoints, spans: AttemptSpans
    ) -> AttemptReport:
        report: AttemptReport | None = None
        try:
            report = await self._make(attempt, endpoints, spans)
        finally:
            spans.end(report)
        return report

    async def _make(
        self, attempt: Attempt, endpoints: PartitionEndpoints, spans: AttemptSpans | None
    ) -> AttemptReport:
        started_at = self._clock.now_ms()
        delivery = attempt.delivery
        endpoint = endpoints.endpoint(delivery.subscription)
        if not isinstance(endpoint, Endpoint):
            is_ours = isinstance(endpoint, VaultClosed)
            outcome = Outcome.LOCAL_FAULT if is_ours else Outcome.CANCELLED
            detail = "vault" if is_ours else "subscription gone"
            report = cut_off(outcome, started_at=started_at, finished_at=started_at, detail=detail)
            self.tell_unmade(attempt, report)
            return report
        result = heeding_abort(
            await self._send(
                attempt, endpoint, spans, now_ms=started_at, may_send=endpoints.may_send
            )
        )
        finished_at = self._clock.now_ms()
        self._observe(attempt, result, started_at=started_at, finished_at=finished_at)
        report = report_of(result, started_at=started_at, finished_at=finished_at)
        if report.response:
            report.response = masked(report.response, endpoint.secrets)
        return report

    def tell_unmade(self, attempt: Attempt, report: AttemptReport) -> None:
        """Write the line of an attempt that was cut off or never got as far as a request."""
        self._log.info("attempt.failed", **_fields(attempt, report))

    async def _send(
        self,
        attempt: Attempt,
        endpoint: Endpoint,
        spans: AttemptSpans | None,
        *,
        now_ms: int,
        may_send: MaySend,
    ) -> AttemptResult:
        delivery, record = attempt.delivery, received(attempt.delivery)
        recipient = endpoint.recipient
        if isinstance(recipient, RequestRefused):
            return _refused(recipient)
        told = None if spans is None else spans.begin_request(recipient)
        trace: TraceHeaders = ()
        if self._tells_trace:
            trace = headers_to_pass(record) if told is None else told.pairs()
        request = build_request(
            recipient,
            webhook_id=delivery.webhook_id,
            sequence=delivery.sequence,
            attempt=attempt.number,
            now_ms=now_ms,
            record_headers=record.headers,
            data=record.value,
            is_replay=delivery.kind == "replay",
            trace=trace,
        )
        if isinstance(request, RequestRefused):
            return _refused(request)
        return await self._sender.send(request, may_send=may_send)

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
