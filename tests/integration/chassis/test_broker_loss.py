"""What happens when the only broker dies and comes back, under both event loops.

uvloop raises RuntimeError where aiokafka expects OSError; without the guarded connections its
sender, fetcher or coordinator dies of it.
"""

import asyncio
from collections.abc import Callable, Coroutine

import pytest
import structlog
import uvloop
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest

from chassis import kafka
from chassis.kafka import KafkaUnavailable, Record
from chassis.kafka_seam import GuardedConnection, client_of
from chassis.table import Table
from chassis.tick import ProducerLost, TickProducer
from hooklane.embedded_kafka import EmbeddedKafka
from tests.integration.chassis.conftest import (
    claim,
    create_topic,
    read_all,
    settings_for,
    tick_producer,
    until,
)
from tests.integration.chassis.copying import copier

pytestmark = pytest.mark.kafka

Run = Callable[[Coroutine[object, object, None]], None]
RUNS = pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])


@RUNS
def test_a_write_to_a_closed_transport_is_a_connection_error(
    run: Run, own_kafka: Callable[..., EmbeddedKafka]
) -> None:
    """The guarded connection says so as aiokafka expects it, and is closed afterwards."""
    node = own_kafka()

    async def scenario() -> None:
        client = kafka.admin(settings_for(node.bootstrap_servers), client_id="test")
        await kafka.start(client)
        connection = await client_of(client)._get_conn(1)
        assert isinstance(connection, GuardedConnection)
        connection._writer.transport.abort()
        await asyncio.sleep(0)
        with pytest.raises(KafkaConnectionError):
            await connection.send(MetadataRequest([]))  # type: ignore[misc]  # aiokafka's future
        await kafka.retire(client)

    run(scenario())


@RUNS
def test_everything_recovers_from_a_killed_broker(
    run: Run, own_kafka: Callable[..., EmbeddedKafka], prefix: str
) -> None:
    """Ticks, group, table and plain producer go on after a kill -9: nothing lost or repeated."""
    node = own_kafka()

    async def scenario() -> None:
        settings = settings_for(node.bootstrap_servers)
        source = await create_topic(settings, f"{prefix}.source", 2)
        target = await create_topic(settings, f"{prefix}.target", 2)
        stop = asyncio.Event()
        ownership = copier(settings, prefix, source, target)
        running = asyncio.create_task(ownership.run(stop))
        table = Table(
            settings,
            topic=source,
            decode=lambda _, value: value,
            client_id="test",
            log=structlog.get_logger(),
        )
        await table.own([0, 1])
        await table.start()
        plain = kafka.producer(settings, client_id="test")
        await kafka.start(plain)
        ticks = tick_producer(settings, f"{prefix}-source")
        await ticks.claim()
        expected = [[b"%d" % n for n in range(20)] for _ in (0, 1)]

        await append(ticks, source, 0)
        await until(lambda: table.get(0, b"k") == b"9")
        await asyncio.to_thread(node.kill)
        with pytest.raises(ProducerLost):
            await append(ticks, source, 10)
        with pytest.raises(KafkaUnavailable):
            await table.end_offset(0)
        await asyncio.to_thread(node.start)
        await claim(ticks)
        await append(ticks, source, 10)
        async with asyncio.timeout(30):
            await kafka.produce(plain, [Record(source, 0, b"p", b"20")])
        expected[0].append(b"20")

        await until(lambda: table.get(1, b"k") == b"19" and table.get(0, b"p") == b"20")
        assert await read_all(settings, source, 0) == expected[0]
        async with asyncio.timeout(60):
            for partition in (0, 1):
                while len(await read_all(settings, target, partition)) < len(expected[partition]):
                    pass
        for partition in (0, 1):
            assert await read_all(settings, target, partition) == expected[partition]
        stop.set()
        await running
        await table.stop()
        await ticks.retire()
        await kafka.retire(plain)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(scenario())


async def append(ticks: TickProducer, topic: str, first: int) -> None:
    """Commit ten numbers to both partitions."""
    await ticks.commit(
        [Record(topic, p, b"k", b"%d" % n) for n in range(first, first + 10) for p in (0, 1)]
    )
