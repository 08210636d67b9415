"""The fan-out on a real Kafka: every event once for each subscription, whatever breaks."""

import asyncio

import msgspec
import orjson
import pytest

from chassis.admin import AdminServer
from chassis.clock import SystemClock
from chassis.tick import TickProducer
from schemas.ids import webhook_id
from schemas.topics import partition_of, transactional_id
from tests.conftest import Broker
from tests.integration.chassis.conftest import remove_below
from tests.integration.fanout_world import PARTITIONS, World, pairs

pytestmark = pytest.mark.kafka

SUBSCRIBERS = [f"tenant-{number}" for number in range(6)]


@pytest.fixture
async def world(kafka: Broker, prefix: str) -> World:
    """Give topics of our own."""
    world = World(kafka.bootstrap_servers, prefix)
    await world.create_topics()
    return world


async def test_an_event_becomes_one_delivery_for_each_matching_subscription(world: World) -> None:
    """Data byte for byte, attributes in headers, the envelope says what was decided."""
    await world.subscribe("acme", "sub_all")
    await world.subscribe("acme", "sub_orders", event_types=["order.*"], lane_epoch=4)
    await world.subscribe("acme", "sub_other", event_types=["invoice.*"])
    await world.subscribe("acme", "sub_paused", status="paused")
    await world.subscribe("acme", "sub_disabled", status="disabled")
    await world.subscribe("other", "sub_foreign")
    event = world.event("acme", 1, b'{"n": 12345678901234567890123}')

    async with world.running():
        await world.append(
            [msgspec.structs.replace(event, headers=[*event.headers, ("ce_orderingkey", b"k")])]
        )
        deliveries = await world.read("deliveries", upto=3)

    assert {seen.delivery.subscription for seen in deliveries} == {
        "sub_all",
        "sub_orders",
        "sub_paused",
    }
    for seen in deliveries:
        assert seen.partition == partition_of(b"acme", PARTITIONS)
        assert seen.value == b'{"n": 12345678901234567890123}'
        assert seen.delivery.webhook_id == webhook_id("acme", "/test", "1")
        assert seen.delivery.kind == "first"
        assert abs(seen.delivery.accepted_at - SystemClock().now_ms()) < 60_000
        assert dict(seen.headers)["ce_orderingkey"] == b"k"
    lanes = {seen.delivery.subscription: seen.delivery.lane for seen in deliveries}
    assert lanes["sub_orders"].startswith("sub_orders/4/")


async def test_a_subscription_acknowledged_before_an_event_is_always_matched(world: World) -> None:
    """Fan-out reads the registry to its end before it matches (PROTOCOL R3)."""
    async with world.running():
        for number in range(8):
            await world.subscribe("acme", f"sub_{number}")
            await world.append([world.event("acme", number)])

        owed = {("acme", str(event), f"sub_{n}") for event in range(8) for n in range(event + 1)}
        deliveries = await world.read("deliveries", until=lambda seen: owed <= set(pairs(seen)))

    # One that was enabled less than a second after the event may have it, too.
    assert set(pairs(deliveries).values()) == {1}


async def test_broken_records_are_set_aside_and_their_partition_moves_on(world: World) -> None:
    """Each reason of the contract, with the raw bytes; the good event behind them arrives.

    What a producer's own transaction took back is no event at all (B339).
    """
    await world.subscribe("acme", "sub_1")
    good = world.event("acme", 9)
    place, elsewhere = good.partition, (good.partition + 1) % PARTITIONS
    conflicting = world.event("acme", 8, b"other")

    async with world.running():
        await world.append_in_vain([world.event("acme", 7)])
        await world.append(
            [
                msgspec.structs.replace(good, key=None),
                msgspec.structs.replace(good, key=b"$system"),
                msgspec.structs.replace(good, headers=[]),
                msgspec.structs.replace(
                    good, value=b"\xff", headers=[("content-type", b"application/cloudevents")]
                ),
                msgspec.structs.replace(good, value=b"x" * 262_145),
                msgspec.structs.replace(good, headers=[*good.headers, ("ce_subscriber", b"other")]),
                msgspec.structs.replace(good, partition=elsewhere),
                world.event("acme", 8),
                conflicting,
                world.event("acme", 8),
                good,
            ]
        )
        quarantined = await world.read("quarantine", upto=8)
        deliveries = await world.read("deliveries", upto=2)

    reasons = [orjson.loads(seen.value or b"")["reason"] for seen in quarantined]
    assert sorted(reasons) == sorted(
        [
            "no_key",
            "bad_key",
            "missing_attribute",
            "bad_json",
            "too_large",
            "key_mismatch",
            "wrong_partition",
            "conflict",
        ]
    )
    assert {seen.partition for seen in quarantined} == {place, elsewhere}
    assert pairs(deliveries) == {("acme", "8", "sub_1"): 1, ("acme", "9", "sub_1"): 1}


async def test_nothing_is_lost_or_doubled_when_the_producer_is_fenced(world: World) -> None:
    """A stolen claim kills the actor; it takes over again from the committed offset (F1)."""
    for subscriber in SUBSCRIBERS:
        await world.subscribe(subscriber, "sub_a")
        await world.subscribe(subscriber, "sub_b")

    async with world.running():
        for round_number in range(6):
            await world.append(
                [
                    world.event(subscriber, round_number * 100 + number)
                    for number in range(20)
                    for subscriber in SUBSCRIBERS
                ]
            )
            await _steal_claims(world)
        deliveries = await world.read("deliveries", upto=6 * 20 * len(SUBSCRIBERS) * 2)

    assert pairs(deliveries) == {
        (subscriber, str(round_number * 100 + number), subscription): 1
        for subscriber in SUBSCRIBERS
        for round_number in range(6)
        for number in range(20)
        for subscription in ("sub_a", "sub_b")
    }


async def test_a_successor_remembers_the_events_of_its_predecessor(world: World) -> None:
    """The dedupe window is rebuilt from the log: a repeat after a restart is dropped."""
    await world.subscribe("acme", "sub_1")
    first = [world.event("acme", number) for number in range(700)]
    async with world.running():
        await world.append(first)
        await world.read("deliveries", upto=700)

    async with world.running():
        await world.append([*first, world.event("acme", 5, b"other"), world.event("acme", 701)])
        quarantined = await world.read("quarantine", upto=1)
        deliveries = await world.read("deliveries", upto=701)

    assert len(pairs(deliveries)) == len(deliveries) == 701
    assert orjson.loads(quarantined[0].value or b"")["reason"] == "conflict"


async def test_events_that_retention_took_before_a_takeover_are_counted(world: World) -> None:
    """An outage longer than retention: the rest is delivered, and the loss is alarmed."""
    await world.subscribe("acme", "sub_1")
    first = world.event("acme", 1)
    async with world.running():
        await world.append([first])
        await world.read("deliveries", upto=1)

    await world.append([world.event("acme", number) for number in (2, 3, 4)])
    await remove_below(world.kafka, world.topic("events"), first.partition, offset=3)
    async with world.running() as components:
        deliveries = await world.read("deliveries", upto=2)
        [admin] = [one for one in components if isinstance(one, AdminServer)]
        lost = admin.instruments.get_sample_value("hooklane_records_lost_total", {"kind": "events"})

    assert [seen.event_id for seen in deliveries] == ["1", "4"]
    assert lost == 2


async def test_order_of_a_subscriber_survives_many_small_ticks(world: World) -> None:
    """Deliveries lie in the order of their events."""
    await world.subscribe("acme", "sub_1")

    async with world.running(tick_records=7):
        for low in range(0, 200, 20):
            await world.append([world.event("acme", number) for number in range(low, low + 20)])
        deliveries = await world.read("deliveries", upto=200)

    in_log = sorted(deliveries, key=lambda seen: seen.offset)
    assert [int(seen.event_id) for seen in in_log] == list(range(200))


async def test_a_producers_own_transactions_do_not_hold_the_offset_back(world: World) -> None:
    """Their markers occupy offsets; the lag shows zero all the same (PROTOCOL K2)."""
    await world.subscribe("acme", "sub_1")
    producer = TickProducer(
        world.kafka,
        transactional_id=f"{world.prefix}-shop",
        client_id="test",
        clock=SystemClock(),
    )
    await producer.claim()

    async with world.running():
        await producer.commit([world.event("acme", 1), world.event("acme", 2)])
        await producer.commit([world.event("acme", 3)])
        deliveries = await world.read("deliveries", upto=3)
        async with asyncio.timeout(20):
            while await world.lag(f"{world.prefix}-fanout", "events"):
                pass  # asking takes a while
    await producer.retire()

    assert pairs(deliveries) == {("acme", str(n), "sub_1"): 1 for n in (1, 2, 3)}


async def test_the_window_is_no_larger_after_a_takeover_than_before(world: World) -> None:
    """A successor reads back as far as its bounds say, and no further (PROTOCOL B3)."""
    await world.subscribe("acme", "sub_1")
    events = [world.event("acme", number) for number in range(600)]
    async with world.running():
        await world.append(events)
        await world.read("deliveries", upto=600)

    async with world.running(dedupe_events=300):
        await world.append([events[-1], events[-300], events[0]])
        deliveries = await world.read("deliveries", upto=601)

    doubled = {event for (_, event, _), count in pairs(deliveries).items() if count > 1}
    assert doubled == {"0"}


async def test_a_first_tick_that_failed_is_no_lost_offset(world: World) -> None:
    """Aborted deliveries occupy offsets; the events are fanned out all the same, once."""
    await world.subscribe("acme", "sub_1", enabled_at=0)
    async with world.running(), asyncio.timeout(30):
        while await world.offsets(f"{world.prefix}-fanout", "events") != [0] * PARTITIONS:
            pass  # asking takes a while
    event = world.event("acme", 1)
    lost = msgspec.structs.replace(event, topic=world.topic("deliveries"))
    await world.append_in_vain([lost])

    await world.append([event])
    async with world.running():
        deliveries = await world.read("deliveries", upto=1)

    assert pairs(deliveries) == {("acme", "1", "sub_1"): 1}


async def test_kill_9_under_load_loses_and_doubles_nothing(world: World) -> None:
    """Three lives of the process, two of them cut off in the middle of the load."""
    for subscriber in SUBSCRIBERS:
        await world.subscribe(subscriber, "sub_a")
        await world.subscribe(subscriber, "sub_b")

    for life in range(3):
        async with world.process() as process:
            for batch in range(10):
                await world.append(
                    [
                        world.event(subscriber, life * 1000 + batch * 100 + number)
                        for number in range(10)
                        for subscriber in SUBSCRIBERS
                    ]
                )
            if life < 2:
                await world.read("deliveries", upto=(life * 1200) + 200)
                process.kill()
            else:
                deliveries = await world.read("deliveries", upto=3600)
                process.terminate()
                async with asyncio.timeout(20):
                    assert await process.wait() == 0

    assert len(pairs(deliveries)) == len(deliveries) == 3600


async def _steal_claims(world: World) -> None:
    """Claim every partition's transactional id, as a zombie or a second owner would."""
    for partition in range(PARTITIONS):
        thief = TickProducer(
            world.kafka,
            transactional_id=transactional_id(world.prefix, "fanout", partition),
            client_id="thief",
            clock=SystemClock(),
        )
        await thief.claim()
        await thief.retire()
