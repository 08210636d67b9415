"""Two of three brokers go one after the other and come back; `make fault` has the long version."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.receiver import Receiver
from tests.e2e.stack import Stack, eventually
from tests.fault.cluster import NODES, Cluster
from tests.fault.judge import judge, subscribe_all
from tests.fault.load import ANSWER_S_MAX, SUBSCRIBERS, Load, now_s, recovery

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]

SOON = {"broker.session.timeout.ms": "3000", "broker.heartbeat.interval.ms": "500"}
"""A dead leader is replaced after 3 s instead of 9."""
RECOVERY_S = 90.0
REFUSALS = 2 * len(SUBSCRIBERS)


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    """Start three nodes, the first of which alone is a controller."""
    made = Cluster(controllers=1, extra=SOON)
    try:
        await made.start(*made.nodes)
        yield made
    finally:
        await asyncio.to_thread(made.close)


async def test_brokers_die_one_after_the_other_and_come_back(
    cluster: Cluster, receiver: Receiver, prefix: str, tmp_path: Path
) -> None:
    """Two are enough; one takes nothing in and says so in time; afterwards nothing is missing."""
    servers = cluster.bootstrap_servers
    stack = Stack(servers, prefix, tmp_path, replication_factor=NODES)
    await stack.topics()
    try:
        await stack.start()
        await subscribe_all(stack, receiver)
        load = Load(stack)
        load.start()
        await receiver.until(lambda: len(receiver.received) >= 40, within_s=60)

        await asyncio.to_thread(cluster.nodes[2].kill)
        await recovery(load, receiver, since_s=now_s(), within_s=RECOVERY_S)

        await asyncio.to_thread(cluster.nodes[1].kill)
        gone_s = now_s()

        async def is_refusing() -> bool:
            return load.statuses(since_s=gone_s).total() >= REFUSALS

        await eventually(is_refusing, within_s=60, what="answers without enough replicas")
        refused = load.statuses(since_s=gone_s)

        await cluster.start(*cluster.nodes[1:])
        await recovery(load, receiver, since_s=now_s(), within_s=RECOVERY_S)
        await load.finish()
        await judge(stack, receiver, load, within_s=60)
    finally:
        await stack.stop()

    assert set(refused) == {503}
    assert load.slowest_s < ANSWER_S_MAX
