"""Rate limits and breakers on a real Kafka: one subscription's limits cost the others nothing.

Judged by counts and by the order in which a receiver saw requests, never by how fast this machine
is: a slow one makes fewer requests, not more.
"""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from chassis.clock import SystemClock
from deliverer.settings import BreakerSettings
from tests.e2e.receiver import Delivery, Receiver
from tests.integration.deliverer_world import World

pytestmark = pytest.mark.kafka

ARRIVAL_S = 60.0
RATE = 10
BURST = 2
EARLY_S = 0.25
"""How much closer two requests may arrive than they left: the first one took longer."""
FAILURES = 5
PROBE_S = 0.8


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Give a listening receiver."""
    receiver = Receiver()
    await receiver.start()
    yield receiver
    await receiver.stop()


@pytest.fixture
async def world(kafka: object, prefix: str) -> World:
    """Give fresh topics."""
    world = World(kafka.bootstrap_servers, prefix)  # type: ignore[attr-defined]
    await world.create_topics()
    world.accepted_at = SystemClock().now_ms()
    return world


async def _publish(world: World, **counts: int) -> None:
    """Append deliveries of several subscriptions, alternating, in one transaction."""
    records = [
        world.delivery("acme", name, number, accepted_at=world.accepted_at)
        for number in range(max(counts.values()))
        for name, count in counts.items()
        if number < count
    ]
    await world.append(records, transactional_id=f"{world.prefix}-fanout")


async def test_a_rate_limit_holds_in_order_and_neighbours_run_ahead(
    world: World, receiver: Receiver
) -> None:
    """40 deliveries at 10/s: none burnt or out of order, no window with more than its share."""
    limit = {"per_second": RATE, "burst": BURST}
    arrivals: list[float] = []

    def note(_: Delivery) -> int:
        arrivals.append(asyncio.get_running_loop().time())
        return 204

    receiver.answers["slow"] = note
    await world.subscribe("acme", "sub_slow", receiver.url("slow"), rate_limit=limit)
    await world.subscribe("acme", "sub_free", receiver.url("free"))
    await _publish(world, sub_slow=40, sub_free=200)

    async with world.running():
        await receiver.until(
            lambda: len(receiver.at("slow")) >= 40 and len(receiver.at("free")) >= 200,
            within_s=ARRIVAL_S,
        )

    slow, free = receiver.at("slow"), receiver.at("free")
    assert [d.webhook_id for d in slow] == [f"msg_sub_slow_{n}" for n in range(40)]
    assert {d.attempt for d in (*slow, *free)} == {1}
    assert [d.sequence for d in free] == sorted(d.sequence for d in free)
    for first in range(len(arrivals)):
        for last in range(first + 1, len(arrivals)):
            share = BURST + RATE * (arrivals[last] - arrivals[first] + EARLY_S)
            assert last - first + 1 <= share
    paths = [d.path for d in receiver.received]
    last_free = len(paths) - 1 - paths[::-1].index("free")
    assert paths[:last_free].count("slow") < 40, "the free one did not wait for the limited one"


async def test_a_dead_receiver_gets_probes_only_and_recovers_in_order(
    world: World, receiver: Receiver
) -> None:
    """After five failures one attempt per interval; then everything, nothing dead-lettered."""
    is_up = asyncio.Event()
    times: list[float] = []

    def answer(_: Delivery) -> int:
        times.append(asyncio.get_running_loop().time())
        return 204 if is_up.is_set() else 500

    receiver.answers["dead"] = answer
    retry = {"schedule_s": [0.1] * 24, "max_age_s": 3600}
    await world.subscribe("acme", "sub_dead", receiver.url("dead"), retry=retry)
    await world.subscribe("acme", "sub_well", receiver.url("well"))
    await _publish(world, sub_dead=30, sub_well=100)
    breaker = BreakerSettings(failures=FAILURES, probe_s=PROBE_S, probe_max_s=2 * PROBE_S)

    async with world.running(breaker=breaker):
        await receiver.until(
            lambda: len(receiver.at("well")) >= 100 and len(times) >= FAILURES + 3,
            within_s=ARRIVAL_S,
        )
        is_up.set()
        await receiver.until(lambda: len(receiver.accepted("dead")) >= 30, within_s=ARRIVAL_S)

    dead = receiver.at("dead")
    failed = [d for d in dead if not d.is_accepted]
    assert [(d.webhook_id, d.attempt) for d in failed] == [
        ("msg_sub_dead_0", attempt) for attempt in range(1, len(failed) + 1)
    ]
    for earlier, later in zip(times[FAILURES - 1 :], times[FAILURES : len(failed)], strict=False):
        assert later - earlier >= PROBE_S - EARLY_S, "one probe per interval"
    assert receiver.accepted("dead") == [f"msg_sub_dead_{n}" for n in range(30)]
    assert {d.attempt for d in receiver.at("well")} == {1}
    assert not await world.read("dead-letters")
    logged = await world.read("attempts", lambda seen: len(seen) >= len(receiver.received))
    assert len(logged) == len(receiver.received)
    assert {json.loads(record.value)["outcome"] for record in logged} == {"delivered", "http_5xx"}
