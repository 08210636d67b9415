"""The routes, and the middlewares round them: metrics, problems, keys."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiohttp import HttpVersion10, HttpVersion11, hdrs, web
from structlog.typing import FilteringBoundLogger

from chassis.clock import Clock
from chassis.tracing import Tracing
from gateway.access import ADMISSION, PRINCIPAL, UNCERTAIN, Access, Admission
from gateway.metrics import GatewayMetrics
from gateway.problems import INTERNAL, Code, Problem, RefusedError
from gateway.responses import problem_response
from gateway.routes import ROUTES, SEND_EVENT
from gateway.tracing import trace_requests
from gateway.write_limit import WriteLimit
from schemas.api_keys import Scope

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_VERSIONS: Final = frozenset({HttpVersion10, HttpVersion11})
_CODE_OF_STATUS: Final = {
    404: Code.NOT_FOUND,
    405: Code.METHOD_NOT_ALLOWED,
    408: Code.TIMEOUT,
    413: Code.TOO_LARGE,
    415: Code.UNSUPPORTED_MEDIA_TYPE,
}
_DETAIL_OF_STATUS: Final = {
    404: "there is nothing at this path",
    405: "this path does not support the method",
}


def make_app(
    handlers: Mapping[str, Handler],
    *,
    access: Access,
    write_limit: WriteLimit,
    metrics: GatewayMetrics,
    clock: Clock,
    log: FilteringBoundLogger,
    tracing: Tracing | None = None,
) -> web.Application:
    """Lay out the API: one handler per operation of the route table, by its name."""
    traced = [] if tracing is None else [trace_requests(tracing)]
    app = web.Application(
        middlewares=[
            *traced,
            _measure(metrics, clock),
            _explain(log),
            _authorize(access, clock, metrics),
            _slow_down(write_limit, clock),
        ],
        client_max_size=1,
    )
    app[ROUTE_GROUPS] = {route.path: route.group for route in ROUTES}
    app[CONFIGURING] = frozenset((one.method, one.path) for one in ROUTES if one.is_configuring)
    app[SCOPES] = {(route.method, route.path): route.scope for route in ROUTES}
    for route in ROUTES:
        handler = handlers[route.operation]
        app.router.add_route(route.method, route.path, handler, expect_handler=_expect)
        if route.method == hdrs.METH_GET:
            app.router.add_route(hdrs.METH_HEAD, route.path, handler, expect_handler=_expect)
    return app


ROUTE_GROUPS: Final = web.AppKey("route_groups", dict[str, str])
SCOPES: Final = web.AppKey("scopes", dict[tuple[str, str], Scope | None])
CONFIGURING: Final = web.AppKey("configuring", frozenset[tuple[str, str]])


def problem_of(error: web.HTTPException) -> Problem:
    """Translate what aiohttp refuses; its own texts may quote the request."""
    code = _CODE_OF_STATUS.get(error.status, Code.INVALID_REQUEST)
    detail = _DETAIL_OF_STATUS.get(error.status, "the request cannot be served as it is")
    allow: tuple[str, ...] = ()
    if isinstance(error, web.HTTPMethodNotAllowed):
        allow = tuple(sorted(error.allowed_methods))
    return Problem(code, detail, allow=allow)


def _measure(metrics: GatewayMetrics, clock: Clock) -> Callable[..., Awaitable[web.StreamResponse]]:
    @web.middleware
    async def measure(request: web.Request, handler: Handler) -> web.StreamResponse:
        started = clock.monotonic()
        try:
            return await handler(request)
        finally:
            resource = request.match_info.route.resource
            group = request.app[ROUTE_GROUPS].get(resource.canonical) if resource else None
            if group is not None:
                metrics.duration_of[group].observe(clock.monotonic() - started)

    return measure


def _explain(log: FilteringBoundLogger) -> Callable[..., Awaitable[web.StreamResponse]]:
    @web.middleware
    async def explain(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.version not in _VERSIONS:  # a line without one, or the preface of HTTP/2
            return _hang_up("speak HTTP/1.1")
        if not _is_framed_plainly(request):
            return _hang_up("only Transfer-Encoding: chunked is understood")
        try:
            return await handler(request)
        except RefusedError as refused:
            return problem_response(refused.problem)
        except web.HTTPException as error:
            if error.status < web.HTTPBadRequest.status_code:
                raise
            # The request holds this error; its traceback would hold the request, until the
            # collector comes, which is rare here: a thousand junk requests were 100 MB.
            error.__traceback__ = None
            return problem_response(problem_of(error))
        except asyncio.CancelledError:
            raise
        except Exception:  # the HTTP edge: a bug becomes one 500, never a dead server
            log.exception("gateway.request_failed", method=request.method)
            return problem_response(INTERNAL)

    return explain


def _is_framed_plainly(request: web.Request) -> bool:
    """Ask for no transfer coding but `chunked` alone: the parser undoes no other."""
    codings = request.headers.getall(hdrs.TRANSFER_ENCODING, [])
    return not codings or [one.strip().lower() for one in codings] == ["chunked"]


def _hang_up(detail: str) -> web.Response:
    """Refuse what the parser lets pass, and read no further."""
    response = problem_response(Problem(Code.INVALID_REQUEST, detail))
    response.force_close()
    return response


def _authorize(
    access: Access, clock: Clock, metrics: GatewayMetrics
) -> Callable[..., Awaitable[web.StreamResponse]]:
    @web.middleware
    async def authorize(request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        if request.match_info.http_exception is None and resource is not None:
            method = hdrs.METH_GET if request.method == hdrs.METH_HEAD else request.method
            scope = request.app[SCOPES][method, resource.canonical]
            if scope is not None:
                admission = Admission(access, scope, clock.now_ms)
                try:
                    request[PRINCIPAL] = await admission.ask(request)
                except RefusedError as refused:
                    if refused.problem is UNCERTAIN and scope == SEND_EVENT.scope:
                        metrics.count(refused.problem.code)
                    raise
                request[ADMISSION] = admission
        return await handler(request)

    return authorize


def _slow_down(limit: WriteLimit, clock: Clock) -> Callable[..., Awaitable[web.StreamResponse]]:
    @web.middleware
    async def slow_down(request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        place = (request.method, resource.canonical) if resource is not None else None
        if place not in request.app[CONFIGURING]:
            return await handler(request)
        demands = limit.demands(request[PRINCIPAL], request.match_info.get("subscriber"))
        response: web.StreamResponse
        if too_often := limit.spend(demands, clock.monotonic()):
            response = problem_response(too_often)
        else:
            try:
                response = await handler(request)
            except RefusedError as refused:
                response = problem_response(refused.problem)
        response.headers.update(limit.headers(demands, clock.monotonic()))
        return response

    return slow_down


async def _expect(request: web.Request) -> web.StreamResponse | None:
    """Tell a client that waits to go on; any other expectation is refused as a problem."""
    if request.headers.get(hdrs.EXPECT, "").strip().lower() == "100-continue":
        if request.transport is not None:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return None
    return problem_response(Problem(Code.INVALID_REQUEST, "only 100-continue can be expected"))
