"""Members come while others go, under load; `make fault` has the storms and the long freezes."""

import asyncio
import signal

import pytest

from tests.e2e.receiver import Receiver
from tests.e2e.stack import Service, Stack
from tests.fault.judge import judge, subscribe_all
from tests.fault.load import Load

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]


async def _arrivals(receiver: Receiver, count: int) -> None:
    here = len(receiver.received)
    await receiver.until(lambda: len(receiver.received) >= here + count, within_s=60)


async def _terminated(service: Service) -> int:
    service.signal(signal.SIGTERM)
    return await service.exit_code(within_s=30)


async def test_owners_end_while_their_successors_join(stack: Stack, receiver: Receiver) -> None:
    """Fan-out and deliverer in the middle of a rebalance: exit 0, no loss, no repeat, in order."""
    _, *owners = await stack.start()
    await subscribe_all(stack, receiver)
    load = Load(stack)
    load.start()
    await _arrivals(receiver, 20)

    joining = [await stack.spawn(owner.name) for owner in owners]
    await asyncio.gather(*(one.says("ownership.assigned") for one in joining))
    codes = await asyncio.gather(*(_terminated(owner) for owner in owners))
    await stack.ready(*joining)
    await _arrivals(receiver, 20)
    await load.finish()
    repeats = await judge(stack, receiver, load, within_s=60)

    assert codes == [0, 0]
    assert repeats == []
