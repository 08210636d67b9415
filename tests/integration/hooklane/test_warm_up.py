"""The first claim of a transactional id, on a real Kafka."""

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import ProducerFenced

from chassis import kafka as clients
from chassis.settings import KafkaSettings
from hooklane.dev.warm_up import open_transactions
from hooklane.topics_command import apply, read_settings
from tests.conftest import Broker

pytestmark = pytest.mark.kafka


async def test_transactions_are_open_when_it_returns(kafka: Broker, prefix: str) -> None:
    """The coordinator has answered: whoever held the id before is fenced."""
    settings = read_settings(
        {
            "HOOKLANE_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "HOOKLANE_TOPICS__PREFIX": prefix,
            "HOOKLANE_TOPICS__PARTITIONS": "1",
            "HOOKLANE_TOPICS__REPLICATION_FACTOR": "1",
        }
    )
    await apply(settings)
    before = await _claimed(settings.kafka, f"{prefix}-registry-dev")

    await open_transactions(settings.kafka, prefix)

    try:
        await before.begin_transaction()
        with pytest.raises(ProducerFenced):
            await before.send_and_wait(f"{prefix}.events", b"x", partition=0)
    finally:
        await clients.retire(before)


async def _claimed(settings: KafkaSettings, name: str) -> AIOKafkaProducer:
    producer = clients.producer(settings, client_id="test", transactional_id=name)
    await clients.start(producer)
    return producer
