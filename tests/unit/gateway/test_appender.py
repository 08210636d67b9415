"""The adapter of one producer; its work against Kafka is in tests/integration/test_gateway.py."""

import pytest

from chassis.kafka import KafkaUnavailable
from chassis.settings import KafkaSettings
from gateway.appender import KafkaAppender

NOBODY = KafkaSettings(bootstrap_servers=("127.0.0.1:1",))


async def test_no_broker_is_a_fault_of_the_port() -> None:
    """The publisher knows one exception only, and the start is bounded."""
    appender = KafkaAppender(NOBODY, client_id="t", start_timeout_s=0.5)

    with pytest.raises(KafkaUnavailable):
        await appender.start()

    await appender.retire()
