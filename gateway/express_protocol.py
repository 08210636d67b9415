"""A connection that serves plain events itself, and leaves everything else to aiohttp.

What is read between two requests is looked at here first: one plain event that came whole is
served, and aiohttp never hears of it. Anything else is aiohttp's, and while what it got does not
end where a request ends, so is what follows: where a request begins must be one opinion.

A task of aiohttp, one per connection, takes what was parsed from `_messages`, and sleeps on
`_waiter` when there is nothing: nothing is served here unless it sleeps. What comes while an event
is served is parsed by aiohttp and stands aside until the answer is written, so answers keep the
order of their requests. Of aiohttp's private names those two are used, and what tells whether a
connection is busy or over (`_request_in_progress`, `_handler_waiter`, `_process_keepalive`,
`_close`, `_force_close`, `_paused`).
"""

from collections import deque
from typing import Any

from aiohttp import web

from gateway.connections import Doorway, ProblemProtocol
from gateway.express import Express
from gateway.whole_request import Boundaries, whole_request


class ExpressProtocol(ProblemProtocol):
    """One connection."""

    __slots__ = ("_behind", "_express", "_is_serving", "_pieces")

    def __init__(
        self, manager: web.Server, doorway: Doorway, *, express: Express, **options: Any
    ) -> None:
        super().__init__(manager, doorway, **options)
        self._express = express
        self._is_serving = False
        self._pieces: Boundaries | None = None
        self._behind: deque[Any] = deque()

    @property
    def is_at_rest(self) -> bool:
        """Tell whether all that came whole was answered."""
        return not self._is_serving and super().is_at_rest

    def data_received(self, data: bytes) -> None:
        """Serve what came if it is one plain event and nothing is under way; else pass it on.

        aiohttp calls it with nothing, to parse what it kept.
        """
        if self._is_serving:
            self._follow(data)
            waiter, self._waiter = self._waiter, None  # the task sleeps on
            super().data_received(data)
            self._waiter = waiter
            self._set_aside()
        elif self._pieces is not None:
            self._follow(data)
            super().data_received(data)
        elif not (data and self._serve(data)):
            super().data_received(data)

    def _process_keepalive(self) -> None:
        if self._is_serving:  # `_answer` sets the timer again
            self._keepalive_handle = None
        else:
            super()._process_keepalive()

    def _follow(self, data: bytes) -> None:
        """Follow what is not one whole request, until a request ends with it."""
        pieces = self._pieces or Boundaries()
        self._pieces = None if pieces.feed(data) else pieces

    def _serve(self, data: bytes) -> bool:
        """Take what came if it is a plain event; only a fault is answered before this returns."""
        request = whole_request(data)
        if request is None:
            self._follow(data)
            return False
        if not self.is_at_rest or self._close or self._force_close or self._paused:
            return False
        self._is_serving = self._request_in_progress = True
        if self._express.serve(request, self._answer):
            self.count_request()
            return True
        self._is_serving = self._request_in_progress = False
        return False

    def _set_aside(self) -> None:
        """Keep what comes behind the request that is served, and read no more when it is enough."""
        self._behind.extend(self._messages)
        self._messages.clear()
        if len(self._behind) >= self._max_msg_queue_size and not self._buffer_paused:
            self._pause_reading_for_buffer()

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
            self._behind.clear()
            if self._waiter is not None and not self._waiter.done():
                self._waiter.set_result(None)
