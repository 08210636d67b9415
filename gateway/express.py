"""The short way of a plain event: from a whole request to the answer, without the application.

Most requests of a gateway are one: a `POST /v1/events` with one event in our own JSON shape, a
valid key and nothing special about its head or its event. Router, middlewares, request and
response objects, and a task for each of them cost several times what the event itself does. So
`gateway.express_protocol` asks here first. Whatever is not plain is left to the application
untouched: nothing was spent, counted or answered, and the application judges it afresh. So the
application is the referee: tests/property/test_express.py holds both ways against each other.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from aiohttp.helpers import rfc822_formatted_time
from structlog.typing import FilteringBoundLogger

from chassis.clock import Clock
from gateway.access import Access
from gateway.admission import Ambience, admit_plain
from gateway.answers import answer_bytes, place_or_problem, single_answer
from gateway.auth import Principal
from gateway.hops import HOPS_HEADER
from gateway.ingest_rules import Accepted, IngestRules
from gateway.intake import Intake
from gateway.limits import EventLimits
from gateway.lines import Outcome
from gateway.metrics import GatewayMetrics
from gateway.native import read_plain
from gateway.problems import INTERNAL, Problem
from gateway.routes import SEND_EVENT
from gateway.sending import Sending
from gateway.whole_request import WholeRequest
from schemas.cloudevents import TRACE_NAMES
from schemas.event import Event

Send = Callable[[bytes], None]

_JSON_TYPES: Final = frozenset({b"application/json", b"application/json; charset=utf-8"})
_METHOD: Final = SEND_EVENT.method.encode()
_TARGET: Final = SEND_EVENT.path.encode()
_SCOPE: Final = "events:write"
_AUTHORIZATION: Final = b"authorization"
_CONTENT_TYPE: Final = b"content-type"
_SPECIAL: Final = frozenset(
    name.encode()
    for name in (
        "content-encoding",
        "expect",
        "idempotency-key",
        "proxy-connection",
        "sec-websocket-key1",
        "transfer-encoding",
        "upgrade",
        HOPS_HEADER,
        *TRACE_NAMES,
    )
)
"""Fields that change what a request means; `ce-*` does, too."""
_ATTRIBUTE: Final = b"ce-"


class Express:
    """Decides which requests go the short way, and serves them."""

    def __init__(
        self,
        *,
        access: Access,
        rules: IngestRules,
        intake: Intake,
        sending: Sending,
        metrics: GatewayMetrics,
        clock: Clock,
        fresh_event_id: Callable[[], str],
        limits: EventLimits,
        log: FilteringBoundLogger,
    ) -> None:
        self._access = access
        self._rules = rules
        self._intake = intake
        self._sending = sending
        self._metrics = metrics
        self._clock = clock
        self._fresh_event_id = fresh_event_id
        self._limits = limits
        self._log = log
        self._written: list[tuple[Send, bytes]] = []

    def serve(self, request: WholeRequest, send: Send) -> bool:
        """Write the event of a request and `send` the answer; False = it is not plain."""
        try:
            return self._serve(request, send)
        except Exception:  # noqa: BLE001 - the HTTP edge, as `gateway.app` has one
            send(self._fault())
            return True

    def end(self, errand: "_Errand", outcome: Outcome) -> None:
        """Write the answer, and give back what the request held.

        It is sent soon, together with the other answers of this turn of the loop: one by one, what
        the kernel does to send them drives our own code out of the processor's caches, and a
        request costs more (docs/performance.md says how much).
        """
        self._intake.leave(errand.size)
        try:
            answer = self._answer(errand, outcome)
        except Exception:  # noqa: BLE001 - the others of its batch wait behind it
            answer = self._fault()
        if not self._written:
            asyncio.get_running_loop().call_soon(self._send_written)
        self._written.append((errand.send, answer))

    def _send_written(self) -> None:
        written, self._written = self._written, []
        for send, answer in written:
            try:
                send(answer)
            except Exception:  # noqa: BLE001 - the others are sent all the same
                self._log.exception("gateway.request_failed", method=SEND_EVENT.method)

    def _serve(self, request: WholeRequest, send: Send) -> bool:
        principal = self._principal_of(request)
        if principal is None:
            return False
        body, intake = request.body, self._intake
        size = len(body)
        if size > self._limits.document_bytes_max or not intake.has_room(size):
            return False
        now_s = self._clock.monotonic()
        ambience = Ambience(
            now_ms=self._clock.now_ms(),
            fresh_event_id=self._fresh_event_id,
            data_bytes_max=self._limits.event_bytes_max,
        )
        native = read_plain(body)
        event = None if native is None else admit_plain(native, ambience, None)
        if event is None or not self._rules.lets_pass(event, principal, now_s):
            return False
        intake.enter(size)  # there was room, and nothing ran since
        try:
            self._sending.submit(event, _Errand(self, event, principal, send, size, now_s).end)
        except Exception:
            intake.leave(size)
            raise
        return True

    def _answer(self, errand: "_Errand", outcome: Outcome) -> bytes:
        result = place_or_problem(outcome)
        self._metrics.count(result.code if isinstance(result, Problem) else None)
        now_s = self._clock.monotonic()
        headers = self._rules.headers(errand.event.subscriber, errand.principal, now_s)
        answer = single_answer(Accepted(errand.event), result, headers)
        self._metrics.duration_of[SEND_EVENT.group].observe(now_s - errand.began_s)
        return answer_bytes(answer, date=rfc822_formatted_time())

    def _fault(self) -> bytes:
        """Log what was raised, and answer 500."""
        self._log.exception("gateway.request_failed", method=SEND_EVENT.method)
        answer = single_answer(None, INTERNAL, {})
        return answer_bytes(answer, date=rfc822_formatted_time())

    def _principal_of(self, request: WholeRequest) -> Principal | None:
        """Look at a head: who sends a plain event, if it is one."""
        if request.target != _TARGET or request.method != _METHOD:
            return None
        fields = request.fields
        authorization = fields.get(_AUTHORIZATION)
        if authorization is None or fields.get(_CONTENT_TYPE) not in _JSON_TYPES:
            return None
        for name in fields:
            if name in _SPECIAL or name.startswith(_ATTRIBUTE):
                return None
        principal = self._access.judge(
            [authorization.decode("utf-8", "surrogateescape")],
            {},
            _SCOPE,
            now_ms=self._clock.now_ms(),
        )
        return None if isinstance(principal, Problem) else principal


class _Errand(msgspec.Struct):
    """One request on the short way."""

    express: Express
    event: Event
    principal: Principal
    send: Send
    size: int
    began_s: float

    def end(self, outcomes: Sequence[Outcome]) -> None:
        """Take the outcome of the only record."""
        self.express.end(self, outcomes[0])
