"""Say in one line what Kafka did not do, for commands that read a topic."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer

from chassis import kafka
from chassis.kafka import KafkaUnavailable
from chassis.settings import KafkaSettings
from hooklane.exits import NETWORK, CommandFailed


@asynccontextmanager
async def reader(settings: KafkaSettings, *, client_id: str) -> AsyncIterator[AIOKafkaConsumer]:
    """Give an unstarted consumer, retired at the end; a fault of Kafka becomes CommandFailed."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # our one line says it
    servers = ",".join(settings.bootstrap_servers)
    client = kafka.consumer(settings, client_id=client_id)
    try:
        yield client
    except TimeoutError as error:
        raise CommandFailed(NETWORK, f"Kafka at {servers} gave no records in time") from error
    except KafkaUnavailable as error:
        raise CommandFailed(NETWORK, f"no Kafka at {servers}") from error
    except Exception as error:
        if not kafka.is_fault(error):
            raise
        text = f"Kafka at {servers} did not answer: {type(error).__name__}"
        raise CommandFailed(NETWORK, text) from error
    finally:
        await kafka.retire(client, timeout_s=2)
