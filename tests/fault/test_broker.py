"""The only broker dies, freezes and comes back, under load, with real processes."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.e2e.receiver import Receiver
from tests.fault.conftest import BreakableStack
from tests.fault.figures import Note
from tests.fault.judge import judge, subscribe_all
from tests.fault.load import ANSWER_S_MAX, Load, now_s, pass_time, recovery
from tests.fault.memory import Flatness

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(400)]

RECOVERY_S = 30.0
GROWTH_MIB_MAX = 48.0
"""What a process may grow by while it cannot work: read-ahead and clients built anew, no queue."""


async def _loaded(breakable: BreakableStack, receiver: Receiver) -> Load:
    await breakable.stack.start()
    await subscribe_all(breakable.stack, receiver)
    load = Load(breakable.stack)
    load.start()
    await receiver.until(lambda: len(receiver.received) >= 100, within_s=60)
    return load


async def _outage(
    breakable: BreakableStack,
    receiver: Receiver,
    *,
    note: Note,
    fault: Callable[[], Awaitable[None]],
) -> int:
    """Let a fault happen under load and judge all that is promised but for the repeats."""
    load = await _loaded(breakable, receiver)
    pids = {one.name: one.process.pid for one in breakable.stack.running}
    flatness, began_s = Flatness(pids), now_s()

    await fault()
    back_s = now_s()
    seen = await recovery(load, receiver, since_s=back_s, within_s=2 * RECOVERY_S)
    growth = flatness.growth_mib()
    await load.finish()
    repeats = await judge(breakable.stack, receiver, load, within_s=60)

    statuses = load.statuses(since_s=began_s, until_s=back_s)
    note("answers meanwhile", dict(statuses))
    note("slowest answer", load.slowest_s, "s")
    note("first 202 after", seen.accepted_s, "s")
    note("first deliveries after", seen.arrived_s, "s")
    note("growth", growth, "MiB")
    note("events", load.count)
    note("repeats", len(repeats))
    assert statuses[503] > 0
    assert load.slowest_s < ANSWER_S_MAX
    assert seen.arrived_s < RECOVERY_S
    assert max(growth.values()) < GROWTH_MIB_MAX
    return len(repeats)


async def test_a_killed_broker_costs_neither_events_nor_order(
    breakable: BreakableStack, receiver: Receiver, note: Note
) -> None:
    """Kill -9 and restart under load: answers in time, no repeat of a success that was seen."""

    async def kill() -> None:
        await asyncio.to_thread(breakable.broker.kill)
        await pass_time(8)
        await asyncio.to_thread(breakable.broker.restart)

    repeats = await _outage(breakable, receiver, note=note, fault=kill)

    assert repeats == 0


@pytest.mark.parametrize("seconds", [10, 60])
async def test_a_frozen_broker_is_waited_for(
    breakable: BreakableStack, receiver: Receiver, note: Note, seconds: int
) -> None:
    """SIGSTOP of the broker: 503 within the deadline, then all goes on; no repeat of a success.

    After 60 s the group has forgotten its members; the deliverer takes its partitions over anew.
    """

    async def freeze() -> None:
        breakable.broker.pause()
        await pass_time(seconds)
        breakable.broker.resume()

    repeats = await _outage(breakable, receiver, note=note, fault=freeze)

    assert repeats == 0
