"""Starting: what is wrong is said in one line; what is merely late is waited for."""

import signal
from pathlib import Path

import pytest

from tests.conftest import Broker
from tests.e2e.stack import SERVICES, Service, Stack, eventually
from tests.ports import free_port

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]


async def _refusal(stack: Stack, name: str, **environment: str) -> str:
    """Start a service that must refuse; give the only line besides those of its start and end."""
    service = await stack.spawn(name, **environment)
    code = await service.exit_code(within_s=40)
    lines = [
        line
        for line in service.log.read_text().splitlines()
        if "process.starting" not in line and "process.ended" not in line
    ]
    assert code == 4, service.log.read_text()
    assert len(lines) == 1, lines
    return lines[0]


async def test_a_missing_root_key_is_refused(stack: Stack) -> None:
    """The gateway never runs open: the line names the variable to set."""
    line = await _refusal(stack, "gateway", HOOKLANE_AUTH__ROOT_KEY="")

    assert "HOOKLANE_AUTH__ROOT_KEY" in line


@pytest.mark.parametrize("name", SERVICES)
async def test_a_mistyped_variable_is_refused(stack: Stack, name: str) -> None:
    """A variable that no service knows is named, its value is not printed."""
    line = await _refusal(stack, name, HOOKLANE_KAFKA__BOOTSTRAP_SERVER="secret-value")

    assert "HOOKLANE_KAFKA__BOOTSTRAP_SERVER" in line
    assert "secret-value" not in line


async def test_missing_topics_are_waited_for(kafka: Broker, prefix: str, tmp_path: Path) -> None:
    """`helm install` starts the services before the Job made the topics: one line each, no exit."""
    stack = Stack(kafka.bootstrap_servers, prefix, tmp_path)
    try:
        services = [await stack.spawn(name) for name in SERVICES]
        for service in services:
            await _says(service, "kafka.topics_missing")
        assert not any([await service.is_ready(stack.session) for service in services])

        await stack.topics()
        await stack.ready(*services)
        logs = [service.log.read_text() for service in services]
    finally:
        await stack.stop()

    assert [log.count("kafka.topics_missing") for log in logs] == [1, 1, 1]
    assert all("hooklane topics apply" in log for log in logs)


async def _says(service: Service, event: str) -> None:
    async def has_said_so() -> bool:
        return event in service.log.read_text()

    await eventually(has_said_so, within_s=30, what=f"{event} of {service.name}")


async def test_a_wrong_partition_count_is_refused(stack: Stack) -> None:
    """Topics of another partition count would break co-partitioning: refused, not adapted to."""
    line = await _refusal(stack, "fanout", HOOKLANE_TOPICS__PARTITIONS="6")

    assert "partitions" in line


@pytest.mark.parametrize("name", SERVICES)
async def test_a_broker_that_is_down_is_waited_for(stack: Stack, name: str) -> None:
    """No broker: one clear line, ready stays off, and SIGTERM still ends it with 0."""
    address = f"127.0.0.1:{free_port()}"
    service = await stack.spawn(name, HOOKLANE_KAFKA__BOOTSTRAP_SERVERS=address)

    async def has_said_so() -> bool:
        return address in service.log.read_text()

    await eventually(has_said_so, within_s=30, what="a line that names the address")
    is_ready = await service.is_ready(stack.session)
    lines = [line for line in service.log.read_text().splitlines() if address in line]
    service.signal(signal.SIGTERM)
    code = await service.exit_code(within_s=30)

    assert not is_ready
    assert len(lines) == 1
    assert code == 0
