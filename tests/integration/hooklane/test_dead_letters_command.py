"""Commands that show what was given up and send it again, on topics of a real Kafka."""

import asyncio
import json
from typing import Any

import msgspec
import pytest

from chassis.clock import SystemClock
from chassis.kafka import Record
from hooklane.dead_letters_command import Choice, run_list, run_redrive, run_replay
from hooklane.exits import INVALID, NOT_FOUND, CommandFailed
from schemas.cloudevents import TARGET_HEADER
from schemas.dead_letter import DeadLetterEnvelope, DeadLetterReason
from schemas.delivery import DEAD_LETTER_HEADER, DELIVERY_HEADER
from schemas.registry import registry_key
from schemas.topics import partition_of
from tests.conftest import Broker
from tests.integration.deliverer_world import CREATED, PARTITIONS, World

pytestmark = pytest.mark.kafka
URL = "https://example.com/"
SUBSCRIBERS = tuple(
    next(f"s{n}" for n in range(99) if partition_of(b"s%d" % n, PARTITIONS) == partition)
    for partition in range(PARTITIONS)
)
"""One of each partition."""


@pytest.fixture
def world(kafka: Broker, prefix: str) -> World:
    """Give fresh topics."""
    world = World(kafka.bootstrap_servers, prefix)
    asyncio.run(world.create_topics())
    return world


def variables(world: World, **others: str) -> dict[str, str]:
    """Name Kafka and the topics, as an operator would."""
    return {
        "HOOKLANE_KAFKA__BOOTSTRAP_SERVERS": ",".join(world.kafka.bootstrap_servers),
        "HOOKLANE_TOPICS__PREFIX": world.prefix,
        **others,
    }


def dead(world: World, subscriber: str, subscription: str, number: int) -> list[Record]:
    """Return a delivery, and the dead letter that became of it."""
    first = world.delivery(subscriber, subscription, number, accepted_at=SystemClock().now_ms())
    letter = DeadLetterEnvelope(
        webhook_id=f"msg_{subscription}_{number}",
        event_id=str(number),
        subscriber=subscriber,
        subscription=subscription,
        type="order.paid",
        sequence=number,
        reason=DeadLetterReason.EXHAUSTED,
        attempts=1,
        first_attempt_at=CREATED,
        last_attempt_at=CREATED,
        last_outcome=None,
        last_status=500,
        dead_at=CREATED,
    )
    headers = [one for one in first.headers if one[0] != DELIVERY_HEADER]
    headers.append((DEAD_LETTER_HEADER, letter.encode()))
    return [
        first,
        msgspec.structs.replace(first, topic=world.topic("dead-letters"), headers=headers),
    ]


@pytest.mark.parametrize("setting", [{}, {"HOOKLANE_TOPICS__PARTITIONS": "1"}])
def test_all_partitions_are_read_whatever_the_setting_says(
    world: World, setting: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A count too small hid what was given up, one too large (the default) ended in silence."""
    records = [one for name in SUBSCRIBERS for one in dead(world, name, f"sub_{name}", 1)]
    asyncio.run(world.append(records))
    for name in SUBSCRIBERS:
        asyncio.run(world.subscribe(name, f"sub_{name}", URL))
    given = variables(world, **setting)

    def subscriptions() -> set[str]:
        return {row["subscription"] for row in json.loads(capsys.readouterr().out)}

    assert run_list(given, Choice(), "json") == 0
    listed = subscriptions()
    assert run_redrive(given, Choice(since="1h"), "json", is_dry=True) == 0
    redriven = subscriptions()
    assert run_replay(given, Choice(since="1h"), "json", is_dry=True) == 0
    replayed = subscriptions()

    assert listed == redriven == replayed == {f"sub_{name}" for name in SUBSCRIBERS}


def test_a_mistyped_prefix_is_told_and_makes_no_topic(world: World) -> None:
    """Asking for a topic that is not there would let many a broker create it."""
    given = variables(world, HOOKLANE_TOPICS__PREFIX=f"{world.prefix}x")

    with pytest.raises(CommandFailed, match=f"no topic {world.prefix}x.dead-letters") as listed:
        run_list(given, Choice(), "table")
    with pytest.raises(CommandFailed, match=f"no topic {world.prefix}x.deliveries") as replayed:
        run_replay(given, Choice(since="1h"), "table", is_dry=False)

    assert (listed.value.code, replayed.value.code) == (NOT_FOUND, NOT_FOUND)


def targets(world: World) -> list[str]:
    """Say which subscriptions the events in the topic are for."""
    return [dict(one.headers)[TARGET_HEADER].decode() for one in asyncio.run(world.read("events"))]


def test_what_nobody_would_get_is_left_out_and_named(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """The rest is sent, also to a paused one, which keeps it; the code is that of the first.

    A tombstone ends a subscription; a record that cannot be read leaves the one before.
    """
    states: dict[str, dict[str, Any]] = {
        "sub_deleted": {"deleted": True},
        "sub_disabled": {"status": "disabled"},
        "sub_paused": {"status": "paused"},
        "sub_well": {},
    }
    records = []
    for number, name in enumerate([*states, "sub_unknown", "sub_disabled"]):
        records += dead(world, SUBSCRIBERS[number % 2], name, number)
    for name, state in {**states, "sub_unknown": {}}.items():
        for subscriber in SUBSCRIBERS:
            asyncio.run(world.subscribe(subscriber, name, URL, **state))
    for number, subscriber in enumerate(SUBSCRIBERS):
        for name, value in (("sub_unknown", b"{}"), ("sub_unknown", None), ("sub_well", b"{")):
            key = registry_key(subscriber, "subscription", name)
            records.append(Record(world.topic("registry"), number, key, value))
    asyncio.run(world.append(records))
    given = variables(world)
    everything = Choice(since="1h")

    dry = run_redrive(given, everything, "json", is_dry=True)
    nothing_yet = targets(world)
    shown = capsys.readouterr()
    code = run_redrive(given, everything, "json", is_dry=False)

    assert (dry, nothing_yet) == (NOT_FOUND, [])
    assert {row["subscription"] for row in json.loads(shown.out)} == {"sub_paused", "sub_well"}
    assert "2 would be sent again" in shown.err
    assert "1 left out: sub_deleted was deleted" in shown.err
    assert "1 left out: sub_unknown is not known" in shown.err
    assert "2 left out: sub_disabled is disabled: set its status to active first" in shown.err
    assert "the limit" not in shown.err
    assert code == NOT_FOUND
    assert sorted(targets(world)) == ["sub_paused", "sub_well"]

    assert run_redrive(given, Choice(since="1h", limit=1), "json", is_dry=True) == NOT_FOUND
    told = capsys.readouterr().err
    assert "0 would be sent again" in told
    assert "the limit is reached; what was left out counts, too: narrow with" in told


@pytest.mark.parametrize(
    ("state", "code"), [({"status": "disabled"}, INVALID), ({"deleted": True}, NOT_FOUND)]
)
def test_a_replay_to_nobody_sends_nothing(world: World, state: dict[str, Any], code: int) -> None:
    """What the registry said last counts."""
    asyncio.run(world.subscribe("acme", "sub_1", URL))
    asyncio.run(world.subscribe("acme", "sub_1", URL, **state))
    asyncio.run(world.append(dead(world, "acme", "sub_1", 1)))

    found = run_replay(
        variables(world), Choice(subscription="sub_1", since="1h"), "table", is_dry=False
    )

    assert (found, targets(world)) == (code, [])
