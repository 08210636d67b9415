"""A connection that serves plain events itself, and leaves everything else to aiohttp.

aiohttp parses every request; a task of its own, one per connection, takes what was parsed from
`_messages` and sleeps on `_waiter` when there is nothing. A request is served here only when that
task has nothing to do, alone; what is parsed meanwhile stands aside until the answer is written,
so answers keep the order of their requests. Of aiohttp's private names those two are used, and what
counts a connection as busy (`_request_in_progress`, `_handler_waiter`, `_process_keepalive`).
"""

from collections import deque
from typing import Any

from aiohttp import StreamReader, web
from aiohttp.http_parser import RawRequestMessage

from gateway.connections import READ_BYTES, Doorway, ProblemProtocol
from gateway.express import Express


class ExpressProtocol(ProblemProtocol):
    """One connection."""

    __slots__ = ("_behind", "_express", "_handed", "_is_serving")

    def __init__(
        self, manager: web.Server, doorway: Doorway, *, express: Express, **options: Any
    ) -> None:
        super().__init__(manager, doorway, **options)
        self._express = express
        self._is_serving = False
        self._handed = 0
        self._behind: deque[Any] = deque()

    @property
    def is_idle(self) -> bool:
        """Tell whether it was served before and nothing of a next request has come."""
        return not self._is_serving and super().is_idle

    def data_received(self, data: bytes) -> None:
        """Parse what came; serve it if it is one plain event and nothing is under way."""
        waiter, self._waiter = self._waiter, None  # the task sleeps on while we look
        known = len(self._messages)
        super().data_received(data)
        self._waiter = waiter
        if self._is_serving:
            self._set_aside()
        elif (came := len(self._messages) - known) and (
            self._handed or came > 1 or not self._serve()
        ):
            self._hand_over(came)

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Read on, if it was paused: aiohttp asks after each piece of each body, paused or not."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    async def _handle_request(self, *request: Any) -> Any:
        try:
            return await super()._handle_request(*request)
        finally:
            self._handed -= 1

    def _process_keepalive(self) -> None:
        if self._is_serving:  # `_answer` sets the timer again
            self._keepalive_handle = None
        else:
            super()._process_keepalive()

    def _serve(self) -> bool:
        """Take the only request if it is plain and whole."""
        head, payload = self._messages[0]
        if self._paused or not isinstance(head, RawRequestMessage) or not payload.is_eof():
            return False
        principal = self._express.principal_of(head)
        if principal is None:
            return False
        self._messages.clear()
        self._is_serving = self._request_in_progress = True
        body = payload.read_nowait()
        if self._express.serve(principal, body, self._answer):
            if self._parser is not None:
                self._parser.message_consumed()
            return True
        self._is_serving = self._request_in_progress = False
        self._messages.append((head, self._unread(body)))
        return False

    def _unread(self, body: bytes) -> StreamReader:
        """Give aiohttp a body that was looked at."""
        payload = StreamReader(self, READ_BYTES, loop=self._loop)
        payload.feed_data(body)
        payload.feed_eof()
        return payload

    def _set_aside(self) -> None:
        """Keep what comes behind the request that is served, and read no more when it is enough."""
        self._behind.extend(self._messages)
        self._messages.clear()
        if len(self._behind) >= self._max_msg_queue_size and not self._buffer_paused:
            self._pause_reading_for_buffer()

    def _hand_over(self, count: int) -> None:
        """Let aiohttp's task serve what came."""
        self._handed += count
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _answer(self, answer: bytes) -> None:
        """Write the answer, if the client is still there, and go on."""
        self._is_serving = self._request_in_progress = False
        if self._handler_waiter is not None and not self._handler_waiter.done():
            self._handler_waiter.set_result(None)
        if self.transport is None or self.transport.is_closing():
            return  # uvloop raises on a write then
        self.transport.write(answer)
        if self._close or self._force_close:
            self.transport.close()
            return
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if self._keepalive_handle is None:
            self._keepalive_handle = self._loop.call_at(
                self._next_keepalive_close_time, self._process_keepalive
            )
        if self._behind:
            self._messages.extend(self._behind)
            self._hand_over(len(self._behind))
            self._behind.clear()
