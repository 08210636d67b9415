"""Ending and starting: SIGTERM at every moment, and services that come up in any order."""

import asyncio
import itertools
import signal
from pathlib import Path

import pytest

from hooklane.embedded_kafka import EmbeddedKafka
from tests.e2e.receiver import Receiver
from tests.e2e.stack import SERVICES, Service, Stack
from tests.fault.backlog import Backlog, Subscription
from tests.fault.cluster import cluster_places
from tests.fault.figures import Note
from tests.fault.judge import judge, subscribe_all
from tests.fault.load import Load, now_s, pass_time

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(400)]

SHUTDOWN_S = 25.0
"""The default of HOOKLANE_LIFECYCLE__SHUTDOWN_S."""
STOP_MARGIN_S = 5.0
"""What Kubernetes' 30 s leave beyond it."""
BATCH = 25


async def _terminated(service: Service) -> float:
    """End a service by SIGTERM; give how long that took."""
    began_s = now_s()
    service.signal(signal.SIGTERM)
    code = await service.exit_code(within_s=SHUTDOWN_S + STOP_MARGIN_S)
    assert code == 0, service.log.read_text()[-3000:]
    return now_s() - began_s


async def _arrivals(receiver: Receiver, count: int) -> None:
    here = len(receiver.received)
    await receiver.until(lambda: len(receiver.received) >= here + count, within_s=90)


@pytest.mark.parametrize("name", SERVICES)
async def test_sigterm_under_full_load(
    stack: Stack, receiver: Receiver, note: Note, name: str
) -> None:
    """Twice in a row, with a backlog at the receiver: exit 0 in time, no loss, no repeat."""
    services = {service.name: service for service in await stack.start()}
    await subscribe_all(stack, receiver)
    load = Load(stack, batch=BATCH, receiver=receiver)
    load.start()
    await _arrivals(receiver, 500)

    took = []
    for _ in range(2):
        took.append(await _terminated(services[name]))
        services[name] = await stack.spawn(name)
        await stack.ready(services[name])
        await _arrivals(receiver, 300)
    await load.finish()
    repeats = await judge(stack, receiver, load, within_s=120)

    note("exit after", max(took), "s")
    note("events", load.count)
    assert repeats == []


async def test_sigterm_of_all_at_once(stack: Stack, receiver: Receiver, note: Note) -> None:
    """All three under full load, then all three again: what was accepted arrives once."""
    services = await stack.start()
    await subscribe_all(stack, receiver)
    load = Load(stack, batch=BATCH, receiver=receiver)
    load.start()
    await _arrivals(receiver, 500)

    took = await asyncio.gather(*(_terminated(service) for service in services))
    await stack.start()
    await _arrivals(receiver, 100)
    await load.finish()
    repeats = await judge(stack, receiver, load, within_s=120)

    note("exit after", max(took), "s")
    note("events", load.count)
    assert repeats == []


@pytest.mark.parametrize("name", ["fanout", "deliverer"])
async def test_sigterm_during_a_rebalance(
    stack: Stack, receiver: Receiver, note: Note, name: str
) -> None:
    """An owner ends while others are joining, at several moments of it: no loss, no repeat."""
    members = [service for service in await stack.start() if service.name == name]
    await subscribe_all(stack, receiver)
    load = Load(stack, batch=BATCH, receiver=receiver)
    load.start()
    await _arrivals(receiver, 200)

    took = []
    for later_s in (0.0, 0.5, 1.5):
        joining = await stack.spawn(name)
        await joining.says("ownership.assigned")
        crowding = await stack.spawn(name)
        await pass_time(later_s)
        took.append(await _terminated(members[0]))
        await stack.ready(joining, crowding)
        took.append(await _terminated(joining))
        members = [crowding]
        await _arrivals(receiver, 50)
    await load.finish()
    repeats = await judge(stack, receiver, load, within_s=120)

    note("exit after", max(took), "s")
    note("events", load.count)
    assert repeats == []


@pytest.mark.parametrize("name", SERVICES)
async def test_sigterm_while_the_registry_is_read(stack: Stack, note: Note, name: str) -> None:
    """At several moments of a start over 60,000 subscriptions: exit 0, soon."""
    many = (
        Subscription(f"s{number % 400}", f"sub_{number:022d}", "http://127.0.0.1:9/x")
        for number in range(60_000)
    )
    await Backlog(stack).subscribe(many)

    took = []
    for later_s in (0.0, 0.4, 0.8, 1.2, 2.0):
        service = await stack.spawn(name)
        await service.says("process.starting")
        await pass_time(later_s)
        took.append(await _terminated(service))

    note("exit after", max(took), "s")


async def test_the_order_of_starting_does_not_matter(stack: Stack, receiver: Receiver) -> None:
    """All six orders, each next one when the one before is ready: the event arrives, once."""
    for round_number, order in enumerate(itertools.permutations(SERVICES)):
        services = [service for name in order for service in await stack.start(name)]
        path = f"round-{round_number}"
        await stack.subscribe(path, receiver.url(path))
        sent = await stack.publish(path, round_number)
        await _arrivals(receiver, 1)
        for service in services:
            await _terminated(service)

        assert receiver.accepted(path) == [sent["webhook_id"]]


async def test_services_before_kafka_and_topics(
    receiver: Receiver, prefix: str, tmp_path: Path, note: Note
) -> None:
    """Three services, then Kafka, then the topics: each waits, nobody has to be restarted."""
    (place,) = cluster_places(1, controllers=1)
    node = EmbeddedKafka(place=place)
    stack = Stack(f"127.0.0.1:{place.port}", prefix, tmp_path)
    try:
        services = [await stack.spawn(name) for name in SERVICES]
        for service in services:
            await service.says("kafka.waiting")
        await asyncio.to_thread(node.start)
        for service in services:
            await service.says("kafka.topics_missing")
        await stack.topics()
        began_s = now_s()
        await stack.ready(*services)
        note("all ready after the topics", now_s() - began_s, "s")
        await stack.subscribe("acme", receiver.url("acme"))
        sent = await stack.publish("acme", 1)
        await receiver.until(lambda: receiver.accepted("acme") != [], within_s=60)

        assert receiver.accepted("acme") == [sent["webhook_id"]]
    finally:
        await stack.stop()
        await asyncio.to_thread(node.close)
