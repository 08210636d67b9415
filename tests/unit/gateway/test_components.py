"""The parts that wait for Kafka; with Kafka they are tried in tests/integration/test_gateway.py."""

import asyncio

import pytest

from chassis import logs
from chassis.clock import SystemClock
from chassis.settings import KafkaSettings
from chassis.table import Table
from chassis.table_writer import TableWriter
from gateway.components import Preconditions, RegistryReader
from gateway.kafka_registry import Row, decode_row

NOBODY = KafkaSettings(bootstrap_servers=("127.0.0.1:1",))


async def test_the_start_waits_for_brokers_and_can_be_cancelled() -> None:
    """A gateway that comes up before Kafka does not crash in circles."""
    preconditions = Preconditions(NOBODY, [], log=logs.get("test"))
    start = asyncio.create_task(preconditions.start())

    done, _ = await asyncio.wait({start}, timeout=0.05)
    start.cancel()

    assert done == set()
    with pytest.raises(asyncio.CancelledError):
        await start
    await preconditions.stop()


async def test_a_registry_that_cannot_be_read_is_not_started() -> None:
    """A copy that is not complete would answer 404 for what exists."""
    clock = SystemClock()
    table: Table[Row] = Table(
        NOBODY, topic="x.registry", decode=decode_row, client_id="t", log=logs.get("test")
    )
    writer = TableWriter(
        NOBODY, table, transactional_id=lambda p: f"x-{p}", client_id="t", clock=clock
    )
    reader = RegistryReader(table, writer, partitions=2)
    start = asyncio.create_task(reader.start())

    done, _ = await asyncio.wait({start}, timeout=0.05)
    start.cancel()
    await asyncio.wait({start})
    await reader.drain(0.1)
    await reader.stop()
    await reader.stop()

    assert done == set()
