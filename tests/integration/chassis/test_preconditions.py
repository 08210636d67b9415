"""The gate before every service, against a real Kafka."""

import asyncio

import pytest
import structlog
from prometheus_client import CollectorRegistry
from structlog.testing import CapturingLogger

from chassis import logs
from chassis.clock import SystemClock
from chassis.lifecycle import Component
from chassis.preconditions import Preconditions
from chassis.settings import KafkaSettings
from chassis.topics import TopicsWrong
from tests.contract.lifecycle import LifecycleContract
from tests.integration.topics import Plan, create_topics

pytestmark = pytest.mark.kafka


@pytest.fixture
def settings(kafka: object) -> KafkaSettings:
    """Give the address of the broker of this run."""
    servers = kafka.bootstrap_servers  # type: ignore[attr-defined]
    return KafkaSettings.model_validate({"bootstrap_servers": servers})


def _gate(
    settings: KafkaSettings, *plans: Plan, instruments: CollectorRegistry | None = None
) -> Preconditions:
    return Preconditions(
        settings,
        plans,
        client_id="test",
        log=logs.get("test"),
        clock=SystemClock(),
        instruments=instruments or CollectorRegistry(),
    )


class Lines(CapturingLogger):
    """Keep what is said, and tell when something was."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self.heard = asyncio.Event()

    def warning(self, **fields: object) -> None:
        """Keep a warning."""
        self.said.append(f"{fields['event']} {fields['problem']}")
        self.heard.set()

    def info(self, **fields: object) -> None:
        """Keep an information."""
        self.said.append(str(fields["event"]))


async def test_missing_topics_are_waited_for(settings: KafkaSettings, prefix: str) -> None:
    """One line says what to run, readiness says it too; it goes on as soon as they are there."""
    plan, instruments, lines = Plan(f"{prefix}.events"), CollectorRegistry(), Lines()
    gate = _gate(settings, plan, instruments=instruments)
    gate._log = structlog.wrap_logger(
        lines, processors=[], wrapper_class=structlog.make_filtering_bound_logger(0)
    )

    starting = asyncio.create_task(gate.start())
    async with asyncio.timeout(30):
        await lines.heard.wait()
        waiting = instruments.get_sample_value("hooklane_start_waiting", {"on": "topics"})
        (reason,) = [check() for check in gate.checks().values()]
        await create_topics(settings, [plan])
        await starting
    (opened,) = [check() for check in gate.checks().values()]

    text = (
        f"{plan.name} is missing; run `hooklane topics apply`, or permit this user to describe them"
    )
    assert lines.said == [f"kafka.topics_missing {text}", "kafka.topics_found"]
    assert (waiting, reason, opened) == (1, text, True)
    assert instruments.get_sample_value("hooklane_start_waiting", {"on": "topics"}) == 0


async def test_wrong_topics_are_refused(settings: KafkaSettings, prefix: str) -> None:
    """Waiting does not mend a wrong partition count."""
    await create_topics(settings, [Plan(f"{prefix}.events", partitions=2)])

    with pytest.raises(TopicsWrong, match=f"{prefix}.events has partitions 2 instead of 1"):
        async with asyncio.timeout(30):
            await _gate(settings, Plan(f"{prefix}.events")).start()


async def test_topics_as_planned_let_it_start(settings: KafkaSettings, prefix: str) -> None:
    """The ordinary case ends by itself."""
    plan = Plan(f"{prefix}.events")
    await create_topics(settings, [plan])

    await _gate(settings, plan).start()


class TestPreconditionsLife(LifecycleContract):
    """The gate is a component like any other."""

    @pytest.fixture
    def component(self, settings: KafkaSettings) -> Component:
        """Give a gate that opens."""
        return _gate(settings)
