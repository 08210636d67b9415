"""SIGTERM at bad moments: during the start, and twice."""

import asyncio
import signal

import pytest

from tests.e2e.receiver import Receiver
from tests.e2e.stack import SERVICES, Service, Stack

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]

HANG_S = 30.0


async def test_sigterm_during_the_start_ends_with_0(stack: Stack) -> None:
    """As soon as a service has said that it starts, SIGTERM is an orderly end."""
    services = [await stack.spawn(name) for name in SERVICES]

    async def end(service: Service) -> int:
        await service.says("process.starting")
        service.signal(signal.SIGTERM)
        return await service.exit_code(within_s=30)

    codes = await asyncio.gather(*(end(service) for service in services))

    assert codes == [0, 0, 0], [service.log.read_text() for service in services]


async def test_a_second_sigterm_ends_at_once(stack: Stack, receiver: Receiver) -> None:
    """The drain waits for a receiver that hangs; whoever asks twice does not."""
    *_, deliverer = await stack.start()
    receiver.delays_s["slow"] = HANG_S
    await stack.subscribe("acme", receiver.url("slow"), timeout_s=HANG_S)
    await stack.publish("acme", 1)
    await receiver.until(lambda: len(receiver.received) == 1, within_s=20)

    deliverer.signal(signal.SIGTERM)
    await deliverer.says("process.stopping")
    is_draining = deliverer.process.returncode is None
    deliverer.signal(signal.SIGTERM)
    code = await deliverer.exit_code(within_s=5)

    assert is_draining
    assert code == -signal.SIGTERM
