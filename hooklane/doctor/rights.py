"""Look at what the Kafka user may do, for each service it is to run. Nothing is written.

The table is that of the chart's KafkaUsers: tests/integration/chart runs the doctor as each of
them on a Kafka that enforces their ACLs.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaError,
    TransactionalIdAuthorizationFailed,
)

from chassis.kafka_probe import GROUP, TRANSACTION, Probe
from chassis.settings import KafkaSettings
from hooklane.doctor.findings import Finding, fail, ok, skip, warn
from schemas.topics import TIERS, topic_name

_RETRIES: Final = tuple(tier.suffix for tier in TIERS)
DEAD: Final = "Dead"
"""What a coordinator calls a group that does not exist."""

ALWAYS: Final = frozenset({"Describe", "DescribeConfigs"})


class Needs(NamedTuple):
    """What one service reads and writes, the ids it writes under, and whether it is in a group."""

    reads: tuple[str, ...]
    writes: tuple[str, ...]
    ids: tuple[str, ...]
    has_group: bool


NEEDS: Final[Mapping[str, Needs]] = {
    "gateway": Needs(("registry",), ("events", "registry"), ("registry",), has_group=False),
    "fanout": Needs(
        ("events", "registry"), ("deliveries", "quarantine"), ("fanout",), has_group=True
    ),
    "deliverer": Needs(
        ("deliveries", *_RETRIES, "lanes", "registry"),
        (*_RETRIES, "lanes", "attempts", "dead-letters", "quarantine", "registry"),
        ("deliverer", "registry"),
        has_group=True,
    ),
}


async def judge_rights(
    settings: KafkaSettings, probe: Probe, prefix: str, services: Sequence[str]
) -> list[Finding]:
    """Say for each service whether its user may do what it does."""
    findings = []
    for service in services:
        needs = NEEDS[service]
        lacks = await _lacking_topics(probe, prefix, needs)
        for name in needs.ids:
            lacks += await _lacking_id(probe, f"{prefix}-{name}-0")
        findings.append(_judged(service, lacks))
        if needs.has_group:
            findings.append(await _judge_group(settings, probe, f"{prefix}-{service}"))
    return findings


async def _lacking_topics(probe: Probe, prefix: str, needs: Needs) -> list[str]:
    wanted: dict[str, set[str]] = {}
    for suffix in {*needs.reads, *needs.writes}:
        operations = wanted.setdefault(topic_name(prefix, suffix), set(ALWAYS))
        operations |= {"Read"} if suffix in needs.reads else set()
        operations |= {"Write"} if suffix in needs.writes else set()
    granted = await probe.topic_rights(sorted(wanted))
    return [
        f"{'+'.join(sorted(missing))} on topic {name}"
        for name, operations in sorted(wanted.items())
        if name in granted and (missing := operations - granted[name])
    ]


async def _lacking_id(probe: Probe, name: str) -> list[str]:
    try:
        await probe.find(name, TRANSACTION)
    except TransactionalIdAuthorizationFailed:
        return [f"Write+Describe on transactional id {name.removesuffix('0')}*"]
    except KafkaError:  # no coordinator yet: a new cluster makes it with the first producer
        return []
    return []


async def _judge_group(settings: KafkaSettings, probe: Probe, name: str) -> Finding:
    check = f"group {name}"
    try:
        server = await probe.find(name, GROUP)
        at = await Probe.connect(settings, server)
        try:
            seen = await at.group(name)
        finally:
            at.close()
    except GroupAuthorizationFailedError:
        return fail(check, "this user may not see it", f"grant Read and Describe on group {name}")
    except (KafkaError, OSError, TimeoutError) as error:
        return skip(check, f"its coordinator does not answer: {type(error).__name__}")
    if "Read" not in seen.rights:
        return fail(check, "this user may not read it", f"grant Read on group {name}")
    if not seen.members:
        state = "nobody is in it" if seen.state != DEAD else "nobody has ever been in it"
        return warn(check, state, "start the service, or see its log")
    return ok(check, f"{seen.state.lower()}, {seen.members} members")


def _judged(service: str, lacks: Sequence[str]) -> Finding:
    check = f"rights {service}"
    if lacks:
        return fail(check, f"lacks {'; '.join(lacks)}", "grant them to the user of this service")
    return ok(check, "all that it reads and writes")
