"""What one event may cost in memory; `make fault` has the million records and the floods."""

import os
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.conftest import Broker
from tests.e2e.stack import Stack, eventually
from tests.fault.backlog import Backlog, Subscription
from tests.fault.memory import MIB, forget_peak, peak_rss_bytes, rss_bytes

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(360)]

CROWD = 500
DATA_BYTES = 260_000
GROWTH_MIB_MAX = 64
"""Half of what the deliveries of the one event hold: 130 MB."""


async def test_a_large_event_for_a_crowd_is_never_held_whole(
    kafka: Broker, prefix: str, tmp_path: Path
) -> None:
    """256 KiB five hundred times over is one transaction, and not in fan-out's memory at once."""
    stack = Stack(kafka.bootstrap_servers, prefix, tmp_path)
    await stack.topics()
    nowhere = "http://127.0.0.1:9/"  # no deliverer runs
    crowd = [Subscription("crowd", f"sub_{n:022d}", nowhere) for n in range(CROWD)]
    await Backlog(stack).subscribe(crowd)
    try:
        _, fanout = await stack.start("gateway", "fanout")
        before = rss_bytes(fanout.process.pid)
        forget_peak(fanout.process.pid)

        await stack.publish("crowd", os.urandom(DATA_BYTES // 2).hex())
        await eventually(lambda: _is_fanned_out(stack), within_s=240, what="all deliveries")

        growth = (peak_rss_bytes(fanout.process.pid) - before) / MIB
    finally:
        await stack.stop()
    assert growth < GROWTH_MIB_MAX


async def _is_fanned_out(stack: Stack) -> bool:
    """Ask how long the committed log is: to read it would take longer than to write it."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=stack.bootstrap_servers, isolation_level="read_committed"
    )
    await consumer.start()
    try:
        places = [TopicPartition(f"{stack.prefix}.deliveries", n) for n in range(stack.partitions)]
        return bool(sum((await consumer.end_offsets(places)).values()) >= CROWD)
    finally:
        await consumer.stop()
