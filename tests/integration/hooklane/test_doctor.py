"""The doctor on a real Kafka: what is well, and what somebody broke."""

import base64
import dataclasses
import json
from collections.abc import Mapping

import msgspec
import pytest
from click.testing import CliRunner

from chassis import kafka as clients
from chassis.clock import SystemClock
from chassis.kafka import Record
from chassis.vault import Vault
from hooklane.cli import commands
from hooklane.doctor.examination import Wishes, examine
from hooklane.doctor.findings import Finding
from hooklane.topics_command import TopicsCommandSettings, read_settings
from schemas.registry import registry_key
from schemas.topics import TopicPlan
from tests.conftest import Broker
from tests.integration.topics import create_topics
from tests.unit.fanout.events import document

pytestmark = pytest.mark.kafka

KEY, OTHER = b"k" * 32, b"o" * 32
ALL = Wishes()


def _keys(*pairs: tuple[str, bytes]) -> str:
    return ",".join(f"{name}:{base64.b64encode(key).decode()}" for name, key in pairs)


@pytest.fixture
def variables(kafka: Broker, prefix: str) -> dict[str, str]:
    """Give what all three services need, with one partition."""
    return {
        "HOOKLANE_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "HOOKLANE_TOPICS__PREFIX": prefix,
        "HOOKLANE_TOPICS__PARTITIONS": "1",
        "HOOKLANE_TOPICS__REPLICATION_FACTOR": "1",
        "HOOKLANE_AUTH__ROOT_KEY": "x" * 32,
        "HOOKLANE_VAULT__KEYS": _keys(("k1", KEY)),
        "HOOKLANE_ADMIN__PORT": "1",
    }


async def _create(settings: TopicsCommandSettings, broken: Mapping[str, TopicPlan | None]) -> None:
    """Create the topics, but some of them broken or not at all."""
    plans = [
        broken.get(one.name.rpartition(".")[2], one) if one.name.count(".") == 1 else one
        for one in settings.plans()
    ]
    await create_topics(settings.kafka, [one for one in plans if one is not None])


async def _look(variables: Mapping[str, str]) -> dict[str, Finding]:
    found = await examine(variables, ALL, SystemClock())
    return {one.check: one for one in found}


def _failed(found: Mapping[str, Finding]) -> list[str]:
    return [one.check for one in found.values() if one.status == "fail"]


async def test_an_installation_that_is_well(variables: dict[str, str], prefix: str) -> None:
    """Nothing fails; that nobody is in the groups yet is only said."""
    await _create(read_settings(variables), {})

    found = await _look(variables)

    assert _failed(found) == []
    assert found["topics"].seen == "13 topics with 1 partitions each"
    assert "1 of 1 bootstrap servers answer (PLAINTEXT)" in found["kafka"].seen
    assert found["kafka version"].seen == "4.0 or later"
    assert found["rights deliverer"].status == "ok"
    assert found[f"group {prefix}-fanout"].status == "warn"
    assert found["lag fanout"].seen == "nothing waits"
    assert (found["registry"].seen, found["vault"].status) == ("empty", "ok")
    assert found["ready gateway"].status == "skip"


@pytest.mark.parametrize(
    ("broken", "check", "seen", "advice"),
    [
        ("missing", "events", "is missing", "hooklane topics apply"),
        ("partitions", "lanes", "has partitions 3 instead of 1", "HOOKLANE_TOPICS__PARTITIONS"),
        ("cleanup", "registry", "has cleanup.policy delete instead of compact", "alter the topic"),
    ],
)
async def test_a_broken_topic_is_named_with_what_to_do(
    variables: dict[str, str], prefix: str, broken: str, check: str, seen: str, advice: str
) -> None:
    """Nothing that depends on it is guessed at."""
    settings = read_settings(variables)
    (right,) = [one for one in settings.plans() if one.name == f"{prefix}.{check}"]
    config = right.config | {"cleanup.policy": "delete"}
    wrong = {
        "missing": None,
        "partitions": msgspec.structs.replace(right, partitions=3),
        "cleanup": msgspec.structs.replace(right, config=config),
    }[broken]
    await _create(settings, {check: wrong})

    found = await _look(variables)

    one = found[f"topic {prefix}.{check}"]
    assert (_failed(found), one.seen) == ([one.check], seen)
    assert advice in one.advice
    assert "registry" not in found


@pytest.mark.parametrize(
    ("given", "status", "seen"),
    [
        ((("k1", KEY),), "ok", "opens all 1 subscriptions"),
        ((("k2", OTHER), ("k1", KEY)), "ok", "opens all 1 subscriptions"),
        ((("k2", OTHER),), "fail", "1 subscriptions need key k1"),
        ((("k1", OTHER),), "fail", "1 subscriptions do not open with the key of that name"),
    ],
)
async def test_the_vault_is_tried_on_what_is_sealed(
    variables: dict[str, str],
    prefix: str,
    given: tuple[tuple[str, bytes], ...],
    status: str,
    seen: str,
) -> None:
    """A deliverer with other keys would deliver nothing, and say so only then."""
    settings = read_settings(variables)
    await _create(settings, {})
    key = registry_key("acme", "subscription", "sub_1")
    sealed = base64.b64encode(Vault([("k1", KEY)]).seal(b"{}", aad=key)).decode()
    producer = clients.producer(settings.kafka, client_id="test")
    await clients.start(producer)
    await clients.produce(
        producer, [Record(f"{prefix}.registry", 0, key, document("sub_1", sealed=sealed))]
    )
    await clients.retire(producer)

    found = await _look(variables | {"HOOKLANE_VAULT__KEYS": _keys(*given)})

    assert (found["vault"].status, found["vault"].seen) == (status, seen)
    assert found["registry"].seen == "1 subscription"
    assert found["clock"].status == "ok"


def test_the_command_prints_json_and_fails(variables: dict[str, str]) -> None:
    """Without topics: exit 1, and everything as data."""
    ended = CliRunner(env=variables).invoke(commands, ["doctor", "--json", "--service", "fanout"])

    found = {one["check"]: one for one in json.loads(ended.output)}
    assert ended.exit_code == 1
    assert found["settings fanout"]["status"] == "ok"
    assert sum(one["status"] == "fail" for one in found.values()) >= 13
    assert dataclasses.fields(Finding)[3].name in found["kafka"]
