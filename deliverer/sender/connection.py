"""One connection to a receiver: at most one request at a time, never a byte unasked.

Life: made → (exchange → idle)* → closed. An exchange ends exactly once, with a value, unless it is
aborted. Whatever is not a complete, clean answer closes the connection, and so does any byte while
it is idle, since that byte would be taken for the answer to the next request.

The end is told by a callback, in the very turn of the loop in which the answer came: a future would
tell it one turn later, a task two, and each turn costs the loop a look at all its sockets.
"""

import asyncio
import select
from collections.abc import Callable
from typing import Final, cast

import msgspec

from deliverer.sender.faults import describe_os_error, is_local_fault
from deliverer.sender.http1 import ResponseReader
from schemas.outcome import Outcome

BODY_TIMEOUT_S: Final = 1.0
_BLANK_BYTES_MAX: Final = 4
_TIMER_SLACK_S: Final = 0.002  # loops round their timers


class ExchangeEnd(msgspec.Struct, frozen=True):
    """How one request on one connection ended; `failure` is None once a final head was read.

    `status` is set exactly then.
    """

    failure: Outcome | None
    detail: str | None
    lasted_s: float
    has_bytes: bool
    status: int | None
    retry_after: str | None
    webhook_delivery: str | None
    response: bytes

    @property
    def is_unanswered(self) -> bool:
        """Say whether the connection broke before any byte of an answer."""
        return self.failure is Outcome.CONNECTION_LOST and not self.has_bytes


Ended = Callable[[ExchangeEnd], None]


class Connection(asyncio.Protocol):
    """The protocol of one transport. `on_closed` is called once, after the transport is gone."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, on_closed: Callable[["Connection"], None]
    ) -> None:
        self._loop = loop
        self._on_closed = on_closed
        self._transport: asyncio.Transport | None = None
        self._poll: select.poll | None = None
        # Kept from exchange to exchange; `_ended` says that one is running, and hears of its end.
        self._reader: ResponseReader | None = None
        self._ended: Ended | None = None
        # Armed once and moved on when it fires too early, so that quick exchanges share one timer.
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._deadline = 0.0
        self._started = 0.0
        # Bytes of empty lines that may still come after an answer; none before the first request.
        self._blank_room = 0
        self._is_closing = False
        self.has_spoken_unasked = False

    @property
    def is_idle(self) -> bool:
        """Say whether a request may be sent now."""
        return self._transport is not None and not self._is_closing and self._ended is None

    def has_unread_bytes(self) -> bool:
        """Ask the kernel whether something arrived that the event loop has not read yet.

        On an idle connection that is a byte nobody asked for, or the end of the stream.
        """
        return self._poll is not None and bool(self._poll.poll(0))

    def exchange(self, request: bytes, deadline: float, ended: Ended) -> None:
        """Send a request; `ended` is called once, later, unless `abort` comes first.

        Needs `is_idle`. `deadline` is a time of the loop's clock; the transport buffers at most
        this one request.
        """
        assert self._transport is not None
        assert self._ended is None
        if self._reader is None:
            self._reader = ResponseReader()
        else:
            self._reader.reset()
        self._ended = ended
        self._started = self._loop.time()
        self._blank_room = _BLANK_BYTES_MAX
        self._set_deadline(deadline)
        self._transport.write(request)

    def close(self) -> None:
        """Close an idle connection politely."""
        self._is_closing = True
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once and forget a running exchange, which has no end then."""
        self._is_closing = True
        self._ended = None
        self._drop_reader()
        self._stop_timer()
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport, which is connected and, where wanted, encrypted."""
        # Not every loop's transport is a subclass (uvloop's is not), though all are of this shape.
        self._transport = cast("asyncio.Transport", transport)
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.fileno() >= 0:
            self._poll = select.poll()
            self._poll.register(sock.fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        """Feed the answer; bytes without a request end the connection."""
        reader = self._reader
        if reader is None or self._ended is None:
            self._hear_unasked(data)
            return
        had_status = reader.status is not None
        reader.feed(data)
        if reader.is_done:
            self._finish(None, None)
        elif not had_status and reader.status is not None:
            # The outcome is known; only a missing body keeps the connection from the next request.
            self._set_deadline(self._loop.time() + BODY_TIMEOUT_S)

    def eof_received(self) -> bool:
        """End the exchange, if any; the transport then closes itself."""
        if self._reader is not None and self._ended is not None:
            self._reader.end()
            self._finish(Outcome.CONNECTION_LOST, "the receiver closed the connection")
        self._is_closing = True
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """End the exchange, if any, and tell the owner."""
        self._is_closing = True
        self._poll = None
        if self._ended is not None:
            if isinstance(exc, OSError) and is_local_fault(exc):
                self._finish(Outcome.LOCAL_FAULT, describe_os_error(exc))
            else:
                self._finish(Outcome.CONNECTION_LOST, _describe_loss(exc))
        self._drop_reader()
        self._stop_timer()
        self._transport = None
        self._on_closed(self)

    def _hear_unasked(self, data: bytes) -> None:
        """Judge bytes outside an exchange; an empty line after an answer is harmless."""
        if self._is_closing:
            return
        self._blank_room -= len(data)
        if self._blank_room >= 0 and not data.strip(b"\r\n"):
            return
        self.has_spoken_unasked = True
        self.abort()

    def _set_deadline(self, deadline: float) -> None:
        self._deadline = deadline
        if self._timer is not None:
            if self._timer_at <= deadline:
                return
            self._timer.cancel()
        self._timer_at = deadline
        self._timer = self._loop.call_at(deadline, self._on_timer)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_timer(self) -> None:
        self._timer = None
        if self._ended is None:
            return
        if self._deadline - self._loop.time() > _TIMER_SLACK_S:
            self._set_deadline(self._deadline)
        else:
            self._finish(Outcome.TIMEOUT, "no answer in time")

    def _finish(self, failure: Outcome | None, detail: str | None) -> None:
        reader, ended = self._reader, self._ended
        assert reader is not None
        assert ended is not None
        self._ended = None
        if reader.status is not None:
            failure = detail = None
        elif reader.error is not None:
            failure, detail = Outcome.PROTOCOL_ERROR, reader.error
        if not reader.is_reusable:
            self.abort()
        ended(
            ExchangeEnd(
                failure,
                detail,
                self._loop.time() - self._started,
                reader.has_bytes,
                reader.status,
                reader.retry_after,
                reader.webhook_delivery,
                reader.body,
            )
        )

    def _drop_reader(self) -> None:
        if self._reader is not None:
            self._reader.release()
            self._reader = None


def _describe_loss(exc: Exception | None) -> str:
    if isinstance(exc, OSError):
        return describe_os_error(exc)
    return "the connection was lost"
