"""The order of the checks: each only where the ones before allow it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from chassis import kafka
from chassis.clock import Clock
from chassis.kafka import KafkaUnavailable
from chassis.kafka_probe import Probe
from chassis.settings import ServiceSettings
from chassis.vault import Vault
from deliverer.settings import DelivererSettings
from gateway.settings import GatewaySettings
from hooklane.doctor import brokers, cluster, configured, place, registry, rights
from hooklane.doctor.findings import Finding, fail
from schemas.topics import TopicPlan, plan, topic_name

CLIENT_ID = "hooklane-doctor"
RETIRE_S = 2.0


@dataclass(frozen=True, slots=True)
class Wishes:
    """Which services to look at (none = all that are set up here), and where else to ask."""

    services: Sequence[str] = ()
    admin_urls: Sequence[str] = ()


async def examine(variables: Mapping[str, str], wishes: Wishes, clock: Clock) -> list[Finding]:
    """Look at everything; nothing is written, and no value of a secret is shown."""
    found = configured.read(variables, wishes.services)
    findings = list(found.findings)
    services = dict(found.services)
    if not services:
        return findings
    any_settings = next(iter(services.values()))
    reached = await brokers.reach(any_settings.kafka)
    findings += reached.findings
    if reached.server is not None:
        try:
            findings += await _examine_kafka(services, reached.server, clock)
        except (KafkaUnavailable, KafkaError, OSError, TimeoutError) as error:
            advice = "ask again; see the brokers' logs"
            findings.append(fail("kafka", f"stopped answering: {type(error).__name__}", advice))
    return findings + await _examine_place(variables, services, wishes)


async def _examine_kafka(
    services: Mapping[str, ServiceSettings], server: str, clock: Clock
) -> list[Finding]:
    settings = next(iter(services.values()))
    prefix, partitions = settings.topics.prefix, settings.topics.partitions
    plans = plan(prefix, partitions, settings.topics.replication_factor)
    async with _clients(settings) as (admin, consumer):
        findings = await cluster.judge_topics(admin, plans)
        probe = await Probe.connect(settings.kafka, server)
        try:
            findings += await rights.judge_rights(settings.kafka, probe, prefix, list(services))
        finally:
            probe.close()
        if any(one.status == "fail" for one in findings):
            return findings
        findings += await _judge_lags(services, admin, consumer, plans)
        name = topic_name(prefix, "registry")
        contents = await registry.read(consumer, name, partitions)
        findings += registry.judge(contents, _vault_of(services))
        findings.append(cluster.judge_clock(contents.newest_ms, clock.now_ms()))
    return findings


async def _judge_lags(
    services: Mapping[str, ServiceSettings],
    admin: AIOKafkaAdminClient,
    consumer: AIOKafkaConsumer,
    plans: Sequence[TopicPlan],
) -> list[Finding]:
    findings = []
    for service, suffix in cluster.GROUP_INPUTS.items():
        if service in services:
            prefix = services[service].topics.prefix
            (wanted,) = [one for one in plans if one.name == topic_name(prefix, suffix)]
            group = f"{prefix}-{service}"
            findings.append(
                await cluster.judge_lag(admin, consumer, service=service, plan=wanted, group=group)
            )
    return findings


async def _examine_place(
    variables: Mapping[str, str], services: dict[str, ServiceSettings], wishes: Wishes
) -> list[Finding]:
    findings = []
    deliverer = services.get("deliverer")
    if isinstance(deliverer, DelivererSettings):
        findings.append(place.judge_descriptors(deliverer, place.hard_limit()))
        findings.append(await place.judge_way_out(deliverer.egress.proxy()))
    endpoint = next(iter(services.values())).tracing.endpoint
    findings.append(await place.judge_collector(endpoint))
    if url := variables.get("HOOKLANE_URL", ""):
        findings.append(place.judge_gateway(url))
    return findings + await place.judge_services(services, wishes.admin_urls)


def _vault_of(services: Mapping[str, ServiceSettings]) -> Vault | None:
    for settings in services.values():
        if isinstance(settings, GatewaySettings | DelivererSettings):
            return Vault(settings.vault.key_ring())
    return None


@asynccontextmanager
async def _clients(
    settings: ServiceSettings,
) -> AsyncIterator[tuple[AIOKafkaAdminClient, AIOKafkaConsumer]]:
    admin = kafka.admin(settings.kafka, client_id=CLIENT_ID)
    consumer = kafka.consumer(settings.kafka, client_id=CLIENT_ID)
    try:
        await kafka.start(admin)
        await kafka.start(consumer)
        yield admin, consumer
    finally:
        await kafka.retire(consumer, timeout_s=RETIRE_S)
        await kafka.retire(admin, timeout_s=RETIRE_S)
