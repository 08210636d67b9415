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
"""Turns of the event loop without a new connection until a backlog counts as empty.

uvloop accepts one connection a turn, asyncio a whole backlog in one. What such a connection has
sent is read 2 (uvloop) or 6 turns later: so many turns before the listener closes, and again after.
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
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + deadline_s
        await self._accept_all(ends_at)
        for site in list(self._runner.sites):
            await site.stop()
        await self._accept_all(ends_at)
        bodies = [one.finish() for one in list(self._doorway.inside)]
        if arriving := [body for body in bodies if body is not None]:
            await asyncio.wait(arriving, timeout=max(0, ends_at - loop.time()))
        await self._runner.server.shutdown(max(_LEAST_S, ends_at - loop.time()))

    async def stop(self) -> None:
        """Close everything."""
        runner, self._runner = self._runner, None
        self._doorway.close()
        if runner is not None:
            await runner.cleanup()

    async def _accept_all(self, ends_at: float) -> None:
        """Let the event loop accept and read until no more come; clients may never stop coming."""
        loop = asyncio.get_running_loop()
        accepted, still = self._doorway.accepted, 0
        for _ in range(_BACKLOG + ARRIVAL_TURNS):
            await asyncio.sleep(0)
            before, accepted = accepted, self._doorway.accepted
            still = still + 1 if accepted == before else 0
            if still == ARRIVAL_TURNS or loop.time() >= ends_at:
                return
