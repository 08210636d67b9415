"""Probes and metrics on a port of their own.

`/livez` says only that the event loop turns: Kafka is never part of it, a broker outage must not
cause a restart storm. `/readyz` runs the named checks of the service; owning no partition is ready
(a standby). `/metrics` is rendered in slices and kept for a second, so that scrapes cannot stop the
loop. With a token there is more: `chassis.debug`. Not for the API of a service.
"""

from collections.abc import Callable, Mapping

import orjson
from aiohttp import web
from prometheus_client import CollectorRegistry

from chassis import logs
from chassis.clock import Clock, SystemClock
from chassis.debug import DebugPages, Describe
from chassis.exposition import MetricsPages
from chassis.refusal import StartRefused
from chassis.settings import AdminSettings

Check = Callable[[], bool | str]
"""True = fine; False or a text (the reason) = not ready. Quick and without I/O."""

_STARTING = "starting"
_RUNNING = "running"


class AdminServer:
    """Serve `/livez`, `/readyz` and `/metrics`; first to start, last to stop."""

    def __init__(
        self,
        settings: AdminSettings,
        *,
        checks: Mapping[str, Check],
        registry: CollectorRegistry,
        clock: Clock | None = None,
    ) -> None:
        self._settings = settings
        self._checks = dict(checks)
        self._registry = registry
        self._pages = MetricsPages(registry, clock or SystemClock())
        self._debug = _debug_pages(settings, clock or SystemClock())
        self._state = _STARTING
        self._runner: web.AppRunner | None = None

    @property
    def port(self) -> int:
        """The bound port; differs from the setting when that is 0."""
        if self._runner is None or not self._runner.addresses:
            raise RuntimeError("the admin server is not started")
        port: int = self._runner.addresses[0][1]
        return port

    @property
    def instruments(self) -> CollectorRegistry:
        """What `/metrics` shows."""
        return self._registry

    @property
    def is_ready(self) -> bool:
        """Whether all has started and nothing drains yet; the checks are asked per request."""
        return self._state == _RUNNING

    def add_checks(self, checks: Mapping[str, Check]) -> None:
        """Name more conditions of readiness."""
        self._checks.update(checks)

    def add_debug(self, parts: Mapping[str, Describe]) -> None:
        """Show more on `/debug`, if there is one."""
        if self._debug is not None:
            self._debug.add(parts)

    def set_ready(self, is_ready: bool) -> None:
        """Switch readiness as a whole: on when all has started, off before the drain."""
        self._state = _RUNNING if is_ready else "stopping"

    async def start(self) -> None:
        """Listen; raises StartRefused when the address cannot be bound."""
        if self._runner is not None:
            return
        self._runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=1.0)
        host, port = self._settings.host, self._settings.port
        try:
            await self._runner.setup()
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            await self.stop()
            raise StartRefused(
                f"cannot listen on {host}:{port} ({error.strerror or error}); "
                "set HOOKLANE_ADMIN__HOST and HOOKLANE_ADMIN__PORT"
            ) from error

    async def drain(self, deadline_s: float) -> None:
        """Go on: probes and metrics are wanted until the end."""

    async def stop(self) -> None:
        """Close the listener."""
        if self._debug is not None:
            self._debug.close()
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    def _app(self) -> web.Application:
        app = web.Application(client_max_size=1024)
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics)
        if self._debug is not None:
            app.router.add_routes(self._debug.routes())
        return app

    async def _livez(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _request: web.Request) -> web.Response:
        results = {name: _run(check) for name, check in self._checks.items()}
        is_ready = self.is_ready and all(r is True for r in results.values())
        body = {"ready": is_ready, "state": self._state, "checks": results}
        return web.Response(
            status=200 if is_ready else 503,
            body=orjson.dumps(body),
            content_type="application/json",
        )

    async def _metrics(self, request: web.Request) -> web.Response:
        accept = ",".join(request.headers.getall("Accept", []))
        body, content_type = await self._pages.page(accept)
        response = web.Response(body=body, headers={"Content-Type": content_type})
        response.enable_compression()
        return response


def _debug_pages(settings: AdminSettings, clock: Clock) -> DebugPages | None:
    if settings.token is None:
        return None
    token = settings.token.get_secret_value()
    return DebugPages(token, levels=logs.LEVELS_NOW, clock=clock, log=logs.get("admin"))


def _run(check: Check) -> bool | str:
    try:
        return check()
    except Exception as error:  # noqa: BLE001 - a broken check is "not ready", never a broken probe
        return f"the check failed: {type(error).__name__}"
