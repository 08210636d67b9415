"""The deliverer while processes come and go and the broker restarts."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from chassis.clock import SystemClock
from hooklane.embedded_kafka import EmbeddedKafka
from tests.e2e.receiver import Receiver, first_attempts
from tests.integration.deliverer_world import World

pytestmark = pytest.mark.kafka

ARRIVAL_S = 60.0
SUBSCRIBERS = ("acme", "bolt", "core", "dune")


@dataclass
class SlowReceiver(Receiver):
    """Answers only when told to."""

    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def _handle(self, request: web.Request) -> web.Response:
        self.arrived.set()
        await self.go.wait()
        return await super()._handle(request)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Give a listening receiver."""
    receiver = Receiver()
    await receiver.start()
    yield receiver
    await receiver.stop()


async def filled(world: World, receiver: Receiver, each: int) -> None:
    """Give every subscriber a subscription and so many deliveries."""
    await world.create_topics()
    for subscriber in SUBSCRIBERS:
        await world.subscribe(subscriber, f"sub_{subscriber}", receiver.url(subscriber))
    await append(world, range(each))


async def append(world: World, numbers: range) -> None:
    """Append these deliveries for every subscriber, in one transaction."""
    now = SystemClock().now_ms()
    records = [
        world.delivery(subscriber, f"sub_{subscriber}", n, registry_offset=0, accepted_at=now)
        for n in numbers
        for subscriber in SUBSCRIBERS
    ]
    await world.append(records, transactional_id=f"{world.prefix}-fanout")


def is_complete(receiver: Receiver, each: int) -> bool:
    """Ask whether every delivery arrived."""
    return all(len(set(receiver.accepted(name))) == each for name in SUBSCRIBERS)


def check_order(receiver: Receiver, each: int) -> None:
    """First attempts of each lane come in the order of the log."""
    for name in SUBSCRIBERS:
        expected = [f"msg_sub_{name}_{n}" for n in range(each)]
        assert first_attempts(receiver.at(name)) == expected


def made(attempts: Sequence[Any]) -> list[str]:
    """Return the outcomes of the attempts that were made.

    One that has begun while nothing is heard of Kafka, and is not written yet, is cancelled.
    """
    outcomes = [json.loads(record.value)["outcome"] for record in attempts]
    return [outcome for outcome in outcomes if outcome != "cancelled"]


async def test_partitions_move_without_loss_or_disorder(
    kafka: object, prefix: str, receiver: Receiver, tmp_path: Path
) -> None:
    """A second process joins under load, then the first one is told to go."""
    each = 300
    world = World(kafka.bootstrap_servers, prefix)  # type: ignore[attr-defined]
    await filled(world, receiver, each)

    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(world.process(tmp_path / "first.log"))
        await receiver.until(lambda: len(receiver.received) >= 40, within_s=ARRIVAL_S)
        await stack.enter_async_context(world.process(tmp_path / "second.log"))
        await receiver.until(lambda: len(receiver.received) >= 400, within_s=ARRIVAL_S)
        first.send_signal(signal.SIGTERM)
        async with asyncio.timeout(ARRIVAL_S):
            code = await first.wait()
        await receiver.until(lambda: is_complete(receiver, each), within_s=ARRIVAL_S)

    check_order(receiver, each)
    assert code == 0, (tmp_path / "first.log").read_text()[-3000:]
    repeats = len(receiver.received) - each * len(SUBSCRIBERS)
    assert repeats == 0, "both moves were orderly, so nothing was in doubt"


async def test_a_terminated_deliverer_finishes_what_runs(
    kafka: object, prefix: str, tmp_path: Path
) -> None:
    """SIGTERM: the request under way is answered and committed, then exit 0."""
    world = World(kafka.bootstrap_servers, prefix)  # type: ignore[attr-defined]
    receiver = SlowReceiver()
    await receiver.start()
    await filled(world, receiver, 2)

    async with world.process(tmp_path / "deliverer.log") as process:
        async with asyncio.timeout(ARRIVAL_S):
            await receiver.arrived.wait()
        process.send_signal(signal.SIGTERM)
        asyncio.get_running_loop().call_later(1.0, receiver.go.set)
        async with asyncio.timeout(ARRIVAL_S):
            code = await process.wait()

    await receiver.stop()
    sent = len(receiver.received)
    attempts = await world.read("attempts", lambda seen: len(made(seen)) >= sent)
    assert code == 0, (tmp_path / "deliverer.log").read_text()[-3000:]
    assert made(attempts) == ["delivered"] * sent


@pytest.mark.timeout(300)  # a Java process starts twice, on a machine that may be busy
async def test_a_broker_restart_repeats_nothing(
    own_kafka: Callable[..., EmbeddedKafka], prefix: str, receiver: Receiver
) -> None:
    """C4 and C5: the tick in doubt is settled by asking, not by doing everything again."""
    each, before = 250, 150
    node = await asyncio.to_thread(own_kafka)
    world = World(node.bootstrap_servers, prefix)
    await filled(world, receiver, before)

    async with world.running():
        await receiver.until(lambda: len(receiver.received) >= 50, within_s=ARRIVAL_S)
        await asyncio.to_thread(node.restart)
        await append(world, range(before, each))
        await receiver.until(lambda: is_complete(receiver, each), within_s=ARRIVAL_S)

    check_order(receiver, each)
    total = each * len(SUBSCRIBERS)
    attempts = await world.read("attempts", lambda seen: len(made(seen)) >= total)
    assert len(receiver.received) == total
    assert made(attempts) == ["delivered"] * total
