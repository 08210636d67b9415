"""Reading a topic from a moment on, on a real Kafka."""

import pytest
from aiokafka import ConsumerRecord

from chassis import kafka as clients
from chassis.kafka import Record
from chassis.settings import KafkaSettings
from hooklane.exits import NOT_FOUND, CommandFailed
from hooklane.topic_scan import Scan, scan
from tests.conftest import Broker
from tests.integration.topics import Plan, create_topics

pytestmark = pytest.mark.kafka


def _even(record: ConsumerRecord) -> bytes | None:
    number: bytes = record.value
    return number if int(number) % 2 == 0 else None


async def test_what_is_wanted_is_kept_within_the_bound(kafka: Broker, prefix: str) -> None:
    """The newest or the oldest of each partition, or nothing from the future."""
    settings = KafkaSettings.model_validate({"bootstrap_servers": kafka.bootstrap_servers})
    topic = f"{prefix}.x"
    await create_topics(settings, [Plan(topic, partitions=2)])
    producer = clients.producer(settings, client_id="test")
    await clients.start(producer)
    await clients.produce(
        producer, [Record(topic, int(n % 3 == 0), b"k", str(n).encode()) for n in range(20)]
    )
    await clients.retire(producer)

    newest = await scan(settings, Scan(topic, _even, 2))
    oldest = await scan(settings, Scan(topic, _even, 2, is_newest=False))
    future = await scan(settings, Scan(topic, _even, 2, since_ms=1 << 45))

    assert newest == [b"14", b"16", b"12", b"18"]
    assert oldest == [b"2", b"4", b"0", b"6"]
    assert future == []
    with pytest.raises(CommandFailed, match=f"no topic {topic}y") as missing:
        await scan(settings, Scan(f"{topic}y", _even, 2))
    assert missing.value.code == NOT_FOUND
