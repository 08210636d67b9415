"""A vault key is replaced: old only, both, everything sealed again, new only."""

import base64
import json
from collections.abc import AsyncIterator

import orjson
import pytest

from chassis.clock import SystemClock
from chassis.kafka import Record
from chassis.vault import Vault, parse_keys, sealing_key
from hooklane import vault_command
from hooklane.exits import NOT_FOUND, CommandFailed
from schemas.registry import registry_key
from schemas.topics import partition_of
from tests.e2e.receiver import Receiver
from tests.integration.deliverer_world import CREATED, PARTITIONS, SECRET, VAULT_KEY, World

pytestmark = pytest.mark.kafka

NEW_KEY = "k2:" + base64.b64encode(b"n" * 32).decode()
BOTH = f"{NEW_KEY},{VAULT_KEY}"
LOST = Vault([("lost", b"l" * 32)])
ARRIVAL_S = 40.0


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Give a listening receiver that knows the secret of every subscription."""
    receiver = Receiver()
    receiver.secrets.update(old=SECRET, new=SECRET)
    await receiver.start()
    yield receiver
    await receiver.stop()


@pytest.fixture
async def world(kafka: object, prefix: str) -> World:
    """Give fresh topics."""
    world = World(kafka.bootstrap_servers, prefix)  # type: ignore[attr-defined]
    await world.create_topics()
    return world


async def deliver(world: World, subscription: str, number: int) -> None:
    """Let fan-out have written a delivery for a subscription of acme."""
    accepted_at = SystemClock().now_ms()
    await world.append([world.delivery("acme", subscription, number, accepted_at=accepted_at)])


async def reencrypt(
    world: World, keys: str, *, is_dry: bool = False, partitions: int = PARTITIONS
) -> dict[str, int]:
    """Run the command; gives state → count."""
    settings = vault_command.VaultCommandSettings.model_validate(
        {
            "kafka": world.kafka.model_dump(),
            "topics": {"prefix": world.prefix, "partitions": partitions, "replication_factor": 1},
            "vault": {"keys": keys},
        }
    )
    found = await vault_command.reencrypt(settings, is_dry=is_dry)
    return {f"{key_id} {state}": count for (key_id, state), count in found.items()}


async def test_a_vault_key_is_replaced_without_losing_or_unsigning_a_delivery(
    world: World, receiver: Receiver
) -> None:
    """With the new key alone too early, what it does not open waits; nothing goes out unsigned."""
    vault = Vault(parse_keys(NEW_KEY))
    await world.subscribe("acme", "sub_old", receiver.url("old"))
    await world.subscribe("acme", "sub_new", receiver.url("new"), vault=vault)
    await world.subscribe("other", "sub_else", "https://example.com/")
    await _delete(world, "sub_gone")
    await deliver(world, "sub_old", 1)
    async with world.running(vault_keys=BOTH):
        await receiver.until(lambda: len(receiver.at("old")) == 1, within_s=ARRIVAL_S)

    await deliver(world, "sub_old", 2)
    await deliver(world, "sub_new", 3)
    async with world.running(vault_keys=NEW_KEY):
        await receiver.until(lambda: len(receiver.at("new")) == 1, within_s=ARRIVAL_S)
    early = len(receiver.at("old"))

    before = await reencrypt(world, BOTH, is_dry=True)
    after = await reencrypt(world, BOTH)
    again = await reencrypt(world, BOTH)
    async with world.running(vault_keys=NEW_KEY):
        await receiver.until(lambda: len(receiver.at("old")) == 2, within_s=ARRIVAL_S)

    assert early == 1
    assert before == {"k1 older": 2, "k2 current": 1, "- deleted": 1}
    assert after == again == {"k2 current": 3}
    assert all(one.verified and one.attempt == 1 for one in receiver.at("old"))
    last = {record.key: record.value for record in await world.read("registry")}
    keys = {sealing_key(orjson.loads(value)["sealed"]) for value in last.values()}
    assert keys == {"k2", None}


async def test_what_no_key_opens_is_left_alone_and_told(world: World, receiver: Receiver) -> None:
    """Its key may still be found; the rest is done."""
    await world.subscribe("acme", "sub_lost", receiver.url("old"), vault=LOST)
    await world.subscribe("acme", "sub_old", receiver.url("old"))

    found = await reencrypt(world, BOTH)

    assert found == {"lost closed": 1, "k2 current": 1}


@pytest.mark.parametrize("setting", [1, 12])
async def test_all_of_the_registry_is_sealed_again_whatever_the_setting_says(
    world: World, setting: int
) -> None:
    """What a count too small left out would be lost with the old key."""
    for number in range(6):
        await world.subscribe(f"s{number}", f"sub_{number}", "https://example.com/")
    assert len({partition_of(b"s%d" % number, PARTITIONS) for number in range(6)}) == PARTITIONS

    before = await reencrypt(world, BOTH, is_dry=True, partitions=setting)
    after = await reencrypt(world, BOTH, partitions=setting)

    assert (before, after) == ({"k1 older": 6}, {"k2 current": 6})


async def test_a_registry_that_is_not_there_is_told(world: World) -> None:
    """A mistyped prefix must not look like nothing to do."""
    world.prefix += "x"

    with pytest.raises(CommandFailed, match=f"no topic {world.prefix}.registry") as failed:
        await reencrypt(world, BOTH, is_dry=True)

    assert failed.value.code == NOT_FOUND


async def _delete(world: World, subscription: str) -> None:
    """Write a subscription as an older release left a deleted one: with what was sealed."""
    key = registry_key("acme", "subscription", subscription)
    sealed = Vault(parse_keys(VAULT_KEY)).seal(b"{}", aad=key)
    document = {
        "id": subscription,
        "subscriber": "acme",
        "version": 2,
        "sealed": base64.b64encode(sealed).decode(),
        "created_at": CREATED,
        "updated_at": CREATED,
        "deleted": True,
    }
    place = partition_of(b"acme", PARTITIONS)
    value = json.dumps(document).encode()
    await world.append([Record(world.topic("registry"), place, key, value)])
