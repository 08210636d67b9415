"""Children are watched, their logs shown, and none stays."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from aiohttp import web

from hooklane.dev.plan import SERVICES, StackPlan
from hooklane.dev.processes import Services
from hooklane.exits import CommandFailed
from hooklane.guard import Guard
from hooklane.kafka_properties import free_ports

WAITS = "import sys, signal; print('up', flush=True); signal.sigwait([signal.SIGTERM])"
ENDS = "print('cannot go on', flush=True); raise SystemExit(4)"
DEAF = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "print('deaf', flush=True); signal.pause()"
)


@pytest.fixture
def plan() -> StackPlan:
    """Give a plan with free ports."""
    ports = dict(zip(SERVICES, free_ports(3), strict=True))
    return StackPlan("127.0.0.1:9", "p", 8080, ports, "r", "v")


@pytest.fixture
async def services(plan: StackPlan, tmp_path: Path) -> AsyncIterator[Services]:
    """Give children that are ended after the test."""
    guard = Guard()
    made = Services(plan, tmp_path, guard, command=program(WAITS))
    yield made
    await made.stop()
    guard.close()


def program(text: str, **others: str) -> Mapping[str, list[str]]:
    """Let each service be a small program."""
    return {name: [sys.executable, "-c", others.get(name, text)] for name in SERVICES}


async def answer_ready(port: int, status: int) -> web.AppRunner:
    """Serve /readyz in place of a service."""
    app = web.Application()

    async def readyz(_request: web.Request) -> web.Response:
        return web.Response(status=status)

    app.router.add_get("/readyz", readyz)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    return runner


async def test_ready_is_when_all_say_so(plan: StackPlan, services: Services) -> None:
    """Every admin port answers 200."""
    await services.start({})
    runners = [await answer_ready(port, 200) for port in plan.admin_ports.values()]

    await services.wait_ready(timeout_s=10)

    for runner in runners:
        await runner.cleanup()


async def test_who_is_not_ready_is_named_with_its_log(plan: StackPlan, services: Services) -> None:
    """Two are ready, one answers 503: the failure names that one."""
    await services.start({})
    status = {"gateway": 200, "deliverer": 200, "fanout": 503}
    runners = [await answer_ready(plan.admin_ports[name], status[name]) for name in SERVICES]

    with pytest.raises(CommandFailed, match=r"not ready within 1 s: fanout\n--- fanout"):
        await services.wait_ready(timeout_s=1)

    for runner in runners:
        await runner.cleanup()


async def test_a_service_that_ends_is_shown_at_once(plan: StackPlan, tmp_path: Path) -> None:
    """Its exit code and last words come without waiting for the deadline."""
    guard = Guard()
    made = Services(plan, tmp_path, guard, command=program(WAITS, fanout=ENDS))
    await made.start({})

    with pytest.raises(CommandFailed, match=r"(?s)fanout ended \(exit 4\).*cannot go on"):
        await made.wait_failed()

    await made.stop()
    guard.close()


async def test_stop_ends_everything(services: Services) -> None:
    """A second stop finds nothing left."""
    await services.start({})

    await services.stop()
    await services.stop()

    assert services.tails() == ""


async def test_a_deaf_service_is_killed(plan: StackPlan, tmp_path: Path) -> None:
    """One that ignores SIGTERM does not hold up the end for longer than the bound."""
    guard = Guard()
    made = Services(plan, tmp_path, guard, command=program(DEAF))
    await made.start({})
    while made.tails().count("deaf") < len(SERVICES):  # noqa: ASYNC110 - of other processes
        await asyncio.sleep(0)

    await made.stop(timeout_s=0.1)

    assert made.tails() == ""
    guard.close()


async def test_kill_ends_everything_at_once(plan: StackPlan, tmp_path: Path) -> None:
    """The second Ctrl-C does not wait."""
    guard = Guard()
    made = Services(plan, tmp_path, guard, command=program(DEAF))
    await made.start({})

    made.kill()
    with pytest.raises(CommandFailed, match="exit -9"):
        await made.wait_failed()

    await made.stop()
    guard.close()
