"""kill -9 at any time: nothing lost, fan-out exactly once, order kept; counted by id."""

import asyncio
import signal
from collections import Counter

import aiohttp
import pytest

from deliverer.policy.pacing import OUTPUTS_MAX
from tests.e2e.log import header, read_topic
from tests.e2e.receiver import Receiver, first_attempts
from tests.e2e.stack import Service, Stack

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]

EVENTS = 400
SUBSCRIBERS = ("acme", "beta", "core-9", "delta")


async def _publish_load(stack: Stack, done: asyncio.Event, half: asyncio.Event) -> dict[str, str]:
    """Publish to all subscribers; give {webhook_id: subscriber} of what got a 202."""
    accepted: dict[str, str] = {}
    for number in range(EVENTS):
        subscriber = SUBSCRIBERS[number % len(SUBSCRIBERS)]
        body = await stack.publish(subscriber, number, id=f"e{number}")
        accepted[body["webhook_id"]] = subscriber
        if number == EVENTS // 2:
            half.set()
    done.set()
    return accepted


async def _kill_and_replace(stack: Stack, victim: Service, half: asyncio.Event) -> None:
    await half.wait()
    victim.signal(signal.SIGKILL)
    await victim.process.wait()
    await stack.ready(await stack.spawn(victim.name))


@pytest.mark.parametrize("victim", ["fanout", "deliverer"])
async def test_a_killed_service_loses_and_doubles_nothing(
    stack: Stack, receiver: Receiver, victim: str
) -> None:
    """Killed under load and replaced: each event once in the log per subscription, all arrive."""
    services = {service.name: service for service in await stack.start()}
    paths = [f"{subscriber}-{n}" for subscriber in SUBSCRIBERS for n in range(2)]
    for path in paths:
        created = await stack.subscribe(path.rsplit("-", 1)[0], receiver.url(path))
        receiver.secrets[path] = created["secret"]
    half, done = asyncio.Event(), asyncio.Event()

    accepted, _ = await asyncio.gather(
        _publish_load(stack, done, half), _kill_and_replace(stack, services[victim], half)
    )
    await receiver.until(
        lambda: all(len(set(receiver.accepted(p))) >= EVENTS // len(SUBSCRIBERS) for p in paths),
        within_s=90,
    )

    deliveries = await read_topic(stack.bootstrap_servers, f"{stack.prefix}.deliveries")
    envelopes = [header(record, "delivery") for record in deliveries]
    per_pair = Counter((e["webhook_id"], e["subscription"]) for e in envelopes)
    assert len(accepted) == EVENTS
    assert len(per_pair) == EVENTS * 2
    assert set(per_pair.values()) == {1}
    for path in paths:
        expected = [w for w, s in accepted.items() if s == path.rsplit("-", 1)[0]]
        assert first_attempts(receiver.at(path)) == expected
        assert all(delivery.verified for delivery in receiver.at(path))
    repeats = len(receiver.received) - EVENTS * 2
    assert 0 <= repeats <= (OUTPUTS_MAX if victim == "deliverer" else 0)


async def test_a_killed_gateway_kept_its_word(stack: Stack) -> None:
    """Every 202 given before the kill is a record in `events`, at the place it named."""
    gateway, *_ = await stack.start("gateway")
    accepted: list[dict[str, object]] = []

    async def publish() -> None:
        for number in range(10_000):
            try:
                accepted.append(await stack.publish("acme", number))
            except (aiohttp.ClientError, OSError, AssertionError):
                return
            if len(accepted) == 200:
                gateway.signal(signal.SIGKILL)

    await asyncio.gather(publish(), publish(), publish())

    records = await read_topic(stack.bootstrap_servers, f"{stack.prefix}.events")
    stored = {(r.partition, r.offset): dict(r.headers)["ce_id"].decode() for r in records}
    assert len(accepted) >= 200
    assert all(stored[a["partition"], a["offset"]] == a["id"] for a in accepted)


async def test_sigterm_drains(stack: Stack, receiver: Receiver) -> None:
    """SIGTERM under load ends each service with exit 0; its successor repeats nothing."""
    services = await stack.start()
    await stack.subscribe("acme", receiver.url("a"))
    ids = [(await stack.publish("acme", n))["webhook_id"] for n in range(100)]
    await receiver.until(lambda: len(receiver.at("a")) >= 20, within_s=20)

    for service in services:
        service.signal(signal.SIGTERM)
    codes = [await service.exit_code(within_s=30) for service in services]
    await stack.start()
    await receiver.until(lambda: len(set(receiver.accepted("a"))) == 100, within_s=40)

    assert codes == [0, 0, 0]
    assert receiver.accepted("a") == ids
