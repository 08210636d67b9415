"""The HTTP listener: aiohttp's server with our bounds and our answer to malformed HTTP."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final

from aiohttp import web

from chassis.refusal import StartRefused
from gateway.connections import Doorway, ProblemProtocol, ProblemRunner
from gateway.express import Express
from gateway.express_protocol import ExpressProtocol

_LINGERING_S: Final = 2.0
_STOP_S: Final = 1.0
_LEAST_S: Final = 0.1  # aiohttp takes 0 for no bound
_BACKLOG: Final = 1024
ARRIVAL_TURNS: Final = 4
"""Turns of the event loop until what waits in a backlog is read: uvloop needs 2, asyncio 6.

So many before the listener closes, and again for who was accepted last.
"""


class HttpServer:
    """Component: listens, drains, stops."""

    def __init__(
        self,
        app: web.Application,
        *,
        host: str,
        port: int,
        keepalive_s: float,
        connections_max: int,
        on_full: Callable[[], None],
        express: Express | None = None,
    ) -> None:
        """Requests go to `app`, but for those that `express` takes."""
        self._app = app
        self._host = host
        self._port = port
        self._keepalive_s = keepalive_s
        self._doorway = Doorway(connections_max, on_full=on_full)
        self._make_protocol = (
            ProblemProtocol if express is None else partial(ExpressProtocol, express=express)
        )
        self._runner: web.AppRunner | None = None

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._doorway.inside)

    @property
    def port(self) -> int:
        """The bound port; differs from the setting when that is 0."""
        if self._runner is None or not self._runner.addresses:
            raise RuntimeError("the HTTP server is not started")
        port: int = self._runner.addresses[0][1]
        return port

    async def start(self) -> None:
        """Listen; raises StartRefused when the address cannot be bound."""
        if self._runner is not None:
            return
        self._runner = ProblemRunner(
            self._app,
            self._doorway,
            self._make_protocol,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=self._keepalive_s,
            lingering_time=_LINGERING_S,
            shutdown_timeout=_STOP_S,
        )
        try:
            await self._runner.setup()
            await web.TCPSite(self._runner, self._host, self._port, backlog=_BACKLOG).start()
        except OSError as error:
            await self.stop()
            raise StartRefused(
                f"cannot listen on {self._host}:{self._port} ({error.strerror or error}); "
                "set HOOKLANE_GATEWAY__HOST and HOOKLANE_GATEWAY__PORT"
            ) from error

    async def drain(self, deadline_s: float) -> None:
        """Take what has arrived, then nothing; close idle connections, let running requests end.

        What the kernel holds already, connections and requests, would be lost with a reset.
        """
        if self._runner is None or self._runner.server is None:
            return
        await _turns(ARRIVAL_TURNS)
        for site in list(self._runner.sites):
            await site.stop()
        await _turns(ARRIVAL_TURNS)
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + deadline_s
        bodies = [one.finish() for one in list(self._doorway.inside)]
        if arriving := [body for body in bodies if body is not None]:
            await asyncio.wait(arriving, timeout=deadline_s)
        await self._runner.server.shutdown(max(_LEAST_S, ends_at - loop.time()))

    async def stop(self) -> None:
        """Close everything."""
        runner, self._runner = self._runner, None
        self._doorway.close()
        if runner is not None:
            await runner.cleanup()


async def _turns(count: int) -> None:
    """Let the event loop read and accept."""
    for _ in range(count):
        await asyncio.sleep(0)
