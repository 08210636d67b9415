"""Members that come, go, freeze and return while events flow."""

import signal

import pytest

from deliverer.commits import OUTPUTS_MAX
from tests.e2e.receiver import Receiver
from tests.e2e.stack import Stack
from tests.fault.judge import judge, subscribe_all
from tests.fault.load import Load, pass_time

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(400)]


@pytest.mark.parametrize("name", ["deliverer", "fanout"])
async def test_members_join_and_leave_under_load(
    stack: Stack, receiver: Receiver, name: str
) -> None:
    """From one to three and back by SIGTERM: nothing lost, nothing repeated."""
    services = {service.name: service for service in await stack.start()}
    await subscribe_all(stack, receiver)
    load = Load(stack)
    load.start()
    await receiver.until(lambda: len(receiver.received) >= 50, within_s=60)

    joined = [await stack.spawn(name), await stack.spawn(name)]
    await stack.ready(*joined)
    here = len(receiver.received)
    await receiver.until(lambda: len(receiver.received) >= here + 100, within_s=60)
    for leaving in (services[name], joined[0]):
        leaving.signal(signal.SIGTERM)
        assert await leaving.exit_code(within_s=30) == 0
    here = len(receiver.received)
    await receiver.until(lambda: len(receiver.received) >= here + 100, within_s=60)
    await load.finish()
    repeats = await judge(stack, receiver, load, within_s=60)

    assert repeats == 0


@pytest.mark.parametrize("name", ["deliverer", "fanout"])
async def test_a_frozen_owner_stops_by_itself(stack: Stack, receiver: Receiver, name: str) -> None:
    """SIGSTOP longer than the session, another takes over, SIGCONT: no order or event is lost."""
    services = {service.name: service for service in await stack.start()}
    await subscribe_all(stack, receiver)
    load = Load(stack)
    load.start()
    await receiver.until(lambda: len(receiver.received) >= 50, within_s=60)

    services[name].signal(signal.SIGSTOP)
    await stack.ready(await stack.spawn(name))
    here = len(receiver.received)
    await receiver.until(lambda: len(receiver.received) >= here + 50, within_s=60)
    services[name].signal(signal.SIGCONT)
    await pass_time(5)
    here = len(receiver.received)
    await receiver.until(lambda: len(receiver.received) >= here + 50, within_s=60)
    await load.finish()
    repeats = await judge(stack, receiver, load, within_s=60)

    assert repeats <= (OUTPUTS_MAX if name == "deliverer" else 0)
