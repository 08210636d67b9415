"""One request on its way: over a kept connection if there is a clean one, else over a new one.

A kept connection that broke within a second, before any byte of an answer, was most likely closed
by the receiver while the request was on its way: the request goes on, once, on a new connection.

Right before the bytes are written, the time left and the right to send are asked once more. A
process that was frozen since finds its socket ready before any timer fires, and its event loop
still tells the time of its last turn; so the machine's own clock is asked.

Only dialling needs a task: on a kept connection a request is written when it is begun, and its end
is told in the turn of the loop in which the answer came.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from chassis.clock import Clock
from deliverer.sender.connection import Connection, ExchangeEnd
from deliverer.sender.connector import Connector
from deliverer.sender.pool import Pool
from deliverer.sender.port import AttemptResult, Ended, MaySend, PreparedRequest
from deliverer.sender.route import CLOSED_EARLY, SPOKE_EARLY, ConnectFailed
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What all requests of one sender share; `dialling` are the tasks that open connections."""

    loop: asyncio.AbstractEventLoop
    clock: Clock
    pool: Pool
    connector: Connector
    on_connection: Callable[[bool], None]
    dialling: set[asyncio.Task[None]]


class Sending:
    """Send one request and tell its end once, never before `start` returned; or `cut` it off."""

    __slots__ = (
        "_connection",
        "_dialling",
        "_ended",
        "_expires",
        "_is_reused",
        "_may_send",
        "_means",
        "_request",
        "_started",
    )

    def __init__(
        self, means: Means, request: PreparedRequest, ended: Ended, *, may_send: MaySend
    ) -> None:
        self._means = means
        self._request = request
        self._ended: Ended | None = ended
        self._may_send = may_send
        self._started = means.loop.time()
        self._expires = means.clock.monotonic() + request.timeout_s
        self._connection: Connection | None = None
        self._dialling: asyncio.Task[None] | None = None
        self._is_reused = False

    def start(self) -> None:
        """Write the request, or begin to dial."""
        request = self._request
        connection = self._means.pool.take((request.scheme, request.host, request.port))
        if connection is None:
            self._dial()
        else:
            self._ride(connection, is_reused=True)

    def cut(self) -> None:
        """End at once and tell nothing; the connection closes."""
        self._ended = None
        if self._connection is not None:
            self._connection.abort()
            self._connection = None
        if self._dialling is not None:
            self._dialling.cancel()

    def _ride(self, connection: Connection, *, is_reused: bool) -> None:
        means, request = self._means, self._request
        refusal = self._refusal(is_reused=is_reused)
        if refusal is not None:
            self._keep(connection)
            means.loop.call_soon(self._tell, refusal)
            return
        self._connection, self._is_reused = connection, is_reused
        means.on_connection(is_reused)
        deadline = self._started + request.timeout_s
        connection.exchange(request.head + request.body, deadline, self._answered)

    def _refusal(self, *, is_reused: bool) -> AttemptResult | None:
        """Return how the attempt ends unwritten, None when it may go on.

        On a kept connection no time has passed since it began.
        """
        if not is_reused and self._means.clock.monotonic() >= self._expires:
            return self._unsent(Outcome.TIMEOUT, "the time was over before the request was written")
        if not self._may_send():
            return self._unsent(Outcome.CANCELLED, "the partition may be another process's by now")
        return None

    def _answered(self, end: ExchangeEnd) -> None:
        connection, self._connection = self._connection, None
        assert connection is not None
        self._keep(connection)
        if self._is_reused and end.is_unanswered and end.lasted_s < STALE_S_MAX:
            self._is_reused = False
            self._dial()
            return
        failure = end.failure or Outcome.CONNECTION_LOST
        self._tell(
            AttemptResult(
                outcome=failure if end.status is None else outcome_of(end.status),
                status=end.status,
                retry_after=end.retry_after,
                webhook_delivery=end.webhook_delivery,
                response=end.response,
                detail=end.detail,
                is_reused=self._is_reused,
                duration_ms=self._lasted_ms(),
            )
        )

    def _keep(self, connection: Connection) -> None:
        request = self._request
        self._means.pool.put((request.scheme, request.host, request.port), connection)

    def _dial(self) -> None:
        task = self._means.loop.create_task(self._open(), name="dial")
        self._dialling = task
        self._means.dialling.add(task)
        task.add_done_callback(self._dialled)

    async def _open(self) -> None:
        request = self._request
        opened = await self._means.connector.open(
            request.scheme,
            request.host,
            request.port,
            deadline=self._started + request.timeout_s,
        )
        if isinstance(opened, ConnectFailed):
            self._fail(opened)
        elif opened.is_idle:
            self._ride(opened, is_reused=False)
        else:
            self._fail(SPOKE_EARLY if opened.has_spoken_unasked else CLOSED_EARLY)

    def _dialled(self, task: asyncio.Task[None]) -> None:
        self._dialling = None
        self._means.dialling.discard(task)
        if task.cancelled():  # after a `cut` nobody hears it
            self._tell(self._unsent(Outcome.CANCELLED, "the dial was cancelled"))
            return
        fault = task.exception()
        if fault is not None:  # a defect of ours: nobody else is charged with it
            self._means.loop.call_exception_handler(
                {"message": "a connection could not be opened", "exception": fault, "task": task}
            )
            self._tell(self._unsent(Outcome.LOCAL_FAULT, f"a defect: {type(fault).__name__}"))

    def _fail(self, failed: ConnectFailed) -> None:
        if failed.outcome is Outcome.LOCAL_FAULT:
            self._means.pool.shed(_SHED_ON_LOCAL_FAULT)
        self._tell(
            AttemptResult(
                outcome=failed.outcome,
                detail=failed.detail,
                blocked_reason=failed.blocked_reason,
                duration_ms=self._lasted_ms(),
            )
        )

    def _unsent(self, outcome: Outcome, detail: str) -> AttemptResult:
        return AttemptResult(outcome=outcome, detail=detail, duration_ms=self._lasted_ms())

    def _tell(self, result: AttemptResult) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(result)

    def _lasted_ms(self) -> int:
        return round((self._means.loop.time() - self._started) * 1000)
