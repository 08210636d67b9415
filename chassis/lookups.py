"""Ask Kafka something once, with a client that lives as long as the question.

Not for polling: whoever reads on keeps a client of its own.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from chassis.kafka import KafkaUnavailable, retire, start
from chassis.kafka_seam import AnyClient

CLOSE_S_MAX = 2.0

C = TypeVar("C", bound=AnyClient)


@asynccontextmanager
async def opened(client: C, *, what: str, timeout_s: float) -> AsyncIterator[C]:
    """Start a client, lend it, retire it; all within `timeout_s`.

    Raises KafkaUnavailable naming `what` was asked when the brokers do not answer.
    """
    try:
        async with asyncio.timeout(timeout_s):
            await start(client)
            yield client
    except (KafkaUnavailable, KafkaError, OSError, RuntimeError, TimeoutError) as fault:
        # RuntimeError: what uvloop raises where aiokafka expects an OSError.
        raise KafkaUnavailable(f"{what} not read: {fault!r}") from fault
    finally:
        await retire(client, timeout_s=CLOSE_S_MAX)


async def group_offset(
    admin: AIOKafkaAdminClient, group: str, place: TopicPartition, *, timeout_s: float
) -> int | None:
    """Return the committed offset of a group, None when there is none."""
    async with opened(admin, what=f"offset of {group}", timeout_s=timeout_s) as client:
        found = await client.list_consumer_group_offsets(group, partitions=[place])
    offset = -1 if place not in found else int(found[place].offset)
    return None if offset < 0 else offset
