"""The registry between real gateway processes: killed, restarted, racing, forgetting."""

import asyncio
from collections import Counter

import aiohttp
import orjson
import pytest

from chassis import kafka
from chassis.kafka import Record
from schemas.topics import partition_of, topic_name
from tests.e2e.stack import eventually
from tests.integration.gateway_world import (
    PARTITIONS,
    WAIT_S,
    World,
    asked,
    running,
    world_fixture,
)

pytestmark = pytest.mark.kafka

world = world_fixture

SUBSCRIPTIONS = "/v1/subscribers/acme/subscriptions"
URL = "https://example.com/hook"
REVOKED_S = 2.0
"""CONTRACT §4."""


async def append(world: World, *records: tuple[bytes, bytes | None], subscriber: str) -> None:
    """Write to the registry beside all writers, as a broken tool would."""
    producer = kafka.producer(world.kafka, client_id="test")
    await kafka.start(producer)
    try:
        place = topic_name(world.prefix, "registry"), partition_of(subscriber.encode(), PARTITIONS)
        await kafka.produce(producer, [Record(*place, *one, []) for one in records])
    finally:
        await kafka.retire(producer)


class Writers:
    """Clients that write to one subscriber through whoever answers, and what they were told."""

    def __init__(self) -> None:
        self.created: list[str] = []
        self.patched: dict[str, int] = {}

    async def create(self, client: aiohttp.ClientSession, count: int) -> None:
        """Make subscriptions one after another until the gateway is gone."""
        for _ in range(count):
            try:
                status, made = await asked(client, "POST", SUBSCRIPTIONS, {"url": URL})
            except aiohttp.ClientError:
                return
            if status == 201:
                self.created.append(str(made["id"]))

    async def patch(self, client: aiohttp.ClientSession, which: str, count: int) -> None:
        """Change one again and again; remembers the last version it was told."""
        for number in range(count):
            body = {"metadata": {"n": str(number)}}
            try:
                status, found = await asked(client, "PATCH", f"{SUBSCRIPTIONS}/{which}", body)
            except aiohttp.ClientError:
                return
            if status == 200:
                self.patched[which] = max(self.patched.get(which, 0), int(str(found["version"])))


async def versions_in(world: World) -> Counter[tuple[str, int]]:
    """Count how often each version of each subscription was committed."""
    found: Counter[tuple[str, int]] = Counter()
    for record in await world.read("registry"):
        if record.value is not None and record.value.startswith(b"{"):
            raw = orjson.loads(record.value)
            found[raw["id"], raw["version"]] += 1
    return found


async def test_a_killed_gateway_loses_no_acknowledged_write(world: World) -> None:
    """Two race on one partition, one is killed amid its writes, a broken record lies between.

    What was acknowledged is there; no version of anything was committed twice.
    """
    writers = Writers()
    async with running(world) as (_, one):
        _, made = await asked(one, "POST", SUBSCRIPTIONS, {"url": URL})
        shared = str(made["id"])
        writers.created.append(shared)
        async with running(world) as (victim, two):
            work = [
                asyncio.create_task(writers.create(client, 12)) for client in (one, two, one, two)
            ]
            work += [
                asyncio.create_task(writers.patch(client, shared, 12)) for client in (one, two)
            ]
            async with asyncio.timeout(WAIT_S):
                while len(writers.created) < 10:  # noqa: ASYNC110 - workers move it
                    await asyncio.sleep(0.01)
            victim.kill()
            key = b"acme/subscription/" + shared.encode()
            await append(world, (key, b"broken"), subscriber="acme")
            await asyncio.gather(*work)
        async with running(world) as (_, three):
            _, seen = await asked(three, "GET", f"{SUBSCRIPTIONS}?limit=250")
            _, there = await asked(one, "GET", f"{SUBSCRIPTIONS}?limit=250")
            _, last = await asked(three, "GET", f"{SUBSCRIPTIONS}/{shared}")

    for answer in (seen, there):
        assert set(writers.created) <= {item["id"] for item in answer["items"]}  # type: ignore[attr-defined]
    assert int(str(last["version"])) >= writers.patched[shared]
    assert set((await versions_in(world)).values()) == {1}


async def follows(client: aiohttp.ClientSession, wanted: int, key: str) -> None:
    """Wait until an event with a key is answered so, for no longer than the contract allows."""
    event = {"subscriber": "acme", "type": "t"}

    async def is_so() -> bool:
        return (await asked(client, "POST", "/v1/events", event, key))[0] == wanted

    await eventually(is_so, within_s=REVOKED_S, what=f"a {wanted}", every_s=0.02)


async def test_a_revocation_and_a_creation_hold_in_every_process(world: World) -> None:
    """Made here, used there at once; revoked there, refused here within two seconds."""
    async with running(world) as (_, one), running(world) as (_, two):
        _, key = await asked(one, "POST", "/v1/keys", {"name": "k", "scopes": ["events:write"]})
        token = str(key["key"])
        await follows(two, 202, token)
        await asked(two, "DELETE", f"/v1/keys/{key['id']}")
        await follows(one, 401, token)


async def tombstones_in(world: World) -> list[bytes]:
    """Give the keys whose last record is a tombstone."""
    last = {record.key: record.value for record in await world.read("registry")}
    return [key for key, value in last.items() if value is None]


async def test_what_was_deleted_is_forgotten_even_after_a_restart(world: World) -> None:
    """Its age lies in the log, not in a process; what was made again is left alone."""
    names = ["/v1/event-types/gone", "/v1/event-types/again", "/v1/subscribers/acme"]
    async with world.gateway(registry={"tombstone_interval_s": 0.1}) as client:
        for name in names:
            await asked(client, "PUT", name, {})
        _, made = await asked(client, "POST", SUBSCRIPTIONS, {"url": URL})
        _, key = await asked(client, "POST", "/v1/keys", {"name": "k", "scopes": ["admin"]})
        for name in (*names, f"{SUBSCRIPTIONS}/{made['id']}", f"/v1/keys/{key['id']}"):
            await asked(client, "DELETE", f"{name}?cascade=true" if "acme" in name else name)
        await asked(client, "PUT", names[1], {"description": "again"})
        early = await tombstones_in(world)

    async with world.gateway(
        registry={"tombstone_interval_s": 0.1, "tombstone_after_s": 1}
    ) as client:
        wanted = {
            b"$event-types/event-type/gone",
            b"acme/subscriber/acme",
            f"acme/subscription/{made['id']}".encode(),
            f"$keys/key/{key['id']}".encode(),
        }

        async def is_forgotten() -> bool:
            return set(await tombstones_in(world)) == wanted

        await eventually(is_forgotten, within_s=WAIT_S, what="all tombstones")
        status, again = await asked(client, "GET", names[1])

    assert early == []
    assert (status, again["description"]) == (200, "again")
    secrets = [one.value for one in await world.read("registry") if b"/sub_" in one.key]
    assert orjson.loads(secrets[-2])["sealed"] == ""
