"""Without a broker the start waits, says so once, and can be cancelled."""

import asyncio
import socket
from typing import Any

import structlog
from prometheus_client import CollectorRegistry
from structlog.testing import CapturingLogger

from chassis.preconditions import Preconditions
from chassis.settings import KafkaSettings
from tests.fakes.clock import ManualClock


async def test_it_waits_for_its_broker_until_it_is_cancelled() -> None:
    """One line names the servers; nothing is left behind."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        server = f"127.0.0.1:{unused.getsockname()[1]}"
        settings = KafkaSettings.model_validate({"bootstrap_servers": server})
        said = asyncio.Event()

        class Lines(CapturingLogger):
            calls: list[Any]  # plain fields

            def warning(self, **fields: object) -> None:
                self.calls.append(fields)
                said.set()

        lines = Lines()
        instruments = CollectorRegistry()
        log = structlog.wrap_logger(
            lines, processors=[], wrapper_class=structlog.make_filtering_bound_logger(0)
        )
        component = Preconditions(
            settings,
            [],
            client_id="test",
            log=log,
            clock=ManualClock(),
            instruments=instruments,
        )
        before = asyncio.all_tasks()
        starting = asyncio.create_task(component.start())
        async with asyncio.timeout(30):
            await said.wait()
        waiting = instruments.get_sample_value("hooklane_start_waiting", {"on": "brokers"})
        checks = {name: check() for name, check in component.checks().items()}
        starting.cancel()
        await asyncio.wait({starting})
        await component.stop()

    assert starting.cancelled()
    assert (waiting, checks) == (1, {"preconditions": "no broker answers"})
    assert instruments.get_sample_value("hooklane_start_waiting", {"on": "brokers"}) == 0
    assert asyncio.all_tasks() == before
    [line] = lines.calls
    assert (line["event"], line["servers"]) == ("kafka.waiting", [server])
