"""Plant secrets wherever a secret may be, and look for them wherever this product writes (P8)."""

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from urllib.parse import quote

import pytest
from aiokafka import AIOKafkaProducer

from schemas.topics import partition_of, plan
from tests.e2e.log import read_topic
from tests.e2e.stack import SERVICES, Service, Stack, eventually
from tests.integration.collectors import Collector, collecting

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]


@dataclass
class Canaries:
    """Unique texts, by the place each was planted in."""

    planted: dict[str, str] = field(default_factory=dict)

    def plant(self, place: str) -> str:
        """Make the text of a place."""
        return self.plant_as(place, f"canary{secrets.token_hex(12)}")

    def plant_as(self, place: str, text: str) -> str:
        """Note a secret that has a form of its own."""
        self.planted[place] = text
        return text

    def found_in(self, haystack: bytes, *places: str) -> list[str]:
        """Name the places whose text shows, in clear or in a usual coding."""
        return [
            place
            for place, text in self.planted.items()
            if place in (places or self.planted)
            and any(form in haystack for form in _forms(text.encode()))
        ]


def _forms(text: bytes) -> Iterator[bytes]:
    yield text
    yield quote(text).encode()
    yield text.hex().encode()
    for shift in range(3):
        coded = base64.b64encode(b"\0" * shift + text)
        yield coded[4 if shift else 0 : -4]


@pytest.fixture
async def echo_port() -> AsyncIterator[int]:
    """Give the port of a receiver that refuses every request and quotes all of it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        said = head + await reader.readexactly(size)
        writer.write(b"HTTP/1.1 500 No\r\nContent-Length: %d\r\n\r\n" % len(said) + said)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    """Collect the spans of one test."""
    async with collecting() as made:
        yield made


async def _provoke_answers(stack: Stack, canaries: Canaries) -> list[str]:
    """Ask for things that are wrong in every way; give what the gateway said."""
    path = "/v1/subscribers/acme/subscriptions"
    bad = canaries.plant("refused request")
    asked: list[tuple[str, str, dict[str, object]]] = [
        ("POST", path, {"json": {"url": f"https://u:{bad}@example.com/"}}),
        ("POST", path, {"json": {"url": f"https://10.0.0.1/{bad}"}}),
        ("POST", path, {"json": {"url": "https://example.com/", "secret": f"whsec_{bad}!"}}),
        ("POST", path, {"json": {"url": "https://example.com/", "headers": {"Cookie": bad}}}),
        ("POST", path, {"json": {"url": "https://example.com/", "headers": {"X": f"{bad}\r\n"}}}),
        ("POST", path, {"data": f'{{"url": "{bad}'}),
        ("POST", "/v1/events", {"data": f'{{"subscriber": "acme", "data": "{bad}'}),
        ("POST", "/v1/events", {"json": {"subscriber": "acme", "type": "", "data": bad}}),
        ("GET", path, {"headers": {"Authorization": f"Bearer {bad}"}}),
        ("GET", path, {}),
    ]
    answers = [await stack.api(method, path, **arguments) for method, path, arguments in asked]
    assert [status >= 400 for status, _ in answers] == [True] * 9 + [False]
    return [str(body) for _, body in answers]


async def _metrics(stack: Stack, services: list[Service]) -> str:
    texts = []
    for service in services:
        for page in ("metrics", "readyz", "livez"):
            url = f"http://127.0.0.1:{service.admin_port}/{page}"
            async with stack.session.get(url) as answer:
                texts.append(await answer.text())
    return "\n".join(texts)


async def _debug(stack: Stack, services: list[Service], token: str) -> bytes:
    """Give what the admin ports show to whoever has the token."""
    texts = []
    for service in services:
        for page in ("debug?limit=500", "debug/tasks", "log-level"):
            url = f"http://127.0.0.1:{service.admin_port}/{page}"
            headers = {"Authorization": f"Bearer {token}"}
            async with stack.session.get(url, headers=headers) as answer:
                assert answer.status == 200
                texts.append(await answer.read())
    return b"\n".join(texts)


async def _topics(stack: Stack) -> dict[str, bytes]:
    """Give every byte of every topic of the stack, by topic."""
    names = [topic.name for topic in plan(stack.prefix, stack.partitions, 1)]
    read = await asyncio.gather(*(read_topic(stack.bootstrap_servers, name) for name in names))
    found = {}
    for name, records in zip(names, read, strict=True):
        parts = [part for r in records for part in (r.key, r.value, *(v for _, v in r.headers))]
        found[name.removeprefix(f"{stack.prefix}.")] = b"\n".join(filter(None, parts))
    return found


async def _quarantine_one(stack: Stack, canary: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=stack.bootstrap_servers)
    await producer.start()
    try:
        partition = partition_of(b"acme", stack.partitions)
        await producer.send_and_wait(
            f"{stack.prefix}.events", canary.encode(), key=b"acme", partition=partition
        )
    finally:
        await producer.stop()


async def _change_secrets(stack: Stack, canaries: Canaries, path: str, *, port: int) -> None:
    """Give a subscription new secrets in every way there is."""
    newer = canaries.plant_as(f"newer secret {port}", secrets.token_urlsafe(24))
    coded = "whsec_" + base64.b64encode(newer.encode()).decode()
    status, answer = await stack.api("POST", f"{path}/rotate-secret", json={"secret": coded})
    assert (status, answer["secret"]) == (200, coded)
    canaries.plant_as(f"newer secret {port}, bare", coded.removeprefix("whsec_"))
    patched = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    canaries.plant_as(f"patched secret {port}", patched.removeprefix("whsec_"))
    status, answer = await stack.api("PATCH", path, json={"secret": patched})
    assert status == 200, answer
    status, made = await stack.api("POST", f"{path}/rotate-secret")
    assert status == 200, made
    canaries.plant_as(f"made secret {port}", made["secret"].removeprefix("whsec_"))


async def test_no_secret_shows_anywhere(stack: Stack, echo_port: int, collector: Collector) -> None:
    """Planted in keys, URLs, headers, secrets and data; nothing but the data's topics has them."""
    canaries = Canaries()
    admin_token = canaries.plant("admin token")
    canaries.plant_as("root key", stack.root_key)
    canaries.plant_as("vault key", stack.vault_key.partition(":")[2])
    token, query, header = (canaries.plant(p) for p in ("url path", "url query", "header value"))
    given = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    canaries.plant_as("signing secret", given)
    canaries.plant_as("signing secret, bare", given.removeprefix("whsec_"))
    data = canaries.plant("event data")
    stack.extra |= {
        "HOOKLANE_LOG__LEVEL": "debug",
        "HOOKLANE_TRACING__ENDPOINT": collector.endpoint,
        "HOOKLANE_TRACING__HEADERS": f"x-key={canaries.plant('header of the collector')}",
        "HOOKLANE_ADMIN__TOKEN": admin_token,
    }
    services = await stack.start()

    for port in (echo_port, 1):  # one quotes everything, at the other nobody listens
        created = await stack.subscribe(
            "acme",
            f"http://127.0.0.1:{port}/hooks/{token}?token={query}",
            headers={"X-Token": header, "Authorization": f"Bearer {header}"},
            secret=given,
            retry={"schedule_s": [0.1]},
        )
        path = f"/v1/subscribers/acme/subscriptions/{created['id']}"
        await _change_secrets(stack, canaries, path, port=port)
    answers = await _provoke_answers(stack, canaries)
    await stack.publish("acme", {"data": data})
    await _quarantine_one(stack, data)

    async def is_over() -> bool:
        counted = await _metrics(stack, services)
        is_dead = 'hooklane_dead_letters_total{reason="exhausted"} 2.0' in counted
        return is_dead and 'reason="missing_attribute",stage="fanout"} 1.0' in counted

    await eventually(is_over, within_s=40, what="two dead letters and one quarantined record")
    await stack.api("DELETE", path)
    shown = await asyncio.gather(*(stack.command(name, "--check-config") for name in SERVICES))
    metrics = await _metrics(stack, services)
    debug = await _debug(stack, services, admin_token)
    topics = await _topics(stack)
    await stack.stop()
    logs = b"\n".join(service.log.read_bytes() for service in services)

    sealed = [place for place in canaries.planted if place != "event data"]
    assert b"attempt" in logs
    assert b"hooklane_delivery_attempts_total" in metrics.encode()
    assert canaries.found_in(topics["dead-letters"], "event data") == ["event data"]
    assert {
        t: found for t, raw in topics.items() if (found := canaries.found_in(raw, *sealed))
    } == {}
    assert canaries.found_in(topics["attempts"]) == []
    assert canaries.found_in(b"\n".join([logs, metrics.encode(), str(shown).encode()])) == []
    assert (b'"lanes"' in debug, bool(collector.named("POST"))) == (True, True)
    assert canaries.found_in(b"\n".join([debug, *collector.raw])) == []
    assert canaries.found_in("\n".join(answers).encode(), "refused request", "root key") == []
    assert canaries.found_in("\n".join(answers).encode(), "header value", "signing secret") == []


def test_the_search_finds_every_coding() -> None:
    """A search that finds nothing proves nothing."""
    canaries = Canaries()
    text = canaries.plant("here").encode()

    for haystack in (text, base64.b64encode(b"x" + text + b"y"), text.hex().encode()):
        assert canaries.found_in(b"..." + haystack + b"...") == ["here"]
    assert canaries.found_in(b"nothing") == []
