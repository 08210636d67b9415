"""Three brokers with three replicas: leaders die, nodes restart in turn, replicas are missing."""

import asyncio
from pathlib import Path

import pytest

from deliverer.policy.pacing import OUTPUTS_MAX
from tests.e2e.receiver import Receiver
from tests.e2e.stack import Stack
from tests.fault.cluster import Cluster
from tests.fault.conftest import replicated
from tests.fault.figures import Note
from tests.fault.judge import judge, subscribe_all
from tests.fault.load import ANSWER_S_MAX, Load, now_s, pass_time, recovery
from tests.fault.memory import Flatness
from tests.fault.test_broker import GROWTH_MIB_MAX, RECOVERY_S

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

IN_SYNC_S = 120.0


class Trial:
    """One stack on a cluster, under load from its start to the verdict."""

    def __init__(self, cluster: Cluster, stack: Stack, receiver: Receiver, note: Note) -> None:
        self.stack = stack
        self.load = Load(stack)
        self._cluster = cluster
        self._receiver = receiver
        self._note = note
        self._flatness = Flatness({})

    async def begin(self) -> None:
        """Start the services, and publish until deliveries flow."""
        await self.stack.topics()
        await self.stack.start()
        await subscribe_all(self.stack, self._receiver)
        self.load.start()
        await self.arrivals(100)
        self._flatness = Flatness({one.name: one.process.pid for one in self.stack.running})

    async def arrivals(self, count: int) -> None:
        """Wait for so many more deliveries."""
        before = len(self._receiver.received)
        await self._receiver.until(
            lambda: len(self._receiver.received) >= before + count, within_s=2 * RECOVERY_S
        )

    async def recovered(self, *, since_s: float) -> None:
        """Wait until new events are accepted and delivered, and demand that it was soon."""
        seen = await recovery(self.load, self._receiver, since_s=since_s, within_s=2 * RECOVERY_S)
        self._note("first 202 after", seen.accepted_s, "s")
        self._note("first deliveries after", seen.arrived_s, "s")
        assert seen.arrived_s < RECOVERY_S

    async def verdict(self) -> None:
        """Demand all that is promised; leave the cluster whole."""
        growth = self._flatness.growth_mib()
        await self.load.finish()
        repeats = await judge(self.stack, self._receiver, self.load, within_s=60)
        await self._cluster.in_sync(self.stack.prefix, within_s=IN_SYNC_S)
        self._note("answers", dict(self.load.statuses()))
        self._note("slowest answer", self.load.slowest_s, "s")
        self._note("growth", growth, "MiB")
        self._note("events", self.load.count)
        self._note("repeats", len(repeats))
        assert self.load.slowest_s < ANSWER_S_MAX
        assert max(growth.values()) < GROWTH_MIB_MAX
        assert len(repeats) <= (OUTPUTS_MAX if self._was_kicked() else 0)

    def _was_kicked(self) -> bool:
        (log,) = (s.log.read_text() for s in self.stack.running if s.name == "deliverer")
        return log.count("ownership.assigned") > 1


async def _trial(
    cluster: Cluster, receiver: Receiver, *, prefix: str, folder: Path, note: Note
) -> Trial:
    trial = Trial(cluster, replicated(cluster, prefix, folder), receiver, note)
    await trial.begin()
    return trial


async def test_a_killed_leader_is_replaced(
    cluster: Cluster, receiver: Receiver, prefix: str, tmp_path: Path, note: Note
) -> None:
    """Kill -9 of a leader under load: another one takes over, everything goes on without it."""
    trial = await _trial(cluster, receiver, prefix=prefix, folder=tmp_path, note=note)
    leader = await cluster.leader_of(f"{prefix}.deliveries", 0)

    killed_s = now_s()
    await asyncio.to_thread(leader.kill)
    await trial.recovered(since_s=killed_s)
    await trial.arrivals(100)
    await cluster.start(leader)
    await trial.arrivals(100)
    await trial.verdict()
    await trial.stack.stop()


async def test_nodes_restart_in_turn(
    cluster: Cluster, receiver: Receiver, prefix: str, tmp_path: Path, note: Note
) -> None:
    """A rolling restart, each node after the one before is in sync: nobody loses anything."""
    trial = await _trial(cluster, receiver, prefix=prefix, folder=tmp_path, note=note)

    for node in cluster.nodes:
        await asyncio.to_thread(node.restart)
        await cluster.in_sync(prefix, within_s=IN_SYNC_S)
        await trial.arrivals(20)
    await trial.verdict()
    await trial.stack.stop()


async def test_all_nodes_die_at_once(
    cluster: Cluster, receiver: Receiver, prefix: str, tmp_path: Path, note: Note
) -> None:
    """Kill -9 of all three, then all come back: what got a 202 is there."""
    trial = await _trial(cluster, receiver, prefix=prefix, folder=tmp_path, note=note)

    await asyncio.gather(*(asyncio.to_thread(node.kill) for node in cluster.nodes))
    await pass_time(5)
    await cluster.start(*cluster.nodes)
    await trial.recovered(since_s=now_s())
    await trial.verdict()
    await trial.stack.stop()


async def test_two_of_three_gone_takes_nothing_in(
    lean_cluster: Cluster, receiver: Receiver, prefix: str, tmp_path: Path, note: Note
) -> None:
    """Below the minimum of replicas every answer is a 503 in time; both back, all goes on."""
    cluster = lean_cluster
    trial = await _trial(cluster, receiver, prefix=prefix, folder=tmp_path, note=note)
    lost = cluster.nodes[1:]

    await asyncio.gather(*(asyncio.to_thread(node.kill) for node in lost))
    gone_s = now_s()
    await pass_time(40)
    statuses = trial.load.statuses(since_s=gone_s)
    await cluster.start(*lost)
    await trial.recovered(since_s=now_s())
    await trial.verdict()
    await trial.stack.stop()

    note("answers without replicas", dict(statuses))
    assert statuses[503] > 0
    assert statuses[202] == 0
