"""Send one request and tell how it ended: the real side of the port.

An attempt is: a kept connection if there is a clean one, else a new one; one exchange; one result.
A kept connection that broke within a second, before any byte of an answer, was most likely closed
by the receiver while the request was on its way: the attempt goes on, once, on a new connection.

Right before the bytes are written, the time left and the right to send are asked once more. A
process that was frozen since finds its socket ready before any timer fires, and its event loop
still tells the time of its last turn; so the machine's own clock is asked.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

from chassis.clock import Clock, SystemClock
from chassis.egress import EgressPolicy
from chassis.egress_proxy import ProxyAddress
from deliverer.resolver import AiodnsLookup, Lookup, Resolver
from deliverer.sender.connection import Connection, ExchangeEnd
from deliverer.sender.connector import Connector, tls_context
from deliverer.sender.dial import Dial, dial_tcp
from deliverer.sender.pool import IDLE_MAX, Pool
from deliverer.sender.port import AttemptResult, MaySend, PreparedRequest, always
from deliverer.sender.route import (
    CLOSED_EARLY,
    SPOKE_EARLY,
    ConnectFailed,
    DirectRoute,
    ProxyRoute,
    Route,
)
from schemas.outcome import Outcome

STALE_S_MAX: Final = 1.0
_SHED_ON_LOCAL_FAULT: Final = 32


def outcome_of(status: int) -> Outcome:
    """Map the status of a final answer, 200 to 599."""
    if status in _SPECIAL_STATUSES:
        return _SPECIAL_STATUSES[status]
    return _STATUS_CLASSES[status // 100]


_SPECIAL_STATUSES: Final = {410: Outcome.HTTP_410, 429: Outcome.HTTP_429}
_STATUS_CLASSES: Final = {
    2: Outcome.DELIVERED,
    3: Outcome.HTTP_3XX,
    4: Outcome.HTTP_4XX,
    5: Outcome.HTTP_5XX,
}


def _ignore(is_reused: bool) -> None:
    """Count nothing."""


class _Permit:
    """Until when, and on what condition, the bytes of one attempt may be written."""

    __slots__ = ("_clock", "_expires", "_may_send")

    def __init__(self, clock: Clock, timeout_s: float, may_send: MaySend) -> None:
        self._clock = clock
        self._expires = clock.monotonic() + timeout_s
        self._may_send = may_send

    def refusal(self) -> ExchangeEnd | None:
        """Return how the attempt ends unwritten, None when it may go on."""
        if self._clock.monotonic() >= self._expires:
            return _unwritten(Outcome.TIMEOUT, "the time was over before the request was written")
        if not self._may_send():
            return _unwritten(Outcome.CANCELLED, "the partition may be another process's by now")
        return None


def _unwritten(failure: Outcome, detail: str) -> ExchangeEnd:
    return ExchangeEnd(failure, detail, 0.0, False, None, None, None, b"")


class HttpSender:
    """Sends prepared requests over HTTP/1.1 under one egress policy. Made inside a running loop.

    With a proxy every connection is a tunnel through it, that to an http target too.
    `on_connection` is told for each exchange whether its connection was reused. Nothing bounds the
    number of attempts in flight here: callers hold slots.
    """

    def __init__(
        self,
        policy: EgressPolicy,
        *,
        ca_file: Path | None = None,
        on_connection: Callable[[bool], None] = _ignore,
        idle_max: int = IDLE_MAX,
        lookup: Lookup | None = None,
        dial: Dial = dial_tcp,
        proxy: ProxyAddress | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._loop = asyncio.get_running_loop()
        self._on_connection = on_connection
        self._pool = Pool(self._loop, idle_max=idle_max)
        self._dns = AiodnsLookup()
        self._resolver = Resolver(lookup or self._dns, clock=self._loop.time)
        route: Route = DirectRoute(policy, resolver=self._resolver, dial=dial)
        if proxy is not None:
            route = ProxyRoute(policy, proxy, resolver=self._resolver, dial=dial)
        self._connector = Connector(
            policy, tls=tls_context(ca_file), route=route, on_closed=self._pool.forget
        )

    async def send(self, request: PreparedRequest, *, may_send: MaySend = always) -> AttemptResult:
        """Send one request and tell how it ended. Raises nothing but CancelledError."""
        permit = _Permit(self._clock, request.timeout_s, may_send)
        started = self._loop.time()
        deadline = started + request.timeout_s
        key = (request.scheme, request.host, request.port)
        connection = self._pool.take(key)
        if connection is not None:
            end = await self._exchange(connection, request, deadline, permit, is_reused=True)
            if not (end.is_unanswered and end.lasted_s < STALE_S_MAX):
                return self._result(end, started, is_reused=True)
        opened = await self._connector.open(*key, deadline=deadline)
        if isinstance(opened, ConnectFailed):
            return self._failed(opened, started)
        if not opened.is_idle:
            early = SPOKE_EARLY if opened.has_spoken_unasked else CLOSED_EARLY
            return self._failed(early, started)
        end = await self._exchange(opened, request, deadline, permit, is_reused=False)
        return self._result(end, started, is_reused=False)

    @property
    def idle_connections(self) -> int:
        """Return how many connections wait for their next request."""
        return len(self._pool)

    async def close(self) -> None:
        """Close idle connections and look-ups; running attempts are the callers' to cancel."""
        self._pool.close()
        await self._resolver.close()
        await self._dns.close()

    async def _exchange(
        self,
        connection: Connection,
        request: PreparedRequest,
        deadline: float,
        permit: _Permit,
        *,
        is_reused: bool,
    ) -> ExchangeEnd:
        end = permit.refusal()
        if end is None:
            self._on_connection(is_reused)
            try:
                end = await connection.exchange(request.head + request.body, deadline)
            except asyncio.CancelledError:
                connection.abort()
                raise
        if connection.is_idle:
            self._pool.put((request.scheme, request.host, request.port), connection)
        return end

    def _result(self, end: ExchangeEnd, started: float, *, is_reused: bool) -> AttemptResult:
        if end.status is None:
            return AttemptResult(
                outcome=end.failure or Outcome.CONNECTION_LOST,
                detail=end.detail,
                is_reused=is_reused,
                duration_ms=self._since(started),
            )
        return AttemptResult(
            outcome=outcome_of(end.status),
            status=end.status,
            retry_after=end.retry_after,
            webhook_delivery=end.webhook_delivery,
            response=end.response,
            is_reused=is_reused,
            duration_ms=self._since(started),
        )

    def _failed(self, failed: ConnectFailed, started: float) -> AttemptResult:
        if failed.outcome is Outcome.LOCAL_FAULT:
            self._pool.shed(_SHED_ON_LOCAL_FAULT)
        return AttemptResult(
            outcome=failed.outcome,
            detail=failed.detail,
            blocked_reason=failed.blocked_reason,
            duration_ms=self._since(started),
        )

    def _since(self, started: float) -> int:
        return round((self._loop.time() - started) * 1000)
