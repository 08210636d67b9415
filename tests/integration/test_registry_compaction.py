"""The registry after compaction has taken old versions and deleted records away."""

import asyncio
from collections.abc import Callable

import msgspec
import pytest

from hooklane.embedded_kafka import EmbeddedKafka
from schemas.topics import plan, topic_name
from tests.e2e.stack import eventually
from tests.integration.gateway_world import PARTITIONS, World, asked
from tests.integration.test_registry_processes import SUBSCRIPTIONS, URL
from tests.integration.topics import create_topics

pytestmark = pytest.mark.kafka

WAIT_S = 60.0
RECORDS_MAX = 12
"""Far fewer than were written; the newest segment of each partition is never compacted."""
AT_ONCE = {
    "segment.ms": "100",
    "min.cleanable.dirty.ratio": "0.001",
    "max.compaction.lag.ms": "100",
    "delete.retention.ms": "100",
}


async def test_a_compacted_registry_says_the_same(
    own_kafka: Callable[..., EmbeddedKafka], prefix: str
) -> None:
    """A gateway that starts afterwards knows all that lives, and its writes go on."""
    node = await asyncio.to_thread(own_kafka, extra={"log.cleaner.backoff.ms": "100"})
    world = World(node.bootstrap_servers, prefix)
    await _create_topics(world)
    async with world.gateway() as client:
        _, kept = await asked(client, "POST", SUBSCRIPTIONS, {"url": URL})
        _, gone = await asked(client, "POST", SUBSCRIPTIONS, {"url": URL})
        path = f"{SUBSCRIPTIONS}/{kept['id']}"
        for number in range(20):
            await asked(client, "PATCH", path, {"metadata": {"n": str(number)}})
        await asked(client, "DELETE", f"{SUBSCRIPTIONS}/{gone['id']}")

        async def is_compacted() -> bool:
            await asked(client, "PATCH", path, {"description": "still here"})
            return len(await world.read("registry")) <= RECORDS_MAX

        await eventually(is_compacted, within_s=WAIT_S, what="compaction", every_s=0.5)
        _, before = await asked(client, "GET", path)

    async with world.gateway() as client:
        _, after = await asked(client, "GET", path)
        status, _ = await asked(client, "GET", f"{SUBSCRIPTIONS}/{gone['id']}")
        patched, _ = await asked(client, "PATCH", path, {"metadata": {"n": "last"}})

    assert after == before
    assert (status, patched) == (404, 200)


async def _create_topics(world: World) -> None:
    """Create what the product needs, with a registry that is compacted at once."""
    registry = topic_name(world.prefix, "registry")
    wanted = [
        msgspec.structs.replace(one, config=one.config | AT_ONCE) if one.name == registry else one
        for one in plan(world.prefix, PARTITIONS, 1)
    ]
    await create_topics(world.kafka, wanted)
