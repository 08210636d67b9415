"""The connections of the HTTP listener: how many there may be, and how much each may hold.

What a connection holds is bounded, whatever its client sends: one read brings at most `READ_BYTES`,
the parser stops while more than `2 * BODY_WINDOW_BYTES` of a body wait, a head is at most
`HEAD_BYTES_MAX`, and two pipelined requests wait at most. (By themselves uvloop brings up to 256 KB
with one read, and a head may have 128 fields of 8 KiB.) So the memory of all connections is their
number times `CONNECTION_BYTES_MAX`.

Their number is bounded, too. One more closes an idle one that has been served before, as web
servers do; when all are busy it gets a 503 with `Retry-After`, and is closed. Leaving it in the
backlog would be no answer: a balancer would go on sending here what another replica could take.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final, cast

from aiohttp import StreamReader, web
from aiohttp.http_parser import HttpRequestParser, RawRequestMessage
from aiohttp.web_protocol import RequestHandler, RequestPayloadError

from gateway.answers import closing_problem
from gateway.problems import INTERNAL, Code, Problem
from gateway.responses import problem_response

READ_BYTES: Final = 32 * 1024
BODY_WINDOW_BYTES: Final = 16 * 1024
HEAD_BYTES_MAX: Final = 64 * 1024
CONNECTION_BYTES_MAX: Final = 10 * HEAD_BYTES_MAX
"""Three of the largest heads, each as bytes and as texts, and a read of another: what a client
holds that pipelines them and reads no answer (521 KiB were measured). One request holds a tenth.
"""
PIPELINED_MAX: Final = 2
IDLE_S_MIN: Final = 1.0
"""Who asked just now is about to ask again: to close it then would be a lost request."""
TURNED_AWAY_MAX: Final = 1_000
RESERVED: Final = 1_280
"""Files for Kafka, the admin port and connections that are being turned away."""
_TURNED_AWAY_S: Final = 2.0
_FULL: Final = closing_problem(
    Problem(Code.UNAVAILABLE, "the gateway has as many connections as it may: try again")
)
_HEAD_TOO_LARGE: Final = closing_problem(
    Problem(Code.INVALID_REQUEST, f"the head is above {HEAD_BYTES_MAX} bytes")
)


def fit(limit: int, *, wanted: int) -> int:
    """Return how many connections a limit of open files leaves; at most half is the reserve."""
    return max(1, min(wanted, limit - min(RESERVED, limit // 2)))


class Doorway:
    """What the connections of one listener share; all of them live on one event loop.

    `room` is where every read lands: a read and the call that takes it away are one step. `on_full`
    hears of each connection that met the bound. `accepted` counts all, those turned away, too.
    """

    def __init__(self, connections_max: int, *, on_full: Callable[[], None]) -> None:
        self.connections_max = connections_max
        self.on_full = on_full
        self.room = memoryview(bytearray(READ_BYTES))
        self.accepted = 0
        self.inside: dict[ProblemProtocol, None] = {}
        self.turned_away: set[TurnedAway] = set()
        self.turned_away_max = TURNED_AWAY_MAX
        self.idle_s_min = IDLE_S_MIN

    def admits(self) -> bool:
        """Tell whether one more may come in, if need be in place of an idle one."""
        if len(self.inside) < self.connections_max:
            return True
        self.on_full()
        idle = next(
            (one for one in self.inside if one.is_idle and one.idle_s >= self.idle_s_min), None
        )
        if idle is None:
            return False
        del self.inside[idle]
        idle.force_close()
        return True

    def close(self) -> None:
        """Cut those that were turned away and have not gone."""
        for one in list(self.turned_away):
            one.cut()


class Connection(asyncio.BufferedProtocol):
    """One connection at the door: reads into the shared room, for the server or for nobody.

    aiohttp's own protocol cannot do that itself: uvloop reads into a buffer of ours only for one
    that is no `asyncio.Protocol`.
    """

    __slots__ = ("_doorway", "_inner", "_make", "_transport")

    def __init__(self, doorway: Doorway, make: Callable[[], "ProblemProtocol"]) -> None:
        self._doorway = doorway
        self._make = make
        self._inner: ProblemProtocol | TurnedAway
        self._transport: asyncio.BaseTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Come in, or be turned away."""
        self._transport = transport
        self._doorway.accepted += 1
        if self._doorway.admits():
            self._inner = self._make()
        else:
            self._inner = TurnedAway(self._doorway, _FULL)
        self._inner.connection_made(transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Say where the next read may land."""
        return self._doorway.room

    def buffer_updated(self, nbytes: int) -> None:
        """Take a read away."""
        inner = self._inner
        inner.data_received(bytes(self._doorway.room[:nbytes]))
        if inner.has_too_large_head:
            inner.leave()
            self._inner = away = TurnedAway(self._doorway, _HEAD_TOO_LARGE)
            away.connection_made(self._transport)
            away.data_received(b"")

    def eof_received(self) -> bool | None:
        """Tell that the client sends no more."""
        return self._inner.eof_received()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Tell that it is over."""
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """Tell that the client reads too slowly."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Tell that it reads again."""
        self._inner.resume_writing()


class ProblemProtocol(RequestHandler):
    """One connection; answers what the parser refused with a problem instead of text.

    The parser stops at so many requests that were read and not taken. aiohttp 3.14 counts one whose
    body ends after it was taken for good, and after two of them requests behind one another stand
    still; so those are uncounted here.
    """

    __slots__ = (
        "_arrived",
        "_begun",
        "_body",
        "_doorway",
        "_request_of",
        "_taken_body",
        "head_bytes",
    )

    def __init__(self, manager: web.Server, doorway: Doorway, **options: Any) -> None:
        super().__init__(manager, read_bufsize=BODY_WINDOW_BYTES, **options)
        self._doorway = doorway
        self.head_bytes = 0
        self._begun = 0
        self._arrived: asyncio.Future[None] | None = None
        self._body: StreamReader | None = None
        self._taken_body: StreamReader | None = None
        self._request_of = manager.request_factory
        self._request_factory = self._take
        self._max_msg_queue_size = PIPELINED_MAX
        self._msg_queue_resume_size = PIPELINED_MAX // 2
        self._parser = HttpRequestParser(  # ours: aiohttp's own lets 32 requests wait
            self,
            options["loop"],
            BODY_WINDOW_BYTES,
            max_line_size=self.max_line_size,
            max_field_size=self.max_field_size,
            max_headers=self.max_headers,
            payload_exception=RequestPayloadError,
            auto_decompress=options.get("auto_decompress", True),
            max_msg_queue_size=PIPELINED_MAX,
        )

    @property
    def is_at_rest(self) -> bool:
        """Tell whether all that came whole was answered: aiohttp's task sleeps, or never woke."""
        if self._waiter is None:
            return not self._request_count
        return not self._waiter.done()

    @property
    def is_idle(self) -> bool:
        """Tell whether it was served before and nothing of a next request has come."""
        return bool(self._request_count) and self.is_at_rest and not self.head_bytes

    @property
    def has_too_large_head(self) -> bool:
        """Tell whether it is to be refused for its head, and now."""
        return self.head_bytes > HEAD_BYTES_MAX and self.is_at_rest

    @property
    def idle_s(self) -> float:
        """Return for how long it has waited, when it is idle."""
        return self._loop.time() - (self._next_keepalive_close_time - self._keepalive_timeout)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Come in."""
        self._doorway.inside[self] = None
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Leave."""
        self._doorway.inside.pop(self, None)
        super().connection_lost(exc)
        self._end_arrival()

    def data_received(self, data: bytes) -> None:
        """Parse what came, and count what is a part of a head that did not end yet."""
        super().data_received(data)
        if self._taken_body is not None and self._taken_body.is_eof() and self._parser is not None:
            self._taken_body = None
            self._parser.message_consumed()
            super().data_received(b"")  # what the parser kept
        if self._request_count != self._begun:
            self._begun, self.head_bytes = self._request_count, 0
            self._body = self._messages[-1][1] if self._messages else self._taken_body
        elif self._body is None or self._body.is_eof():
            self.head_bytes += len(data)
            if self.head_bytes > HEAD_BYTES_MAX and not self.is_at_rest:
                self.close()  # after what is under way: a refusal would be taken for its answer
        if self._arrived is not None and (self._body is None or self._body.is_eof()):
            self.close()
            self._end_arrival()

    def finish(self) -> "asyncio.Future[None] | None":
        """Take no more requests; wait for what is returned, the end of a body under way.

        aiohttp drops what comes after its `close` and `shutdown`, also the rest of a body for which
        a handler waits.
        """
        if self._body is None or self._body.is_eof():
            self.close()
            return None
        self._arrived = self._loop.create_future()
        return self._arrived

    def _end_arrival(self) -> None:
        arrived, self._arrived = self._arrived, None
        if arrived is not None and not arrived.done():
            arrived.set_result(None)

    def _take(
        self, message: RawRequestMessage, payload: StreamReader, *rest: Any
    ) -> web.BaseRequest:
        """Make a request of what aiohttp's task takes from the queue."""
        if not payload.is_eof():
            self._taken_body = payload
        return self._request_of(message, payload, *rest)

    def count_request(self) -> None:
        """Note a request that was served without aiohttp."""
        self._request_count += 1
        self._begun = self._request_count

    def leave(self) -> None:
        """Let go of the transport without closing it."""
        self.transport = None
        self.connection_lost(None)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer and close; the parser's message quotes the client and is not repeated."""
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was begun already")
        if status < web.HTTPInternalServerError.status_code:
            problem = Problem(Code.INVALID_REQUEST, "the request is not well-formed HTTP/1.1")
        else:
            self.log_exception("a request failed outside of the handlers", exc_info=exc)
            problem = INTERNAL
        response = problem_response(problem)
        response.force_close()
        return response


class TurnedAway:
    """One connection too many: told so once it asks for something, then closed.

    An answer before the question would be taken for a defect of ours by some clients; closing while
    the client still sends would throw the answer away. So what comes is dropped, for two seconds.
    """

    has_too_large_head = False

    def __init__(self, doorway: Doorway, answer: bytes) -> None:
        self._doorway = doorway
        self._answer = answer
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_told = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the request; too many who do are cut without a word."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by class
        if len(self._doorway.turned_away) >= self._doorway.turned_away_max:
            self.cut()
            return
        self._doorway.turned_away.add(self)
        self._timer = asyncio.get_running_loop().call_later(_TURNED_AWAY_S, self.cut)

    def data_received(self, data: bytes) -> None:
        """Answer the first read, drop the others."""
        if self._is_told or self._transport is None:
            return
        self._is_told = True
        self._transport.write(self._answer)
        self._transport.write_eof()

    def leave(self) -> None:
        """Stay: its time is short anyway."""

    def eof_received(self) -> bool | None:
        """Close: it has its answer, or wants none."""
        return None

    def pause_writing(self) -> None:
        """Nothing more is written anyway."""

    def resume_writing(self) -> None:
        """Nothing more is written anyway."""

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget it."""
        self._doorway.turned_away.discard(self)
        if self._timer is not None:
            self._timer.cancel()

    def cut(self) -> None:
        """End it now."""
        if self._transport is not None:
            self._transport.abort()


class ProblemServer(web.Server):
    """Makes one such protocol per connection."""

    doorway: Doorway
    make_protocol: "Callable[..., ProblemProtocol]"

    def __call__(self) -> Connection:  # type: ignore[override]  # the loop asks for a protocol only
        """Accept a connection."""
        return Connection(self.doorway, self._protocol)

    def _protocol(self) -> ProblemProtocol:
        return self.make_protocol(self, self.doorway, loop=self._loop, **self._kwargs)


class ProblemRunner(web.AppRunner):
    """Serves an application through `ProblemServer`; aiohttp offers no setting for it."""

    def __init__(
        self,
        app: web.Application,
        doorway: Doorway,
        make_protocol: Callable[..., ProblemProtocol] = ProblemProtocol,
        **options: Any,
    ) -> None:
        super().__init__(app, **options)
        self._doorway = doorway
        self._make_protocol = make_protocol

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        server.__class__ = ProblemServer
        assert isinstance(server, ProblemServer)
        server.doorway = self._doorway
        server.make_protocol = self._make_protocol
        return server
