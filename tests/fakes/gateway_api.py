"""The whole HTTP side of the gateway over fakes, on a real socket."""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from types import TracebackType
from typing import Any, Self, TypeVar

import aiohttp
from prometheus_client import CollectorRegistry

from chassis.egress import EgressPolicy
from chassis.metrics import make_registry
from chassis.tracing import Tracing
from gateway.app import make_app
from gateway.intake import Intake
from gateway.limits import EventLimits, LimitName, Limits
from gateway.metrics import GatewayMetrics
from gateway.sending import EventsTopic
from gateway.server import HttpServer
from gateway.subscriptions import Rules
from gateway.wiring import (
    Bounds,
    Ports,
    access_of,
    express_of,
    handlers_of,
    rules_of,
    write_limit_of,
)
from schemas.api_keys import KEYS_SUBSCRIBER, ApiKeyRecord
from schemas.event_types import EVENT_TYPES_SUBSCRIBER, EventTypeRecord
from schemas.subscribers import SubscriberRecord
from tests.fakes.clock import ManualClock
from tests.fakes.deliverer import silent_log
from tests.fakes.gateway import (
    MemoryPublisher,
    MemoryRegistry,
    MemoryRevocations,
    MemoryShelf,
    MemoryTopic,
)

ROOT_KEY = "root-key-of-the-tests-0123456789abcdef"
AUTHORIZED = {"Authorization": f"Bearer {ROOT_KEY}"}
HOST = "127.0.0.1"
KEYS_MAX = 30
EVENT_TYPES_MAX = 20
RACE_S = 10

T = TypeVar("T")


class GatewayApi:
    """An async context: server and client; the fakes behind it are attributes."""

    def __init__(
        self,
        *,
        limits: EventLimits | None = None,
        intake: Intake | None = None,
        keepalive_s: float = 15.0,
        connections_max: int = 1_000,
        tracing: Tracing | None = None,
        bounds: Limits | None = None,
        is_express: bool = True,
    ) -> None:
        self.clock = ManualClock()
        self.publisher = MemoryPublisher()
        self.topic = MemoryTopic(self.clock)
        self.registry = MemoryRegistry(self.topic)
        self.keys = MemoryShelf(self.topic, "key", ApiKeyRecord, holder=KEYS_SUBSCRIBER)
        self.revocations = MemoryRevocations()
        self.instruments: CollectorRegistry = make_registry("gateway")
        self.intake = intake or Intake(100, 1 << 30)
        self.log, self.said = silent_log()
        self._count = 0
        self.limit_hits: list[LimitName] = []
        limits = limits or EventLimits(262_144, 8 << 20, 5.0)
        metrics = GatewayMetrics(self.instruments)
        self.ports = Ports(
            registry=self.registry,
            subscribers=MemoryShelf(self.topic, "subscriber", SubscriberRecord, holder=None),
            event_types=MemoryShelf(
                self.topic, "event-type", EventTypeRecord, holder=EVENT_TYPES_SUBSCRIBER
            ),
            keys=self.keys,
            revocations=self.revocations,
            facts=self.topic.facts,
            publisher=self.publisher,
            clock=self.clock,
            fresh_id=self._next,
            rules=Rules(EgressPolicy(), self._random_bytes),
            limits=replace(
                bounds or Limits(KEYS_MAX, EVENT_TYPES_MAX), on_hit=self.limit_hits.append
            ),
            tracing=tracing,
        )
        intake_bounds = Bounds(EventsTopic("hooklane.events", 12), limits, self.intake)
        self.server = self._server(
            intake_bounds, metrics, keepalive_s, connections_max, is_express=is_express
        )
        self.client: aiohttp.ClientSession

    def _server(
        self,
        bounds: Bounds,
        metrics: GatewayMetrics,
        keepalive_s: float,
        connections_max: int,
        *,
        is_express: bool,
    ) -> HttpServer:
        ports = self.ports
        rules, access = rules_of(ports, metrics), access_of(ports, ROOT_KEY)
        app = make_app(
            handlers_of(ports, bounds, metrics, rules),
            access=access,
            write_limit=write_limit_of(ports),
            metrics=metrics,
            clock=self.clock,
            log=self.log,
            tracing=ports.tracing,
        )
        express = express_of(ports, bounds, metrics, rules=rules, access=access, log=self.log)
        return HttpServer(
            app,
            host=HOST,
            port=0,
            keepalive_s=keepalive_s,
            connections_max=connections_max,
            on_full=lambda: self.limit_hits.append("connections"),
            express=express if is_express else None,
        )

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

    async def race(self, *asking: Coroutine[Any, Any, T]) -> list[T]:
        """Ask all at once; nobody decides what to write before all have come that far."""
        async with self.topic.turns:
            tasks = [asyncio.create_task(one) for one in asking]
            async with asyncio.timeout(RACE_S):
                while self.topic.in_line < len(tasks):  # noqa: ASYNC110 - a fake without events
                    await asyncio.sleep(0)
        return list(await asyncio.gather(*tasks))

    def counted(self, result: str) -> float:
        """Give how many events were counted with a result."""
        value = self.instruments.get_sample_value(
            "hooklane_ingest_events_total", {"result": result}
        )
        return value or 0.0

    def fresh_instruments(self) -> CollectorRegistry:
        """Give a registry in which nothing was registered yet."""
        return make_registry("gateway")

    def _random_bytes(self, count: int) -> bytes:
        return self._count.to_bytes(count, "big")

    def _next(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}_{self._count:026}"
