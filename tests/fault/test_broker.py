"""Brokers that die, freeze and come back, under load, with real processes."""

import asyncio

import pytest

from deliverer.commits import OUTPUTS_MAX
from tests.e2e.receiver import Receiver
from tests.fault.conftest import BreakableStack
from tests.fault.judge import judge, subscribe_all
from tests.fault.load import ANSWER_S_MAX, Load, pass_time

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(400)]

RECOVERY_S = 60.0


async def _loaded(breakable: BreakableStack, receiver: Receiver) -> Load:
    await breakable.stack.start()
    await subscribe_all(breakable.stack, receiver)
    load = Load(breakable.stack)
    load.start()
    await receiver.until(lambda: len(receiver.received) >= 100, within_s=60)
    return load


async def test_a_killed_broker_costs_neither_events_nor_order(
    breakable: BreakableStack, receiver: Receiver
) -> None:
    """Kill -9 and restart under load: answers in time, no repeat of a success that was seen."""
    load = await _loaded(breakable, receiver)

    await asyncio.to_thread(breakable.broker.kill)
    await pass_time(8)
    await asyncio.to_thread(breakable.broker.restart)
    before = load.count
    async with asyncio.timeout(RECOVERY_S):
        await receiver.until(lambda: load.count > before + 20, within_s=RECOVERY_S)
    await load.finish()
    repeats = await judge(breakable.stack, receiver, load, within_s=RECOVERY_S)

    assert load.statuses[202] >= load.count
    assert load.slowest_s < ANSWER_S_MAX
    assert repeats == 0


def _was_kicked(breakable: BreakableStack) -> bool:
    """Tell whether the group forgot the deliverer: a second assignment is a moved partition."""
    (log,) = (s.log.read_text() for s in breakable.stack.running if s.name == "deliverer")
    return log.count("ownership.assigned") > 1


@pytest.mark.parametrize("seconds", [10, 60])
async def test_a_frozen_broker_is_waited_for(
    breakable: BreakableStack, receiver: Receiver, seconds: int
) -> None:
    """SIGSTOP of the broker: 503 within the deadline, then everything goes on by itself."""
    load = await _loaded(breakable, receiver)

    breakable.broker.pause()
    await pass_time(seconds)
    breakable.broker.resume()
    before = load.count
    await receiver.until(lambda: load.count > before + 20, within_s=RECOVERY_S)
    await load.finish()
    repeats = await judge(breakable.stack, receiver, load, within_s=RECOVERY_S)

    assert load.slowest_s < ANSWER_S_MAX
    assert repeats <= (OUTPUTS_MAX if _was_kicked(breakable) else 0)
