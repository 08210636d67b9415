"""`hooklane topics plan|apply`: show what the cluster lacks, create it, change nothing else."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from chassis import kafka, topics
from chassis.kafka import KafkaUnavailable
from chassis.settings import KafkaSettings, SettingsError, TopicsSettings, load
from chassis.topics import Difference, TopicAdmin, TopicRefused
from hooklane.exits import FAILURE, INVALID, NETWORK, OK, CommandFailed
from hooklane.output import Form, render, report
from schemas.topics import TopicPlan, plan

CLIENT_ID = "hooklane-topics"
COLUMNS = ("topic", "what", "setting", "found", "wanted")
WAIT_TIMEOUT_S = 300.0
SETTLE_S = 15.0
POLL_S = 0.3


class TopicsCommandSettings(BaseModel):
    """The variables that these commands read."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    kafka: KafkaSettings
    topics: TopicsSettings = TopicsSettings()

    def plans(self) -> list[TopicPlan]:
        """Return the topics as they should be."""
        wanted = self.topics
        return plan(wanted.prefix, wanted.partitions, wanted.replication_factor)


@dataclass(frozen=True, slots=True)
class Applied:
    """What was created, and what still differs."""

    created: Sequence[str]
    differences: Sequence[Difference]


def run_plan(variables: Mapping[str, str], form: Form) -> int:
    """Show the differences."""
    differences = asyncio.run(inspect(read_settings(variables)))
    _show(differences, form)
    return FAILURE if any(one.is_fatal and one.what != "missing" for one in differences) else OK


def run_apply(variables: Mapping[str, str], form: Form, *, is_waiting: bool) -> int:
    """Create the missing topics and show what still differs."""
    settings = read_settings(variables)
    applied = asyncio.run(apply_waiting(settings, report) if is_waiting else apply(settings))
    for name in applied.created:
        report(f"created {name}")
    _show(applied.differences, form)
    return FAILURE if any(one.is_fatal for one in applied.differences) else OK


def _show(differences: Sequence[Difference], form: Form) -> None:
    if differences or form == "json":
        print(render(rows_of(differences), COLUMNS, form))
    if not differences:
        report("all topics are as planned")


def read_settings(variables: Mapping[str, str]) -> TopicsCommandSettings:
    """Load the settings; CommandFailed with one line per problem."""
    try:
        return load(TopicsCommandSettings, variables)
    except SettingsError as error:
        raise CommandFailed(INVALID, "\n".join(error.problems)) from error


async def inspect(settings: TopicsCommandSettings) -> list[Difference]:
    """List what is not as planned."""
    async with _admin(settings) as admin:
        return await topics.inspect(admin, settings.plans())


async def apply(settings: TopicsCommandSettings) -> Applied:
    """Create what is missing and wait until the cluster shows it."""
    plans = settings.plans()
    async with _admin(settings) as admin:
        created = await topics.create_missing(admin, plans)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + SETTLE_S
        while True:
            differences = await topics.inspect(admin, plans)
            is_settled = not any(one.what == "missing" for one in differences)
            if is_settled or loop.time() > deadline:
                return Applied(created, differences)
            await asyncio.sleep(POLL_S)


async def apply_waiting(
    settings: TopicsCommandSettings,
    say: Callable[[str], None],
    *,
    timeout_s: float = WAIT_TIMEOUT_S,
) -> Applied:
    """Do `apply` as soon as the cluster is there and has brokers enough; bounded."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_s
    said = ""
    while True:
        try:
            return await apply(settings)
        except CommandFailed as error:
            if loop.time() > deadline:
                raise
            if str(error) != said:
                said = str(error)
                say(f"waiting: {said}")
        await asyncio.sleep(POLL_S)


def rows_of(differences: Sequence[Difference]) -> list[dict[str, object]]:
    """Return table rows."""
    return [
        {
            "topic": one.topic,
            "what": one.what,
            "setting": one.setting or "",
            "found": one.found,
            "wanted": one.wanted,
        }
        for one in differences
    ]


@asynccontextmanager
async def _admin(settings: TopicsCommandSettings) -> AsyncIterator[TopicAdmin]:
    """Give a started admin client; faults of broker and network become CommandFailed."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # its lines come beside our one line
    client = kafka.admin(settings.kafka, client_id=CLIENT_ID)
    servers = ",".join(settings.kafka.bootstrap_servers)
    try:
        await kafka.start(client)
        try:
            yield client
        finally:
            await kafka.retire(client, timeout_s=2)
    except TopicRefused as error:
        raise CommandFailed(FAILURE, str(error)) from error
    except KafkaUnavailable as error:
        raise CommandFailed(NETWORK, f"no Kafka at {servers}") from error
    except Exception as error:
        if not kafka.is_fault(error):
            raise
        text = f"Kafka at {servers} did not answer: {type(error).__name__}"
        raise CommandFailed(NETWORK, text) from error
