"""The gate before every service, against a real Kafka."""

from dataclasses import dataclass, field

import pytest

from chassis import kafka as clients
from chassis import logs
from chassis.lifecycle import Component
from chassis.preconditions import Preconditions
from chassis.settings import KafkaSettings
from chassis.topics import TopicsWrong, create_missing
from tests.contract.lifecycle import LifecycleContract

pytestmark = pytest.mark.kafka


@dataclass(frozen=True)
class Plan:
    """A topic as it should be."""

    name: str
    partitions: int = 1
    replication_factor: int = 1
    config: dict[str, str] = field(default_factory=dict)


@pytest.fixture
def settings(kafka: object) -> KafkaSettings:
    """Give the address of the broker of this run."""
    servers = kafka.bootstrap_servers  # type: ignore[attr-defined]
    return KafkaSettings.model_validate({"bootstrap_servers": servers})


def _gate(settings: KafkaSettings, *plans: Plan) -> Preconditions:
    return Preconditions(settings, plans, client_id="test", log=logs.get("test"))


async def test_missing_topics_keep_the_service_from_starting(
    settings: KafkaSettings, prefix: str
) -> None:
    """And the check itself does not create them."""
    plan = Plan(f"{prefix}.events")

    for _ in range(2):
        with pytest.raises(TopicsWrong, match=f"{prefix}.events is missing; run `hooklane topics"):
            await _gate(settings, plan).start()


async def test_topics_as_planned_let_it_start(settings: KafkaSettings, prefix: str) -> None:
    """The ordinary case ends by itself."""
    plan = Plan(f"{prefix}.events")
    client = clients.admin(settings, client_id="test")
    await clients.start(client)
    await create_missing(client, [plan])
    await clients.retire(client)

    await _gate(settings, plan).start()


class TestPreconditionsLife(LifecycleContract):
    """The gate is a component like any other."""

    @pytest.fixture
    def component(self, settings: KafkaSettings) -> Component:
        """Give a gate that opens."""
        return _gate(settings)

    @pytest.fixture
    def failing(self, settings: KafkaSettings, prefix: str) -> Component:
        """Give a gate that refuses."""
        return _gate(settings, Plan(f"{prefix}.absent"))
