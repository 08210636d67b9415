"""The HTTP listener: aiohttp's server with our bounds and our answer to malformed HTTP."""

from http import HTTPStatus
from typing import Final

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from chassis.refusal import StartRefused
from gateway.problems import Code, Problem
from gateway.responses import problem_response

_LINGERING_S: Final = 2.0
_STOP_S: Final = 1.0
_BACKLOG: Final = 1024


class ProblemProtocol(RequestHandler):
    """One connection; answers what the parser refused with a problem instead of text."""

    __slots__ = ()

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
        if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            problem = Problem(Code.INVALID_REQUEST, "the request is not well-formed HTTP/1.1")
        else:
            self.log_exception("a request failed outside of the handlers", exc_info=exc)
            problem = Problem(Code.INTERNAL, "an unexpected fault, it was logged")
        response = problem_response(problem)
        response.force_close()
        return response


class ProblemServer(web.Server):
    """Makes one such protocol per connection."""

    def __call__(self) -> RequestHandler:
        """Accept a connection."""
        return ProblemProtocol(self, loop=self._loop, **self._kwargs)


class ProblemRunner(web.AppRunner):
    """Serves an application through `ProblemServer`; aiohttp offers no setting for it."""

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        server.__class__ = ProblemServer
        return server


class HttpServer:
    """Component: listens, drains, stops."""

    def __init__(self, app: web.Application, *, host: str, port: int, keepalive_s: float) -> None:
        self._app = app
        self._host = host
        self._port = port
        self._keepalive_s = keepalive_s
        self._runner: web.AppRunner | None = None

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
        """Accept nothing new, close idle connections, let running requests end."""
        if self._runner is None or self._runner.server is None:
            return
        for site in list(self._runner.sites):
            await site.stop()
        self._runner.server.pre_shutdown()
        await self._runner.server.shutdown(deadline_s)

    async def stop(self) -> None:
        """Close everything."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()
