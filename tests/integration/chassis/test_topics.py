"""The plan against a real Kafka: aiokafka's answers are what the fake of the unit tests says."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from chassis import kafka as clients
from chassis.settings import KafkaSettings
from chassis.topics import TopicRefused, TopicsWrong, create_missing, inspect, verify
from tests.integration.topics import Plan, settled

pytestmark = pytest.mark.kafka


@pytest.fixture
def plans(prefix: str) -> list[Plan]:
    """Give two topics of the kinds we use."""
    broker_time = {"message.timestamp.type": "LogAppendTime"}
    safe = {"min.insync.replicas": "1", "unclean.leader.election.enable": "false"}
    kept = {"cleanup.policy": "delete", "retention.ms": "604800000", "max.message.bytes": "1048576"}
    compact = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.05"}
    return [
        Plan(f"{prefix}.events", 2, config=broker_time | safe | kept),
        Plan(f"{prefix}.lanes", 2, config=safe | compact),
    ]


@pytest.fixture
async def admin(kafka: object) -> AsyncIterator[AIOKafkaAdminClient]:
    """Give a started admin client."""
    servers = kafka.bootstrap_servers  # type: ignore[attr-defined]
    settings = KafkaSettings.model_validate({"bootstrap_servers": servers})
    client = clients.admin(settings, client_id="test")
    await client.start()
    yield client
    await client.close()


async def test_what_is_created_is_as_planned(admin: AIOKafkaAdminClient, plans: list[Plan]) -> None:
    """Inspecting first creates nothing; applying twice is the same as once."""
    before = [difference.what for difference in await inspect(admin, plans)]
    created = await create_missing(admin, plans)
    again = await create_missing(admin, plans)

    assert before == ["missing", "missing"]
    assert created == [plan.name for plan in plans]
    assert again == []
    assert await settled(admin, plans) == []
    await verify(admin, plans)


async def test_each_kind_of_difference_is_seen(
    admin: AIOKafkaAdminClient, plans: list[Plan]
) -> None:
    """Partitions, replicas and settings come back from a real broker in the expected spelling."""
    await create_missing(admin, plans)
    events = plans[0]
    wanted = replace(
        events,
        partitions=3,
        replication_factor=3,
        config=events.config | {"retention.ms": "604800001", "cleanup.policy": "compact"},
    )
    await settled(admin, plans)

    differences = await inspect(admin, [wanted])

    assert [(d.what, d.setting, d.found, d.wanted) for d in differences] == [
        ("partitions", None, "2", "3"),
        ("replication", None, "1", "3"),
        ("config", "cleanup.policy", "delete", "compact"),
        ("config", "retention.ms", "604800000", "604800001"),
    ]
    with pytest.raises(TopicsWrong, match="HOOKLANE_TOPICS__PARTITIONS"):
        await verify(admin, [wanted])


async def test_the_brokers_reason_is_passed_on(admin: AIOKafkaAdminClient, prefix: str) -> None:
    """More replicas than brokers: the usual first mistake of a developer."""
    with pytest.raises(TopicRefused, match=f"topic {prefix}.x was not created: .*[Rr]eplication"):
        await create_missing(admin, [Plan(f"{prefix}.x", replication_factor=3)])
