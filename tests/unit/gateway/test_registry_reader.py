"""The copy of the registry; with Kafka it is tried in tests/integration/test_gateway.py."""

import asyncio

from chassis import logs
from chassis.clock import SystemClock
from chassis.settings import KafkaSettings
from chassis.table import Table
from chassis.table_writer import TableWriter
from gateway.registry_reader import RegistryReader
from gateway.registry_rows import Row, decode_row

NOBODY = KafkaSettings(bootstrap_servers=("127.0.0.1:1",))


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
