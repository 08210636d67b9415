"""A batch in the log whose bytes have changed on the disk (B339)."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from chassis import kafka
from chassis.kafka import Record
from chassis.table import Table
from hooklane.embedded_kafka import EmbeddedKafka
from tests.integration.chassis.conftest import create_topic, settings_for, until

pytestmark = pytest.mark.kafka

BEFORE, DAMAGED, AFTER = b"1-before", b"2-q7Kz0Xw4", b"3-after"


def damage(folder: Path, topic: str) -> None:
    """Change one byte of the value in the first segment of a topic."""
    (segment,) = folder.rglob(f"{topic}-0/*.log")
    raw = segment.read_bytes()
    at = raw.index(DAMAGED)
    segment.write_bytes(raw[:at] + b"9" + raw[at + 1 :])


async def test_a_damaged_batch_is_never_skipped(
    own_kafka: Callable[..., EmbeddedKafka], prefix: str
) -> None:
    """Its reader stands still and tries again; what follows is not taken for the next."""
    node = await asyncio.to_thread(own_kafka)
    settings = settings_for(node.bootstrap_servers)
    topic = await create_topic(settings, f"{prefix}.in")
    producer = kafka.producer(settings, client_id="test")
    await kafka.start(producer)
    for value in (BEFORE, DAMAGED, AFTER):
        await kafka.produce(producer, [Record(topic, 0, value[:1], value, [])])
    await kafka.retire(producer)
    await asyncio.to_thread(node.stop)
    damage(node.folder, topic)
    await asyncio.to_thread(node.start)

    table: Table[bytes] = Table(
        settings,
        topic=topic,
        decode=lambda _, value: value,
        client_id="test",
        log=structlog.get_logger(),
    )
    with capture_logs() as said:
        await table.own([0])
        await table.start()
        await until(lambda: [line["event"] for line in said].count("table.reader_lost") >= 2)

    found = {key for key, _ in table.items(0)}, table.position(0), table.is_caught_up
    await table.stop()
    # What lay before it in the same fetch may have been read or not.
    assert found in [(set(), 0, False), ({b"1"}, 1, False)]
