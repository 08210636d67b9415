"""Create topics and wait until the broker that answers clients has heard of them."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from aiokafka.admin import AIOKafkaAdminClient

from chassis import kafka
from chassis.kafka import KafkaUnavailable
from chassis.settings import KafkaSettings
from chassis.topics import Difference, TopicPlanLike, create_missing, inspect

SETTLE_S, POLL_S = 30, 0.05


@dataclass(frozen=True)
class Plan:
    """A topic as it should be."""

    name: str
    partitions: int = 1
    replication_factor: int = 1
    config: dict[str, str] = field(default_factory=dict)


async def create_topics(settings: KafkaSettings, plans: Iterable[TopicPlanLike]) -> None:
    """Create what is missing; return when everybody who asks is told of it."""
    wanted = list(plans)
    client = kafka.admin(settings, client_id="test")
    await kafka.start(client)
    try:
        await create_missing(client, wanted)
        await settled(client, wanted)
    finally:
        await kafka.retire(client)


async def settled(client: AIOKafkaAdminClient, plans: Iterable[TopicPlanLike]) -> list[Difference]:
    """Inspect until no topic is missing: the controller creates, the broker hears of it later."""
    wanted = list(plans)
    async with asyncio.timeout(SETTLE_S):
        while True:
            try:
                differences = await inspect(client, wanted)
                if not any(one.what == "missing" for one in differences):
                    return differences
            except KafkaUnavailable:  # half of it is known
                pass
            await asyncio.sleep(POLL_S)
