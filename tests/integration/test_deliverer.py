"""The deliverer on a real Kafka, sending real HTTP to a receiver of this process."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from chassis.clock import SystemClock
from deliverer.policy.pacing import OUTPUTS_MAX
from tests.e2e.receiver import Delivery, Receiver, first_attempts
from tests.integration.deliverer_world import SECRET, World

pytestmark = pytest.mark.kafka

ARRIVAL_S = 40.0


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


async def test_deliveries_of_a_lane_arrive_signed_and_in_order(
    world: World, receiver: Receiver
) -> None:
    """What lies in `deliveries` is POSTed once, in the order of the log, and verifies."""
    receiver.secrets["a"] = SECRET
    await world.subscribe("acme", "sub_a", receiver.url("a"))
    records = [world.delivery("acme", "sub_a", n, accepted_at=world.accepted_at) for n in range(50)]
    await world.append(records, transactional_id=f"{world.prefix}-fanout")

    async with world.running():
        await receiver.until(lambda: len(receiver.at("a")) >= 50, within_s=ARRIVAL_S)

    arrived = receiver.at("a")
    assert [d.webhook_id for d in arrived] == [f"msg_sub_a_{n}" for n in range(50)]
    assert all(d.verified and d.attempt == 1 for d in arrived)
    assert [d.sequence for d in arrived] == list(range(50))
    attempts = await world.read("attempts", lambda seen: len(seen) >= 50)
    assert len(attempts) == 50
    assert {json.loads(record.value)["outcome"] for record in attempts} == {"delivered"}


async def test_a_failed_head_is_retried_before_its_successors_and_others_flow(
    world: World, receiver: Receiver
) -> None:
    """A strict lane waits for its head's retry; the other lane is not held up by it."""

    def flaky(delivery: Delivery) -> int:
        return 500 if delivery.webhook_id == "msg_sub_a_1" and delivery.attempt < 3 else 204

    receiver.answers["a"] = flaky
    retry = {"schedule_s": [0.1, 0.1, 0.1], "max_age_s": 3600}
    await world.subscribe("acme", "sub_a", receiver.url("a"), retry=retry)
    await world.subscribe("acme", "sub_b", receiver.url("b"))
    records = [
        world.delivery("acme", sub, n, accepted_at=world.accepted_at)
        for n in range(5)
        for sub in ("sub_a", "sub_b")
    ]
    await world.append(records, transactional_id=f"{world.prefix}-fanout")

    async with world.running():
        await receiver.until(
            lambda: len(receiver.accepted("a")) == 5 and len(receiver.at("b")) == 5,
            within_s=ARRIVAL_S,
        )

    assert [(d.webhook_id[-1], d.attempt) for d in receiver.at("a")] == [
        ("0", 1), ("1", 1), ("1", 2), ("1", 3), ("2", 1), ("3", 1), ("4", 1),
    ]  # fmt: skip
    order = [(d.path, d.webhook_id[-1]) for d in receiver.received]
    assert order.index(("b", "4")) < order.index(("a", "2"))
    parked = await world.read("retry.5s", lambda seen: len(seen) >= 2)
    assert [json.loads(dict(r.headers)["retry"])["attempt"] for r in parked] == [2, 3]
    assert all(dict(r.headers)["delivery"] for r in parked)


async def test_an_exhausted_delivery_is_a_dead_letter_and_its_lane_goes_on(
    world: World, receiver: Receiver
) -> None:
    """After the last allowed failure the data lies in `dead-letters`, the next one is sent."""
    receiver.answers["a"] = lambda d: 500 if d.webhook_id == "msg_sub_a_0" else 200
    retry = {"schedule_s": [], "max_age_s": 3600}
    await world.subscribe("acme", "sub_a", receiver.url("a"), retry=retry)
    await world.append(
        [world.delivery("acme", "sub_a", n, accepted_at=world.accepted_at) for n in range(2)]
    )

    async with world.running():
        await receiver.until(lambda: len(receiver.accepted("a")) == 1, within_s=ARRIVAL_S)

    (letter,) = await world.read("dead-letters", lambda seen: len(seen) >= 1)
    envelope = json.loads(dict(letter.headers)["dead_letter"])
    assert letter.value == b'{"number": 0}'
    assert (envelope["reason"], envelope["attempts"], envelope["last_status"]) == (
        "exhausted", 1, 500,
    )  # fmt: skip


async def test_gone_disables_the_subscription(world: World, receiver: Receiver) -> None:
    """A 410 makes a dead letter, stops the lane and writes `disabled` into the registry."""
    receiver.answers["a"] = lambda _: 410
    await world.subscribe("acme", "sub_a", receiver.url("a"))
    await world.append(
        [world.delivery("acme", "sub_a", n, accepted_at=world.accepted_at) for n in range(5)]
    )

    async with world.running():
        registry = await world.read("registry", lambda seen: len(seen) >= 2)

    document = json.loads(registry[-1].value)
    assert (document["status"], document["status_reason"]) == ("disabled", "gone")
    assert (document["version"], document["drop_before"]) == (2, document["lane_epoch"])
    assert len(receiver.at("a")) == 1


async def test_a_record_that_cannot_be_read_is_set_aside(world: World, receiver: Receiver) -> None:
    """Junk in `deliveries` goes to the quarantine and its neighbours are delivered."""
    await world.subscribe("acme", "sub_a", receiver.url("a"))
    good = [world.delivery("acme", "sub_a", n, accepted_at=world.accepted_at) for n in range(2)]
    junk = msgspec.structs.replace(good[0], headers=[("delivery", b"{not json")])
    await world.append([good[0], junk, good[1]])

    async with world.running():
        await receiver.until(lambda: len(receiver.at("a")) == 2, within_s=ARRIVAL_S)
        (aside,) = await world.read("quarantine", lambda seen: len(seen) >= 1)

    value = json.loads(aside.value)
    assert (value["stage"], value["reason"], value["offset"]) == ("deliverer", "bad_json", 1)


async def test_a_killed_deliverer_is_continued_where_its_last_tick_ended(
    world: World, receiver: Receiver, tmp_path: Path
) -> None:
    """After kill -9 mid-load nothing is lost, order holds, and only the last tick repeats."""
    total, killed_after = 1200, 800
    await world.subscribe("acme", "sub_a", receiver.url("a"))
    await world.append(
        [world.delivery("acme", "sub_a", n, accepted_at=world.accepted_at) for n in range(total)],
        transactional_id=f"{world.prefix}-fanout",
    )

    log = tmp_path / "deliverer.log"
    async with world.process(log):
        await receiver.until(lambda: len(receiver.at("a")) >= killed_after, within_s=ARRIVAL_S)
    async with world.process(log):
        await receiver.until(
            lambda: len({d.webhook_id for d in receiver.at("a")}) == total, within_s=ARRIVAL_S
        )

    ids = [int(d.webhook_id.rsplit("_", 1)[1]) for d in receiver.at("a")]
    repeats = len(ids) - total
    assert first_attempts(receiver.at("a")) == [f"msg_sub_a_{n}" for n in range(total)]
    # One tick's worth was waiting, another may have been under way.
    assert repeats <= 2 * OUTPUTS_MAX, log.read_text()[-2000:]
    resumed_at = next(i for i in range(1, len(ids)) if ids[i] != ids[i - 1] + 1) if repeats else 0
    assert ids[resumed_at:] == list(range(ids[resumed_at], total))


async def test_a_held_lane_stays_held_across_a_restart(world: World, receiver: Receiver) -> None:
    """The successor does not start what lies behind a head that waits in a delay topic."""
    is_up = False
    receiver.answers["a"] = lambda _: 200 if is_up else 500
    retry = {"schedule_s": [6.0, 0.1], "max_age_s": 3600}
    await world.subscribe("acme", "sub_a", receiver.url("a"), retry=retry)
    await world.append(
        [world.delivery("acme", "sub_a", n, accepted_at=world.accepted_at) for n in range(3)]
    )

    async with world.running():
        await receiver.until(lambda: len(receiver.at("a")) == 1, within_s=ARRIVAL_S)
        await world.read("retry.5s", lambda seen: len(seen) == 1)
    is_up = True
    async with world.running():
        await receiver.until(lambda: len(receiver.at("a")) == 4, within_s=ARRIVAL_S)

    assert [(d.webhook_id[-1], d.attempt) for d in receiver.at("a")] == [
        ("0", 1), ("0", 2), ("1", 1), ("2", 1),
    ]  # fmt: skip


async def test_a_dead_receivers_backlog_does_not_stop_its_partition(
    world: World, receiver: Receiver
) -> None:
    """P6: more waits for a dead endpoint than memory may hold, and the others go on.

    When it comes back, everything arrives in order from the log.
    """
    is_up, total = False, 400
    receiver.answers["a"] = lambda _: 200 if is_up else 500
    retry = {"schedule_s": [3.0] * 20, "max_age_s": 3600}
    await world.subscribe("acme", "sub_a", receiver.url("a"), retry=retry)
    await world.subscribe("acme", "sub_b", receiver.url("b"))
    heavy = b'"' + b"x" * 8192 + b'"'
    records = [
        msgspec.structs.replace(
            world.delivery("acme", "sub_a", n, accepted_at=world.accepted_at), value=heavy
        )
        for n in range(total)
    ]
    await world.append(records, transactional_id=f"{world.prefix}-fanout")
    await world.append(
        [world.delivery("acme", "sub_b", n, accepted_at=world.accepted_at) for n in range(5)],
        transactional_id=f"{world.prefix}-fanout",
    )

    async with world.running(buffer_bytes=1_048_576):
        await receiver.until(lambda: len(receiver.at("b")) == 5, within_s=ARRIVAL_S)
        assert receiver.accepted("a") == []
        is_up = True
        await receiver.until(lambda: len(receiver.accepted("a")) == total, within_s=ARRIVAL_S)

    assert receiver.accepted("a") == [f"msg_sub_a_{n}" for n in range(total)]
    assert receiver.accepted("b") == [f"msg_sub_b_{n}" for n in range(5)]


async def test_a_delivery_waits_for_the_registry_it_was_matched_by(
    world: World, receiver: Receiver
) -> None:
    """A subscription that our table has not read yet is unknown, not deleted (R1)."""
    place = world.delivery("acme", "sub_a", 0, accepted_at=0).partition
    async with world.running():
        await world.append(
            [world.delivery("acme", "sub_a", 0, registry_offset=1, accepted_at=world.accepted_at)]
        )
        await world.read("deliveries", lambda seen: len(seen) == 1)
        await world.subscribe("acme", "sub_a", receiver.url("a"))
        await receiver.until(lambda: len(receiver.at("a")) == 1, within_s=ARRIVAL_S)

    assert place in range(2)
    assert receiver.at("a")[0].webhook_id == "msg_sub_a_0"
