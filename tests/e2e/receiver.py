"""A receiving app: real HTTP, verified with the official Standard Webhooks library."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web
from standardwebhooks import Webhook

Answer = Callable[["Delivery"], int]
HANG_UP = 0
"""An answer that closes the connection without a word: the sender cannot know what happened."""


@dataclass(frozen=True)
class Delivery:
    """One request as the receiver saw it."""

    path: str
    webhook_id: str
    attempt: int
    sequence: int
    headers: dict[str, str]
    body: bytes
    status: int
    verified: bool
    arrived_s: float = 0.0
    """On the clock of the event loop."""

    @property
    def is_accepted(self) -> bool:
        """Tell whether it was answered with 2xx."""
        return 200 <= self.status < 300


@dataclass
class Receiver:
    """Listen on loopback, answer by path, keep what arrived."""

    received: list[Delivery] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    delays_s: dict[str, float] = field(default_factory=dict)
    """How long a path takes to answer; what arrived counts at once."""
    port: int = 0
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Bind a free port."""
        app = web.Application(client_max_size=2**20)
        app.router.add_post("/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]

    async def stop(self) -> None:
        """Close the listener."""
        if self._runner is not None:
            await self._runner.cleanup()

    def url(self, path: str) -> str:
        """Give the address of a path."""
        return f"http://127.0.0.1:{self.port}/{path}"

    def at(self, path: str) -> list[Delivery]:
        """List what arrived at a path, in order of arrival."""
        return [d for d in self.received if d.path == path]

    def accepted(self, path: str) -> list[str]:
        """List the webhook ids answered with 2xx at a path, in order, repeats included."""
        return [d.webhook_id for d in self.at(path) if d.is_accepted]

    async def until(self, check: Callable[[], bool], *, within_s: float) -> None:
        """Wait for a condition that an arriving request may make true."""
        async with asyncio.timeout(within_s), self._changed:
            await self._changed.wait_for(check)

    async def _handle(self, request: web.Request) -> web.Response:
        arrived_s = asyncio.get_running_loop().time()
        body = await request.read()
        path = request.match_info["path"]
        headers = {name.lower(): value for name, value in request.headers.items()}
        delivery = Delivery(
            path=path,
            webhook_id=headers.get("webhook-id", ""),
            attempt=int(headers.get("webhook-attempt", 0)),
            sequence=int(headers.get("webhook-sequence", -1)),
            headers=headers,
            body=body,
            status=0,
            verified=self._verify(path, headers, body),
            arrived_s=arrived_s,
        )
        status = self.answers[path](delivery) if path in self.answers else 204
        delivery = Delivery(**{**delivery.__dict__, "status": status})
        async with self._changed:
            self.received.append(delivery)
            self._changed.notify_all()
        if (delay_s := self.delays_s.get(path)) is not None:
            answering = asyncio.Event()
            asyncio.get_running_loop().call_later(delay_s, answering.set)
            await answering.wait()
        if status == HANG_UP:
            assert request.transport is not None
            request.transport.abort()
            return web.Response(status=500)
        return web.Response(status=status)

    def _verify(self, path: str, headers: dict[str, str], body: bytes) -> bool:
        secret = self.secrets.get(path)
        if secret is None:
            return False
        try:
            Webhook(secret).verify(body, headers)
        except ValueError:  # the body is not JSON: verified, but the library decodes it too
            return True
        except Exception:  # noqa: BLE001 - whatever the library refuses is "not verified"
            return False
        return True


def first_attempts(deliveries: list[Delivery]) -> list[str]:
    """Give ids in the order of their first arrival."""
    seen: dict[str, None] = {}
    for delivery in deliveries:
        seen.setdefault(delivery.webhook_id)
    return list(seen)


def by_path(deliveries: list[Delivery]) -> dict[str, list[Delivery]]:
    """Group deliveries by path."""
    groups: dict[str, list[Delivery]] = defaultdict(list)
    for delivery in deliveries:
        groups[delivery.path].append(delivery)
    return groups
