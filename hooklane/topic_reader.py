"""What commands need that read a topic: one line for what Kafka did not do, and its layout.

How many partitions there are is asked, never taken from a setting: a person who reads has set the
address of Kafka and nothing else, and a count too small would hide records.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer

from chassis import kafka
from chassis.kafka import KafkaUnavailable
from chassis.settings import KafkaSettings
from hooklane.exits import NETWORK, NOT_FOUND, CommandFailed


@asynccontextmanager
async def telling(settings: KafkaSettings) -> AsyncIterator[None]:
    """Make CommandFailed of what Kafka does not do in here."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # our one line says it
    servers = ",".join(settings.bootstrap_servers)
    try:
        yield
    except TimeoutError as error:
        raise CommandFailed(NETWORK, f"Kafka at {servers} gave no records in time") from error
    except KafkaUnavailable as error:
        raise CommandFailed(NETWORK, f"no Kafka at {servers}") from error
    except Exception as error:
        if not kafka.is_fault(error):
            raise
        text = f"Kafka at {servers} did not answer: {type(error).__name__}"
        raise CommandFailed(NETWORK, text) from error


@asynccontextmanager
async def reader(settings: KafkaSettings, *, client_id: str) -> AsyncIterator[AIOKafkaConsumer]:
    """Give an unstarted consumer, retired at the end; a fault of Kafka becomes CommandFailed."""
    client = kafka.consumer(settings, client_id=client_id)
    try:
        async with telling(settings):
            yield client
    finally:
        await kafka.retire(client, timeout_s=2)


async def count_partitions(settings: KafkaSettings, topic: str, *, client_id: str) -> int:
    """Ask Kafka how many partitions a topic has; CommandFailed when there is no such topic."""
    admin = kafka.admin(settings, client_id=client_id)
    try:
        async with telling(settings):
            await kafka.start(admin)
            if topic not in await admin.list_topics():
                raise CommandFailed(NOT_FOUND, f"there is no topic {topic}")
            (described,) = await admin.describe_topics([topic])
            return len(described["partitions"])
    finally:
        await kafka.retire(admin, timeout_s=2)
