"""Probes and metrics, asked over loopback."""

import socket
from collections.abc import AsyncIterator, Iterable

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.registry import Collector

from chassis.admin import AdminServer, Check
from chassis.lifecycle import Component, StartRefused
from chassis.metrics import make_registry
from chassis.settings import AdminSettings
from tests.contract.lifecycle import LifecycleContract
from tests.fakes.clock import ManualClock

ANY_PORT = AdminSettings(host="127.0.0.1", port=0)


class Scrapes(Collector):
    """Count collections."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.count = 0
        registry.register(self)
        self.count = 0

    def collect(self) -> Iterable[Metric]:
        """Yield one gauge."""
        self.count += 1
        metric = Metric("hooklane_scrapes", "Scrapes.", "gauge")
        metric.add_sample("hooklane_scrapes", {}, self.count)
        yield metric


class Served:
    """A running admin server and a client for it."""

    def __init__(self, server: AdminServer, session: aiohttp.ClientSession) -> None:
        self.server = server
        self._session = session

    async def get(self, path: str, **headers: str) -> tuple[int, str, str]:
        """Return status, content type and text."""
        url = f"http://127.0.0.1:{self.server.port}{path}"
        async with self._session.get(url, headers=headers) as response:
            return response.status, response.headers["Content-Type"], await response.text()

    async def ready(self) -> tuple[int, object]:
        """Return status and JSON of /readyz."""
        url = f"http://127.0.0.1:{self.server.port}/readyz"
        async with self._session.get(url) as response:
            return response.status, await response.json()


@pytest.fixture
def registry() -> CollectorRegistry:
    """Give a registry as every service has."""
    return make_registry("shop")


@pytest.fixture
def clock() -> ManualClock:
    """Give the clock of the metrics cache."""
    return ManualClock()


@pytest.fixture
async def served(registry: CollectorRegistry, clock: ManualClock) -> AsyncIterator[Served]:
    """Give a running server without checks."""
    server = AdminServer(ANY_PORT, checks={}, registry=registry, clock=clock)
    await server.start()
    async with aiohttp.ClientSession() as session:
        yield Served(server, session)
    await server.stop()


async def test_live_says_only_that_the_loop_turns(served: Served) -> None:
    """Not ready, not even started: still alive, so nobody restarts us."""
    served.server.add_checks({"kafka": lambda: False})

    assert (await served.get("/livez"))[0] == 200


async def test_readiness_follows_the_life_of_the_process(served: Served) -> None:
    """Off while starting, on, off again before the drain."""
    starting = await served.ready()
    served.server.set_ready(True)
    running = await served.ready()
    served.server.set_ready(False)
    stopping = await served.ready()

    assert starting == (503, {"ready": False, "state": "starting", "checks": {}})
    assert running == (200, {"ready": True, "state": "running", "checks": {}})
    assert stopping == (503, {"ready": False, "state": "stopping", "checks": {}})


def _broken() -> bool:
    raise OSError("hunter2")


@pytest.mark.parametrize(
    ("check", "status", "shown"),
    [
        (lambda: True, 200, True),
        (lambda: False, 503, False),
        (lambda: "not joined yet", 503, "not joined yet"),
        (_broken, 503, "the check failed: OSError"),
    ],
)
async def test_each_check_is_named_with_its_answer(
    served: Served, check: Check, status: int, shown: object
) -> None:
    """One failing check is enough; a text is its reason."""
    served.server.set_ready(True)
    served.server.add_checks({"fine": lambda: True})
    served.server.add_checks({"group": check})

    answer = await served.ready()

    checks = {"fine": True, "group": shown}
    assert answer == (status, {"ready": status == 200, "state": "running", "checks": checks})


async def test_metrics_are_rendered_once_a_second(
    served: Served, registry: CollectorRegistry, clock: ManualClock
) -> None:
    """Two Prometheus servers cost one rendering."""
    scrapes = Scrapes(registry)

    await served.get("/metrics")
    await served.get("/metrics")
    clock.advance(1.0)
    _, _, text = await served.get("/metrics")

    assert scrapes.count == 2
    assert "hooklane_scrapes 2.0" in text


async def test_metrics_speak_the_format_that_is_asked_for(served: Served) -> None:
    """Prometheus asks for OpenMetrics, people for text."""
    _, plain, text = await served.get("/metrics")
    _, negotiated, open_text = await served.get(
        "/metrics", Accept="application/openmetrics-text; version=1.0.0"
    )

    assert plain.startswith("text/plain")
    assert "hooklane_build_info{" in text
    assert negotiated.startswith("application/openmetrics-text")
    assert open_text.endswith("# EOF\n")


async def test_nothing_else_is_served(served: Served) -> None:
    """The admin port is no API."""
    assert (await served.get("/"))[0] == 404


async def test_a_taken_port_is_refused_with_what_to_set(registry: CollectorRegistry) -> None:
    """The line names the variable, and nothing is left open."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = AdminSettings(host="127.0.0.1", port=taken.getsockname()[1])
        server = AdminServer(settings, checks={}, registry=registry)

        with pytest.raises(StartRefused, match="HOOKLANE_ADMIN__PORT"):
            await server.start()

    await server.stop()


def test_a_stopped_server_has_no_port(registry: CollectorRegistry) -> None:
    """Asking too early is a bug that should say so."""
    with pytest.raises(RuntimeError, match="not started"):
        _ = AdminServer(ANY_PORT, checks={}, registry=registry).port


class TestAdminServerLife(LifecycleContract):
    """The admin server is a component like any other."""

    @pytest.fixture
    def component(self, registry: CollectorRegistry) -> Component:
        """Give a server on a free port."""
        return AdminServer(ANY_PORT, checks={}, registry=registry)

    @pytest.fixture
    def failing(self, registry: CollectorRegistry) -> Component:
        """Give a server on an address that is not this machine's."""
        settings = AdminSettings(host="192.0.2.1", port=0)
        return AdminServer(settings, checks={}, registry=registry)
