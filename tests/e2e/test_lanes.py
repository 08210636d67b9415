"""Order through failures and changes of mind, with real processes on a real Kafka.

The tests share one running stack; each has a subscriber and paths of its own.
"""

import base64
import json
import secrets
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer

from chassis.clock import SystemClock
from schemas.delivery import DELIVERY_HEADER, DeliveryEnvelope, encode_delivery, lane_key
from tests.conftest import Broker
from tests.e2e.log import header, read_topic
from tests.e2e.order import Run, read_dead, read_deliveries
from tests.e2e.receiver import HANG_UP, Answer, Delivery, Receiver, first_attempts
from tests.e2e.stack import Stack, eventually

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.timeout(120),
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("lanes"),  # one stack serves them all
]

PATIENT = {"schedule_s": [5.0] * 4}
"""Long enough for a change to be made while the head waits, with room to spare."""
MORE_PATIENT = {"schedule_s": [8.0]}
"""Later than that: when it comes, the other one's would have come."""
EAGER = {"schedule_s": [0.2, 0.2]}
BACKLOG = 600
DROPPED = 'hooklane_deliveries_dropped_total{reason="deleted"}'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(
    kafka: Broker, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Stack, Receiver]]:
    """Start all three services and a receiver once for this file."""
    receiver = Receiver()
    await receiver.start()
    folder: Path = tmp_path_factory.mktemp("lanes")
    stack = Stack(kafka.bootstrap_servers, f"t{secrets.token_hex(5)}", folder)
    await stack.topics()
    await stack.start()
    yield stack, receiver
    await stack.stop()
    await receiver.stop()


async def _publish(stack: Stack, subscriber: str, numbers: Sequence[int]) -> list[str]:
    """Publish one event a number, in order; give the webhook ids."""
    return [(await stack.publish(subscriber, number))["webhook_id"] for number in numbers]


async def _change(stack: Stack, subscription: dict[str, Any], **fields: Any) -> None:
    path = f"/v1/subscribers/{subscription['subscriber']}/subscriptions/{subscription['id']}"
    status, body = await stack.api("PATCH", path, json=fields)
    assert status == 200, body


async def _subscribe(stack: Stack, subscriber: str, url: str, **fields: Any) -> dict[str, Any]:
    return {**await stack.subscribe(subscriber, url, **fields), "subscriber": subscriber}


async def _metric(stack: Stack, line: str) -> float:
    """Read one counter of the deliverer, 0 when it was never counted."""
    (deliverer,) = (one for one in stack.running if one.name == "deliverer")
    async with stack.session.get(f"http://127.0.0.1:{deliverer.admin_port}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return sum(float(one.split()[-1]) for one in lines if one.startswith(line))


def _failing(times: int) -> Answer:
    """Answer 500 so many times, then 204."""
    left = [times]

    def answer(_: Delivery) -> int:
        left[0] -= 1
        return 500 if left[0] >= 0 else 204

    return answer


def _flapping(delivery: Delivery) -> int:
    """Fail by number of event and attempt: every third at first, every seventh for ever."""
    number = int(delivery.body)
    if number % 7 == 3:
        return 500
    if number % 3 == 1 and delivery.attempt == 1:
        return HANG_UP if number % 2 else 503
    return 204


async def test_lanes_of_every_kind_keep_their_promise(shared: tuple[Stack, Receiver]) -> None:
    """Flapping receivers: strict and keyed lanes in order, none repeats, none loses."""
    stack, receiver = shared
    paths = {name: f"kinds-{name}" for name in ("strict", "none")}
    made = {
        name: await stack.subscribe("kinds", receiver.url(path), ordering=name, retry=EAGER)
        for name, path in paths.items()
    }
    steady = await stack.subscribe("kinds", receiver.url("kinds-steady"))
    for path in paths.values():
        receiver.answers[path] = _flapping

    for number in range(120):
        key = {"ordering_key": f"k{number % 4}"} if number % 5 else {}
        await stack.publish("kinds", number, **key)
    hopeless = sum(1 for number in range(120) if number % 7 == 3)
    await receiver.until(
        lambda: (
            len(receiver.accepted("kinds-steady")) == 120
            and all(len(receiver.accepted(path)) == 120 - hopeless for path in paths.values())
        ),
        within_s=40,
    )
    ours = {one["id"] for one in (*made.values(), steady)}

    async def has_given_up() -> bool:
        return sum(1 for (of, _), _ in await read_dead(stack) if of in ours) >= 2 * hopeless

    await eventually(has_given_up, within_s=30, what="every hopeless event in dead-letters")
    at = {paths[name]: made[name]["id"] for name in paths} | {"kinds-steady": steady["id"]}
    run = Run(
        [one for one in await read_deliveries(stack) if one.subscription in ours],
        [key for key, _ in await read_dead(stack) if key[0] in ours],
        [one for one in receiver.received if one.path in at],
        subscription_at=at,
    )
    assert len(run.log) == 360
    assert run.doubled() == run.lost() == run.invented() == []
    assert run.repeats() == run.early(EAGER["schedule_s"]) == []
    strict = {one.lane for one in run.log if one.subscription != made["none"]["id"]}
    assert len(strict) == 10
    assert run.overtakings(lanes=strict) == []


async def test_a_long_backlog_is_read_again_in_order(shared: tuple[Stack, Receiver]) -> None:
    """Far more than a lane queues waits behind a failing head; it all comes, in order, once."""
    stack, receiver = shared
    receiver.answers["backlog"] = _failing(1)
    await stack.subscribe("backlog", receiver.url("backlog"), retry=PATIENT)
    await stack.subscribe("backlog", receiver.url("backlog-beside"))
    ids: list[str] = []
    for first in range(0, BACKLOG, 200):
        items = [
            {"subscriber": "backlog", "type": "order.paid", "data": number}
            for number in range(first, first + 200)
        ]
        status, body = await stack.api("POST", "/v1/events/batch", json=items)
        assert status == 202, body
        ids += [item["webhook_id"] for item in body["items"]]

    await receiver.until(lambda: len(receiver.accepted("backlog")) == BACKLOG, within_s=60)

    assert receiver.accepted("backlog") == ids
    assert len(receiver.at("backlog")) == BACKLOG + 1
    assert receiver.accepted("backlog-beside") == ids


async def test_a_pause_keeps_everything_in_order(shared: tuple[Stack, Receiver]) -> None:
    """What comes after an acknowledged pause waits; resumed, all of it comes in order."""
    stack, receiver = shared
    paused = await _subscribe(stack, "pause", receiver.url("pause"))
    await stack.subscribe("pause", receiver.url("pause-witness"))
    before = await _publish(stack, "pause", range(3))
    await receiver.until(lambda: receiver.accepted("pause") == before, within_s=30)

    await _change(stack, paused, status="paused")
    kept = await _publish(stack, "pause", range(3, 8))
    await receiver.until(
        lambda: receiver.accepted("pause-witness") == [*before, *kept], within_s=30
    )
    while_paused = receiver.accepted("pause")
    await _change(stack, paused, status="active")
    after = await _publish(stack, "pause", range(8, 10))
    await receiver.until(lambda: len(receiver.accepted("pause")) == 10, within_s=30)

    assert while_paused == before
    assert receiver.accepted("pause") == [*before, *kept, *after]


async def test_a_delete_while_held_ends_the_lane(shared: tuple[Stack, Receiver]) -> None:
    """Deleted while its head waits: neither the head nor what is behind comes."""
    stack, receiver = shared
    receiver.answers["delete"] = lambda _: 500
    receiver.answers["delete-witness"] = _failing(1)
    deleted = await _subscribe(stack, "delete", receiver.url("delete"), retry=PATIENT)
    before = await _metric(stack, DROPPED)
    await _publish(stack, "delete", range(4))
    await receiver.until(lambda: len(receiver.at("delete")) == 1, within_s=30)

    path = f"/v1/subscribers/delete/subscriptions/{deleted['id']}"
    status, _ = await stack.api("DELETE", path)
    assert status == 204
    # Its retry comes after the deleted one's would.
    await stack.subscribe("delete", receiver.url("delete-witness"), retry=MORE_PATIENT)
    (witness,) = await _publish(stack, "delete", [9])
    await receiver.until(lambda: receiver.accepted("delete-witness") == [witness], within_s=30)

    assert len(receiver.at("delete")) == 1
    assert await _metric(stack, DROPPED) > before


async def test_disabling_drops_and_enabling_starts_anew(shared: tuple[Stack, Receiver]) -> None:
    """Disabled while its head waits, then enabled: only what was accepted afterwards comes."""
    stack, receiver = shared
    receiver.answers["renew"] = _failing(1)
    receiver.answers["renew-witness"] = _failing(1)
    renewed = await _subscribe(stack, "renew", receiver.url("renew"), retry=PATIENT)
    await _publish(stack, "renew", range(3))
    await receiver.until(lambda: len(receiver.at("renew")) == 1, within_s=30)

    await _change(stack, renewed, status="disabled")
    await _publish(stack, "renew", range(3, 5))
    await stack.subscribe("renew", receiver.url("renew-witness"), retry=MORE_PATIENT)
    witness = await _publish(stack, "renew", [5])
    # A fan-out that is a moment late gives a new subscription what came right before it, too.
    await receiver.until(lambda: receiver.accepted("renew-witness")[-1:] == witness, within_s=30)
    await _change(stack, renewed, status="active")
    after = await _publish(stack, "renew", range(6, 9))
    await receiver.until(lambda: len(receiver.accepted("renew")) >= 3, within_s=30)

    assert receiver.accepted("renew") == after
    assert len(receiver.at("renew")) == 4


async def test_a_change_of_ordering_drains_the_old_lane(shared: tuple[Stack, Receiver]) -> None:
    """Made unordered while its head waits: new events flow at once, the old ones stay in order."""
    stack, receiver = shared
    receiver.answers["modes"] = lambda d: 500 if d.body == b"0" and d.attempt == 1 else 204
    changed = await _subscribe(stack, "modes", receiver.url("modes"), retry=PATIENT)
    old = await _publish(stack, "modes", range(4))
    await receiver.until(lambda: len(receiver.at("modes")) == 1, within_s=30)

    await _change(stack, changed, ordering="none")
    new = await _publish(stack, "modes", range(4, 8))
    await receiver.until(lambda: len(receiver.accepted("modes")) == 8, within_s=30)

    accepted = receiver.accepted("modes")
    assert set(accepted[:4]) == set(new)
    assert accepted[4:] == old


async def test_an_edit_while_held_is_used_at_once(shared: tuple[Stack, Receiver]) -> None:
    """A new URL and secret, set while the head waits, serve its retry and all behind it."""
    stack, receiver = shared
    receiver.answers["edit-old"] = lambda _: 500
    edited = await _subscribe(stack, "edit", receiver.url("edit-old"), retry=PATIENT)
    ids = await _publish(stack, "edit", range(4))
    await receiver.until(lambda: len(receiver.at("edit-old")) == 1, within_s=30)

    fresh = "whsec_" + base64.b64encode(b"a secret of thirty-two bytes, ok!").decode()
    receiver.secrets["edit-new"] = fresh
    await _change(stack, edited, url=receiver.url("edit-new"), secret=fresh)
    await receiver.until(lambda: len(receiver.accepted("edit-new")) == 4, within_s=30)

    assert receiver.accepted("edit-new") == ids
    assert [one.attempt for one in receiver.at("edit-new")] == [2, 1, 1, 1]
    assert all(one.verified for one in receiver.at("edit-new"))
    assert len(receiver.at("edit-old")) == 1


async def test_what_is_too_old_is_given_up_in_its_turn(shared: tuple[Stack, Receiver]) -> None:
    """Older than `max_age_s`: a dead letter without an attempt, and the lane goes on in order."""
    stack, receiver = shared
    made = await _subscribe(
        stack, "ages", receiver.url("ages"), retry={"schedule_s": [], "max_age_s": 60}
    )
    ids = await _publish(stack, "ages", [0])
    await receiver.until(lambda: receiver.accepted("ages") == ids, within_s=30)
    await _append_old(stack, made, range(3), age_ms=3_600_000)
    fresh = await _publish(stack, "ages", [1])
    await receiver.until(lambda: receiver.accepted("ages") == [*ids, *fresh], within_s=30)

    assert await _letters(stack, made, 3) == ["expired"] * 3
    assert first_attempts(receiver.at("ages")) == [*ids, *fresh]


async def test_a_held_head_outlasts_a_pause_and_another_its_age(
    shared: tuple[Stack, Receiver],
) -> None:
    """Due while paused it is parked again, no attempt burnt; due too old it is a dead letter."""
    stack, receiver = shared
    receiver.answers["rest"] = receiver.answers["aged"] = lambda d: (
        500 if d.body == b"0" and d.attempt == 1 else 204
    )
    rested = await _subscribe(stack, "rest", receiver.url("rest"), retry={"schedule_s": [4.0]})
    aged = await _subscribe(
        stack, "aged", receiver.url("aged"), retry={"schedule_s": [10.0], "max_age_s": 60}
    )
    await _publish(stack, "aged", [9])
    ids = await _publish(stack, "rest", range(3))
    await receiver.until(
        lambda: len(receiver.at("rest")) == len(receiver.at("aged")) == 1, within_s=30
    )
    await _change(stack, rested, status="paused")
    await _append_old(stack, aged, range(2), age_ms=52_000)

    async def is_parked_again() -> bool:
        return rested["id"] in {of for of, _ in await _parked(stack, "30s")}

    await eventually(is_parked_again, within_s=30, what="the head in the next delay topic")
    await _change(stack, rested, status="active")
    await receiver.until(lambda: receiver.accepted("rest") == ids, within_s=60)

    assert [one.attempt for one in receiver.at("rest")] == [1, 2, 1, 1]
    assert (rested["id"], 2) in await _parked(stack, "30s")
    assert [(one.body, one.attempt) for one in receiver.at("aged")] == [(b"9", 1), (b"0", 1)]
    assert await _letters(stack, aged, 2) == ["expired", "expired"]


async def _letters(stack: Stack, subscription: dict[str, Any], count: int) -> list[str]:
    """Give why letters of a subscription are dead, once there are so many.

    A lane goes on when a commit is answered; it is shown when its markers are written.
    """
    reasons: list[str] = []

    async def are_there() -> bool:
        dead = await read_dead(stack)
        reasons[:] = [reason for (of, _), reason in dead if of == subscription["id"]]
        return len(reasons) >= count

    await eventually(are_there, within_s=30, what=f"{count} dead letters")
    return reasons


async def _parked(stack: Stack, tier: str) -> list[tuple[str, int]]:
    """Read who waited in a delay topic for which attempt."""
    records = await read_topic(stack.bootstrap_servers, f"{stack.prefix}.retry.{tier}")
    found = [header(record, "retry") for record in records]
    return [(retry["subscription"], retry["attempt"]) for retry in found]


async def _append_old(
    stack: Stack, to: dict[str, Any], numbers: Sequence[int], *, age_ms: int
) -> None:
    """Append deliveries that were accepted a while ago: an outage, without the waiting."""
    records = await read_topic(stack.bootstrap_servers, f"{stack.prefix}.deliveries")
    like = next(r for r in records if header(r, "delivery")["subscription"] == to["id"])
    kept = [(name, value) for name, value in like.headers if name != DELIVERY_HEADER]
    producer = AIOKafkaProducer(bootstrap_servers=stack.bootstrap_servers)
    await producer.start()
    for number in numbers:
        old = DeliveryEnvelope(
            webhook_id=f"msg_{number:026d}",
            lane=lane_key(to["id"], 1, None),
            subscription=to["id"],
            kind="first",
            accepted_at=SystemClock().now_ms() - age_ms,
            registry_offset=header(like, "delivery")["registry_offset"],
        )
        await producer.send_and_wait(
            f"{stack.prefix}.deliveries",
            json.dumps(number).encode(),
            key=like.key,
            partition=like.partition,
            headers=[*kept, (DELIVERY_HEADER, encode_delivery(old))],
        )
    await producer.stop()
