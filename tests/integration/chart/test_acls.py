"""The ACLs of the chart's KafkaUsers on a Kafka that enforces them: enough, and not too much."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import TopicAuthorizationFailedError
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # re-exported there
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from hooklane.embedded_kafka import EmbeddedKafka
from tests.chart.rendering import Helm, Object, at, component_of, listed
from tests.e2e.receiver import Receiver
from tests.e2e.stack import SERVICES, Stack
from tests.ports import free_port

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]  # a node of its own, started twice

PASSWORD = "a-password"
KINDS = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactionalId": ResourceType.TRANSACTIONAL_ID,
}
PATTERNS = {"literal": ResourcePatternType.LITERAL, "prefix": ResourcePatternType.PREFIXED}
OPERATIONS = {
    "Read": AclOperation.READ,
    "Write": AclOperation.WRITE,
    "Create": AclOperation.CREATE,
    "Describe": AclOperation.DESCRIBE,
    "DescribeConfigs": AclOperation.DESCRIBE_CONFIGS,
}


def _guard(node: EmbeddedKafka) -> str:
    """Start the node anew with a second listener that asks for users; return its address."""
    address = f"127.0.0.1:{free_port()}"
    node.stop()
    config = node.folder / "server.properties"
    users = " ".join(f'user_{name}="{PASSWORD}"' for name in (*SERVICES, "topics"))
    module = "org.apache.kafka.common.security.plain.PlainLoginModule"
    text = config.read_text().replace(
        "listeners=PLAINTEXT", f"listeners=USERS://{address},PLAINTEXT"
    )
    text = text.replace("map=PLAINTEXT", "map=USERS:SASL_PLAINTEXT,PLAINTEXT")
    lines = [
        "sasl.enabled.mechanisms=PLAIN",
        f"listener.name.users.plain.sasl.jaas.config={module} required {users};",
        "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users=User:ANONYMOUS",  # the other listener, for Kafka itself and this test
    ]
    # The advertised line must end with the plain listener: the node reads its port from there.
    config.write_text(text + "\n".join(lines) + "\n")
    node.start()
    return address


def _bindings(user: Object) -> list[AclBinding]:
    return [
        AclBinding(
            KINDS[str(at(acl, "resource.type"))],
            str(at(acl, "resource.name")),
            PATTERNS[str(at(acl, "resource.patternType"))],
            f"User:{component_of(user)}",
            "*",
            OPERATIONS[operation],
            AclPermissionType.ALLOW,
        )
        for acl in listed(user, "spec.authorization.acls")
        for operation in acl["operations"]  # type: ignore[attr-defined]
    ]


def _grant(bootstrap_servers: str, users: list[Object]) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    bindings = [one for user in users for one in _bindings(user)]
    for done in admin.create_acls(bindings, request_timeout=30).values():
        done.result(30)


async def _may_write(address: str, user: str, topic: str) -> bool:
    """Try one record as a user."""
    producer = AIOKafkaProducer(
        bootstrap_servers=address,
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="PLAIN",
        sasl_plain_username=user,
        sasl_plain_password=PASSWORD,
    )
    await producer.start()
    try:
        await producer.send_and_wait(topic, b"{}", key=b"k")
    except TopicAuthorizationFailedError:
        return False
    finally:
        await producer.stop()
    return True


async def _lacking(stack: Stack, service: str, *, as_user: str) -> list[str]:
    """Give what the doctor says a user lacks for a service."""
    name = "HOOKLANE_KAFKA__SASL_USERNAME"
    _, printed = await stack.command("doctor", "--json", "--service", service, **{name: as_user})
    found = {one["check"]: one for one in json.loads(printed)}
    rights = found[f"rights {service}"]
    return [rights["seen"]] if rights["status"] == "fail" else []


async def test_every_service_works_with_its_own_user_and_no_more(
    helm: Helm,
    receiver: Receiver,
    own_kafka: Callable[..., EmbeddedKafka],
    prefix: str,
    tmp_path: Path,
) -> None:
    """Topics made, an event accepted, fanned out, failed once, retried and delivered."""
    node = await asyncio.to_thread(own_kafka)
    address = await asyncio.to_thread(_guard, node)
    objects = helm.render_with(
        "users.mode=strimzi",
        "strimzi.cluster=c",
        "kafka.securityProtocol=SASL_PLAINTEXT",
        f"topics.prefix={prefix}",
    )
    users = [one for one in objects if one["kind"] == "KafkaUser"]
    await asyncio.to_thread(_grant, node.bootstrap_servers, users)
    secured = {
        "HOOKLANE_KAFKA__SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "HOOKLANE_KAFKA__SASL_MECHANISM": "PLAIN",
        "HOOKLANE_KAFKA__SASL_PASSWORD": PASSWORD,
    }
    name = "HOOKLANE_KAFKA__SASL_USERNAME"
    stack = Stack(address, prefix, tmp_path, extra=secured)
    try:
        code, printed = await stack.command("topics", "apply", "--wait", **{name: "topics"})
        assert code == 0, printed
        await stack.ready(*[await stack.spawn(one, **{name: one}) for one in SERVICES])
        receiver.answers["hooks"] = lambda delivery: 500 if delivery.attempt == 1 else 204
        url = receiver.url("hooks")
        await stack.subscribe("acme", url, retry={"schedule_s": [0.1, 0.1], "max_age_s": 60})

        await stack.publish("acme", {"amount": 1})
        await receiver.until(lambda: len(receiver.received) >= 2, within_s=30)

        assert [one.attempt for one in receiver.received] == [1, 2]
        for one in SERVICES:
            assert await _lacking(stack, one, as_user=one) == []
        (lacking,) = await _lacking(stack, "fanout", as_user="gateway")
        assert f"Read on topic {prefix}.events" in lacking
        assert f"Write on topic {prefix}.deliveries" in lacking
        assert f"transactional id {prefix}-fanout-*" in lacking
    finally:
        await stack.stop()
    for user, topic in (("fanout", "registry"), ("gateway", "deliveries"), ("topics", "events")):
        is_allowed = await _may_write(address, user, f"{prefix}.{topic}")
        assert not is_allowed, f"{user} may write {topic}"
