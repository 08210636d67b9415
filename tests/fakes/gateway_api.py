"""The whole HTTP side of the gateway over fakes, on a real socket."""

from types import TracebackType
from typing import Self

import aiohttp
from prometheus_client import CollectorRegistry

from chassis import logs
from chassis.egress import EgressPolicy
from chassis.metrics import make_registry
from gateway.app import make_app
from gateway.auth import Keyring
from gateway.handlers.events import EventHandlers, EventLimits, EventsTopic
from gateway.handlers.subscriptions import SubscriptionHandlers
from gateway.intake import Intake
from gateway.metrics import GatewayMetrics
from gateway.server import HttpServer
from gateway.subscriptions import Rules
from tests.fakes.clock import ManualClock
from tests.fakes.gateway import MemoryPublisher, MemoryRegistry

ROOT_KEY = "root-key-of-the-tests-0123456789abcdef"
AUTHORIZED = {"Authorization": f"Bearer {ROOT_KEY}"}
HOST = "127.0.0.1"


class GatewayApi:
    """An async context: server and client; the fakes behind it are attributes."""

    def __init__(
        self,
        *,
        limits: EventLimits | None = None,
        intake: Intake | None = None,
        keepalive_s: float = 15.0,
    ) -> None:
        self.clock = ManualClock()
        self.publisher = MemoryPublisher()
        self.registry = MemoryRegistry(self.clock)
        self.instruments: CollectorRegistry = make_registry("gateway")
        self.intake = intake or Intake(100, 1 << 30)
        self._count = 0
        limits = limits or EventLimits(262_144, 8 << 20, 5.0)
        metrics = GatewayMetrics(self.instruments)
        app = make_app(
            events=EventHandlers(
                publisher=self.publisher,
                topic=EventsTopic("hooklane.events", 12),
                limits=limits,
                intake=self.intake,
                metrics=metrics,
                clock=self.clock,
                fresh_event_id=lambda: self._next("evt"),
            ),
            subscriptions=SubscriptionHandlers(
                registry=self.registry,
                rules=Rules(EgressPolicy(), lambda count: b"\x07" * count),
                clock=self.clock,
                fresh_id=lambda: self._next("sub"),
                intake=self.intake,
                body_timeout_s=limits.body_timeout_s,
            ),
            keyring=Keyring(ROOT_KEY),
            metrics=metrics,
            clock=self.clock,
            log=logs.get("test"),
        )
        self.server = HttpServer(app, host=HOST, port=0, keepalive_s=keepalive_s)
        self.client: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        """Start the server, open the client."""
        await self.server.start()
        url = f"http://{HOST}:{self.server.port}"
        self.client = aiohttp.ClientSession(url, headers=AUTHORIZED)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close both."""
        await self.client.close()
        await self.server.stop()

    def counted(self, result: str) -> float:
        """Give how many events were counted with a result."""
        value = self.instruments.get_sample_value(
            "hooklane_ingest_events_total", {"result": result}
        )
        return value or 0.0

    def _next(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}_{self._count:026}"
