"""A gateway whose Kafka stops, dies or is not as it should be, and one that is told to end."""

import asyncio
import signal
from collections.abc import Iterator, Mapping

import aiohttp
import pytest

from hooklane.embedded_kafka import EmbeddedKafka
from tests.conftest import Broker
from tests.integration.gateway_world import HOST, ROOT_KEY, WAIT_S, World, process
from tests.ports import free_port

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("gateway-faults")]  # one broker for all

DEADLINE_S = 2.0
MARGIN_S = 3.0
"""What a busy machine may add to a deadline; without one the answer would take minutes."""


@pytest.fixture(scope="module")
def node() -> Iterator[EmbeddedKafka]:
    """Give a broker that the tests of this module may stop; it runs when each of them begins."""
    with EmbeddedKafka() as made:
        yield made


async def publish(client: aiohttp.ClientSession, event_id: str) -> tuple[int, str | None]:
    """Send one event and give status and code."""
    event = {"subscriber": "acme", "type": "t", "id": event_id}
    async with client.post("/v1/events", json=event) as response:
        return response.status, (await response.json(content_type=None)).get("code")


async def ids_in(world: World) -> list[str]:
    """Give the ids of all events that were written."""
    return [dict(record.headers)["ce_id"].decode() for record in await world.read("events")]


async def publish_until_accepted(client: aiohttp.ClientSession, event_id: str) -> None:
    """Repeat an event as a client should: with the same id."""
    async with asyncio.timeout(WAIT_S):
        while True:
            status, _ = await publish(client, event_id)
            if status == 202:
                return
            await asyncio.sleep(0.1)


async def test_a_paused_broker_is_a_503_in_time_and_never_a_false_202(
    node: EmbeddedKafka, prefix: str
) -> None:
    """Who was told `unavailable` was not written; who was told 202 was; afterwards all goes on."""
    world = World(node.bootstrap_servers, prefix)
    await world.create_topics()
    async with world.gateway(produce_deadline_s=DEADLINE_S) as client:
        await publish_until_accepted(client, "before")
        await asyncio.to_thread(node.pause)
        async with asyncio.timeout(DEADLINE_S + MARGIN_S):
            first = await asyncio.gather(*(publish(client, f"p{n}") for n in range(20)))
        async with asyncio.timeout(DEADLINE_S + MARGIN_S):
            second = await asyncio.gather(*(publish(client, f"q{n}") for n in range(20)))
        await asyncio.to_thread(node.resume)
        await publish_until_accepted(client, "after")
        written = await ids_in(world)

    outcomes = {f"p{n}": outcome for n, outcome in enumerate(first)}
    outcomes |= {f"q{n}": outcome for n, outcome in enumerate(second)}
    assert {status for status, _ in outcomes.values()} == {503}
    assert {code for _, code in outcomes.values()} <= {"unavailable", "unknown"}
    certain = {name for name, (_, code) in outcomes.items() if code == "unavailable"}
    assert certain
    assert not certain & set(written)
    assert {"before", "after"} <= set(written)


async def test_a_broker_that_died_and_came_back_is_used_again(
    node: EmbeddedKafka, prefix: str
) -> None:
    """Nothing that was acknowledged is lost, and the gateway needs no restart."""
    world = World(node.bootstrap_servers, prefix)
    await world.create_topics()
    async with world.gateway(produce_deadline_s=DEADLINE_S) as client:
        acknowledged = []
        for number in range(10):
            await publish_until_accepted(client, f"a{number}")
            acknowledged.append(f"a{number}")
        await asyncio.to_thread(node.kill)
        status, code = await publish(client, "dead")
        await asyncio.to_thread(node.start)
        await publish_until_accepted(client, "again")
        async with client.post(
            "/v1/subscribers/acme/subscriptions", json={"url": "https://example.com/"}
        ) as response:
            created = response.status
        written = await ids_in(world)

    assert (status, code in {"unavailable", "unknown"}) == (503, True)
    assert {*acknowledged, "again"} <= set(written)
    assert created in {201, 503}


async def refusal_of(environ: Mapping[str, str]) -> tuple[int | None, str]:
    """Give exit code and output of a gateway that must not run."""
    async with process(environ) as started, asyncio.timeout(WAIT_S):
        out, err = await started.communicate()
        return started.returncode, (out + err).decode()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("HOOKLANE_AUTH__ROOT_KEY", None),
        ("HOOKLANE_AUTH__ROOT_KEY", "tooshort"),
        ("HOOKLANE_VAULT__KEYS", None),
        ("HOOKLANE_GATEWAY__PROT", "1"),
    ],
)
async def test_wrong_settings_refuse_the_start_in_one_line(
    kafka: Broker, prefix: str, variable: str, value: str | None
) -> None:
    """The line names the variable and not its value."""
    environ = World(kafka.bootstrap_servers, prefix).environ()
    environ.pop(variable, None)

    code, output = await refusal_of(environ | ({variable: value} if value else {}))

    (line,) = output.strip().splitlines()
    assert (code, variable in line, "tooshort" in line) == (4, True, False)


async def test_sigterm_answers_what_was_taken_and_exits_0(kafka: Broker, prefix: str) -> None:
    """Every 202 is in the topic, however the end falls into the load."""
    world = World(kafka.bootstrap_servers, prefix)
    await world.create_topics()
    port = free_port()
    accepted: list[str] = []
    is_loaded = asyncio.Event()

    async def load(client: aiohttp.ClientSession, worker: int) -> None:
        for number in range(10_000):
            event_id = f"{worker}-{number}"
            try:
                status, _ = await publish(client, event_id)
            except aiohttp.ClientError:
                return
            if status == 202:
                accepted.append(event_id)
            if len(accepted) >= 200:
                is_loaded.set()

    environ = world.environ() | {"HOOKLANE_GATEWAY__PORT": str(port)}
    headers = {"Authorization": f"Bearer {ROOT_KEY}"}
    async with (
        process(environ) as started,
        aiohttp.ClientSession(f"http://{HOST}:{port}", headers=headers) as client,
        asyncio.timeout(WAIT_S),
    ):
        while not accepted:
            try:
                await publish_until_accepted(client, "first")
                accepted.append("first")
            except aiohttp.ClientError:
                await asyncio.sleep(0.05)
        workers = [asyncio.create_task(load(client, n)) for n in range(8)]
        await is_loaded.wait()
        started.send_signal(signal.SIGTERM)
        await asyncio.gather(*workers)
        code = await started.wait()

    assert code == 0
    assert set(accepted) <= set(await ids_in(world))
