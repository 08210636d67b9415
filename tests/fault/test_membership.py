"""Members that come, go, freeze and return while events flow."""

import asyncio
import re
import signal
from collections.abc import Iterable
from itertools import pairwise

import pytest

from deliverer.policy.pacing import OUTPUTS_MAX
from schemas.topics import partition_of
from tests.e2e.receiver import Receiver
from tests.e2e.stack import Service, Stack
from tests.fault.figures import Note
from tests.fault.judge import claimed, judge, subscribe_all
from tests.fault.load import SUBSCRIBERS, Load, now_s, pass_time

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(400)]

DRAIN_S = 2.0
REBALANCE_S = 1.0
"""What joining and fetching again may take beyond the drain, on a machine at its ease."""
SLOW_S = 6.0
SESSION_S = 12.0
TICK_S_MAX = 2.0
"""How long before a freeze an answer may have been given that no tick carried yet."""
THAW_S = 5.0
"""How long after it thawed a process may still send what it had begun."""


async def _loaded(stack: Stack, receiver: Receiver) -> Load:
    await subscribe_all(stack, receiver)
    load = Load(stack)
    load.start()
    await receiver.until(lambda: len(receiver.received) >= 50, within_s=60)
    return load


async def _arrivals(receiver: Receiver, count: int) -> None:
    here = len(receiver.received)
    await receiver.until(lambda: len(receiver.received) >= here + count, within_s=60)


async def _leave(*services: Service) -> None:
    for service in services:
        service.signal(signal.SIGTERM)
    for service in services:
        assert await service.exit_code(within_s=30) == 0


@pytest.mark.parametrize("name", ["deliverer", "fanout"])
async def test_members_join_and_leave_under_load(
    stack: Stack, receiver: Receiver, note: Note, name: str
) -> None:
    """From one to three and back by SIGTERM: nothing lost, nothing repeated."""
    services = {service.name: service for service in await stack.start()}
    load = await _loaded(stack, receiver)

    joined = [await stack.spawn(name), await stack.spawn(name)]
    await stack.ready(*joined)
    await _arrivals(receiver, 100)
    for leaving in (services[name], joined[0]):
        await _leave(leaving)
    await _arrivals(receiver, 100)
    await load.finish()
    repeats = await judge(stack, receiver, load, within_s=60)

    note("events", load.count)
    assert repeats == []


async def test_a_storm_of_joins(stack: Stack, receiver: Receiver, note: Note) -> None:
    """Three times over, two of each join at once and all that were there leave at once."""
    services = {service.name: service for service in await stack.start()}
    load = await _loaded(stack, receiver)
    members = [services["fanout"], services["deliverer"]]

    for _ in range(3):
        joined = [await stack.spawn(name) for name in ("fanout", "deliverer") * 2]
        await stack.ready(*joined)
        await _leave(*members)
        members = joined
        await _arrivals(receiver, 20)
    await load.finish()
    repeats = await judge(stack, receiver, load, within_s=60)

    note("events", load.count)
    note("longest pause of a subscription", max(_pauses(receiver, SUBSCRIBERS, 0.0)), "s")
    assert repeats == []


async def test_kept_partitions_pause_for_the_drain_only(
    stack: Stack, receiver: Receiver, note: Note
) -> None:
    """With receivers slower than the drain: kept lanes go on after it, moved ones repeat those."""
    stack.extra["HOOKLANE_DELIVERER__DRAIN_S"] = str(DRAIN_S)
    services = {service.name: service for service in await stack.start()}
    for name in SUBSCRIBERS:
        receiver.delays_s[f"{name}-slow"] = SLOW_S
        await claimed(stack, name)
        await stack.subscribe(name, receiver.url(f"{name}-slow"), timeout_s=30)
    load = await _loaded(stack, receiver)
    await _arrivals(receiver, 200)
    calm_s = max(_pauses(receiver, SUBSCRIBERS, now_s() - 2))

    joined_s = now_s()
    await stack.ready(await stack.spawn("deliverer"))
    await _arrivals(receiver, 200)
    kept = set(_assigned(services["deliverer"]))
    stayed = [name for name in SUBSCRIBERS if partition_of(name.encode(), 4) in kept]
    moved = set(SUBSCRIBERS) - set(stayed)
    pause_s = max(_pauses(receiver, stayed, joined_s))
    await load.finish()
    repeats = await judge(stack, receiver, load, within_s=60)
    slow = {name: len(_seen_twice(receiver, f"{name}-slow")) for name in SUBSCRIBERS}

    note("pause of kept partitions", pause_s, "s")
    note("longest gap before", calm_s, "s")
    note("repeats of slow receivers", slow)
    assert stayed
    assert moved
    assert pause_s < DRAIN_S + REBALANCE_S + 2 * calm_s
    assert repeats == []
    assert all(slow[name] == 0 for name in stayed)
    assert all(slow[name] <= 1 for name in moved), "only what was in flight"


def _pauses(receiver: Receiver, paths: Iterable[str], since_s: float) -> list[float]:
    """Give the longest gap between arrivals at each path since a moment."""
    found = []
    for path in paths:
        times = [one.arrived_s for one in receiver.at(path) if one.arrived_s >= since_s]
        found.append(max((b - a for a, b in pairwise(times)), default=0.0))
    return found


def _assigned(service: Service) -> list[int]:
    """Read from its log what a member was given last."""
    lines = [line for line in service.log.read_text().splitlines() if "ownership.assigned" in line]
    found = re.search(r'"partitions":\s*\[([\d, ]*)\]', lines[-1])
    assert found is not None
    return [int(number) for number in found[1].split(",") if number.strip()]


def _seen_twice(receiver: Receiver, path: str) -> set[str]:
    ids = [one.webhook_id for one in receiver.at(path)]
    return {one for one in ids if ids.count(one) > 1}


@pytest.mark.parametrize("name", ["deliverer", "fanout"])
async def test_a_frozen_owner_stops_by_itself(
    stack: Stack, receiver: Receiver, note: Note, name: str
) -> None:
    """SIGSTOP longer than the session, another takes over, SIGCONT: it repeats what it must."""
    services = {service.name: service for service in await stack.start()}
    load = await _loaded(stack, receiver)

    frozen_s = now_s()
    services[name].signal(signal.SIGSTOP)
    successor = await stack.spawn(name)
    await stack.ready(successor)
    await _arrivals(receiver, 50)
    while now_s() < frozen_s + SESSION_S + 2:
        await pass_time(1)
    thawed_s = now_s()
    services[name].signal(signal.SIGCONT)
    await pass_time(THAW_S)
    await _arrivals(receiver, 50)
    await load.finish()
    repeats = await judge(stack, receiver, load, within_s=60)

    needless = [
        (first_s, again_s)
        for first_s, again_s in repeats
        if not frozen_s - TICK_S_MAX <= first_s <= frozen_s + TICK_S_MAX
        and not thawed_s <= again_s <= thawed_s + THAW_S
    ]
    note("repeats", len(repeats))
    assert needless == []
    assert len(repeats) <= (OUTPUTS_MAX if name == "deliverer" else 0)
    assert services[name].process.returncode is None
    await stack.ready(services[name], successor)
    assert sorted(_assigned(services[name]) + _assigned(successor)) == [0, 1, 2, 3]


async def test_a_kill_moves_everything_within_the_session(
    stack: Stack, receiver: Receiver, note: Note
) -> None:
    """Kill -9 of the only deliverer, its successor waiting: how long nothing is delivered."""
    services = {service.name: service for service in await stack.start()}
    load = await _loaded(stack, receiver)
    await stack.spawn("deliverer")
    await stack.ready(stack.running[-1])
    await _arrivals(receiver, 50)

    killed_s = now_s()
    services["deliverer"].signal(signal.SIGKILL)
    await asyncio.wait_for(services["deliverer"].process.wait(), 10)
    await pass_time(SESSION_S)
    await _arrivals(receiver, 100)
    pause_s = max(_pauses(receiver, SUBSCRIBERS, killed_s - 1))
    await load.finish()
    repeats = await judge(stack, receiver, load, within_s=60)

    note("pause of the dead one's partitions", pause_s, "s")
    note("repeats", len(repeats))
    assert pause_s < 2 * SESSION_S
    assert all(first_s >= killed_s - TICK_S_MAX for first_s, _ in repeats)
    assert len(repeats) <= OUTPUTS_MAX * len(SUBSCRIBERS)
