"""Keep idle connections for the next request, within bounds. Decides; closing is its only act.

A pool belongs to one egress policy and one TLS identity, so its connections are never shared with
another. The newest connection of an endpoint is taken first: it lives longest. When a bound is hit
the least recently used one of all goes.
"""

import asyncio
from collections import OrderedDict
from itertools import islice
from typing import Final

from deliverer.sender.connection import Connection

IDLE_S_MAX: Final = 90.0
# As many as one endpoint may have in flight: what is dropped is dialled again at once.
IDLE_PER_ENDPOINT_MAX: Final = 256
IDLE_MAX: Final = 2_000
_SWEEP_S: Final = 10.0

EndpointKey = tuple[str, str, int]


class Pool:
    """Idle connections by (scheme, host, port)."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        idle_max: int = IDLE_MAX,
        idle_per_endpoint_max: int = IDLE_PER_ENDPOINT_MAX,
        idle_s_max: float = IDLE_S_MAX,
    ) -> None:
        self._loop = loop
        self._idle_max = idle_max
        self._idle_per_endpoint_max = idle_per_endpoint_max
        self._idle_s_max = idle_s_max
        self._by_endpoint: dict[EndpointKey, list[Connection]] = {}
        # Oldest first, since a connection is put at the end each time it becomes idle.
        self._since: OrderedDict[Connection, tuple[EndpointKey, float]] = OrderedDict()
        self._sweep_timer: asyncio.TimerHandle | None = None
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._since)

    def take(self, key: EndpointKey) -> Connection | None:
        """Take a connection that is still clean, or None; unclean ones are closed on the way."""
        while idle := self._by_endpoint.get(key):
            connection = idle.pop()
            if not idle:
                del self._by_endpoint[key]
            _, since = self._since.pop(connection)
            is_fresh = self._loop.time() - since < self._idle_s_max
            if is_fresh and connection.is_idle and not connection.has_unread_bytes():
                return connection
            connection.abort()
        return None

    def put(self, key: EndpointKey, connection: Connection) -> None:
        """Keep a connection that has just become idle, or close it."""
        if self._is_closed or not connection.is_idle:
            connection.abort()
            return
        idle = self._by_endpoint.setdefault(key, [])
        idle.append(connection)
        self._since[connection] = (key, self._loop.time())
        if len(idle) > self._idle_per_endpoint_max:
            self._drop(idle[0])
        elif len(self._since) > self._idle_max:
            self.shed(1)
        if self._sweep_timer is None:
            self._sweep_timer = self._loop.call_later(_SWEEP_S, self._sweep)

    def forget(self, connection: Connection) -> None:
        """Remove a connection, if it is here; used when it was closed from the other side."""
        entry = self._since.pop(connection, None)
        if entry is None:
            return
        idle = self._by_endpoint[entry[0]]
        idle.remove(connection)
        if not idle:
            del self._by_endpoint[entry[0]]

    def shed(self, count: int) -> None:
        """Close the connections that have been idle longest; frees descriptors."""
        for connection in list(islice(self._since, count)):
            self._drop(connection)

    def close(self) -> None:
        """Close every idle connection, and keep none from now on."""
        self._is_closed = True
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
            self._sweep_timer = None
        for connection in list(self._since):
            self._drop(connection)

    def _drop(self, connection: Connection) -> None:
        self.forget(connection)
        connection.close()

    def _sweep(self) -> None:
        self._sweep_timer = None
        oldest_allowed = self._loop.time() - self._idle_s_max
        while self._since:
            connection, (_, since) = next(iter(self._since.items()))
            if since > oldest_allowed:
                break
            self._drop(connection)
        if self._since:
            self._sweep_timer = self._loop.call_later(_SWEEP_S, self._sweep)
