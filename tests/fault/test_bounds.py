"""Memory is bounded, whatever waits, fails or is thrown at a process; read from /proc, as peaks."""

import asyncio
import os
import time
from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from tests.conftest import Broker
from tests.e2e.log import read_topic
from tests.e2e.stack import Stack, eventually
from tests.fault.backlog import Backlog, Subscription
from tests.fault.figures import Note
from tests.fault.load import ANSWER_S_MAX, now_s
from tests.fault.memory import MIB, forget_peak, peak_rss_bytes, rss_bytes
from tests.fault.sink import Sink, running_sink
from tests.ports import free_port

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

DEFAULT_BREAKER = {"HOOKLANE_BREAKER__PROBE_S": "30", "HOOKLANE_BREAKER__PROBE_MAX_S": "900"}
DELIVERER_BYTES_MAX = 300_000_000
IN_FLIGHT_MIB = 8
COPIES_MAX = 4
"""A body is there as it came, as an event, as a record and in a batch."""
HELD_MIB_MAX = 0.125
"""What a connection holds of a body that nobody reads."""
CONNECTIONS_MAX = 1_200
"""Above what comes: this is about requests; tests/e2e/test_overload.py has too many connections."""
LIVE = 30_000
"""How many of the 100,000 are waited for: what is bounded is memory, not time."""
JSON = {"Content-Type": "application/json"}


def _stack(kafka: Broker, prefix: str, folder: Path, **extra: str) -> Stack:
    """Make a stack of twelve partitions, the default, with default breakers."""
    return Stack(
        kafka.bootstrap_servers, prefix, folder, partitions=12, extra=DEFAULT_BREAKER | extra
    )


def _dead_and_live(sink: Sink, *, dead: int, live: int) -> tuple[list[Subscription], ...]:
    """Spread subscriptions over subscribers; nobody listens where the dead ones point to."""
    nowhere = f"http://127.0.0.1:{free_port()}/nowhere"
    return (
        [Subscription(f"dead-{n % 500}", f"sub_dead{n:020d}", nowhere) for n in range(dead)],
        [Subscription(f"live-{n}", f"sub_live{n:020d}", sink.url("live")) for n in range(live)],
    )


async def test_a_deliverer_with_a_million_records_and_ten_thousand_dead_subscriptions(
    kafka: Broker, prefix: str, tmp_path: Path, note: Note
) -> None:
    """900,000 deliveries behind dead endpoints: those of the others arrive, in 300 MB."""
    stack = _stack(kafka, prefix, tmp_path)
    await stack.topics()
    backlog, data = Backlog(stack), b'{"order": "' + b"x" * 200 + b'"}'
    async with running_sink() as sink:
        dead, live = _dead_and_live(sink, dead=10_000, live=200)
        await backlog.subscribe(dead + live)
        for _ in range(10):
            accepted_at = int(time.time() * 1000)  # noqa: TID251  # the log's own clock
            await backlog.deliver(dead, each=9, data=data, accepted_at=accepted_at)
            await backlog.deliver(live, each=50, data=data, accepted_at=accepted_at)
        began_s = now_s()
        (deliverer,) = await stack.start("deliverer")
        try:
            await eventually(
                lambda: sink.has_counted(LIVE), within_s=400, what="the live ones", every_s=1
            )
            note(f"{LIVE} live deliveries after", now_s() - began_s, "s")
            note("peak", peak_rss_bytes(deliverer.process.pid) / MIB, "MiB")
            assert peak_rss_bytes(deliverer.process.pid) < DELIVERER_BYTES_MAX
            assert deliverer.process.returncode is None
        finally:
            await stack.stop()


async def test_one_large_event_for_a_thousand_subscriptions(
    kafka: Broker, prefix: str, tmp_path: Path, note: Note
) -> None:
    """256 KiB a thousand times over: neither fan-out nor deliverer holds it more than in part."""
    stack = _stack(kafka, prefix, tmp_path)
    await stack.topics()
    async with running_sink() as sink:
        crowd = [Subscription("crowd", f"sub_{n:022d}", sink.url("crowd")) for n in range(1_000)]
        await Backlog(stack).subscribe(crowd)
        services = {service.name: service for service in await stack.start()}
        before = {name: rss_bytes(one.process.pid) for name, one in services.items()}
        for one in services.values():
            forget_peak(one.process.pid)
        try:
            body = {"subscriber": "crowd", "type": "big", "data": os.urandom(98_000).hex()}
            large = {**body, "data": os.urandom(130_000).hex()}
            for event in (body, large):
                status, answer = await stack.api("POST", "/v1/events", json=event)
                assert status == 202, answer
            await eventually(
                lambda: sink.has_counted(2_000), within_s=300, what="all of it", every_s=0.5
            )
            peaks = {name: peak_rss_bytes(one.process.pid) for name, one in services.items()}
            growth = {name: (peaks[name] - before[name]) / MIB for name in services}
            note("growth", {name: round(value, 1) for name, value in growth.items()}, "MiB")
            note("peaks", {name: round(value / MIB, 1) for name, value in peaks.items()}, "MiB")
            assert growth["fanout"] < 64
            assert peaks["deliverer"] < DELIVERER_BYTES_MAX
        finally:
            await stack.stop()
    records = await read_topic(kafka.bootstrap_servers, f"{prefix}.deliveries")
    assert len(records) == 2_000


class Flood:
    """Many clients that each publish again as soon as they were answered."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.statuses: Counter[int] = Counter()
        self.slowest_s = 0.0
        self.without_retry_after = 0

    async def run(self, clients: int, *, body: bytes, seconds: float) -> None:
        """Keep so many requests on their way for so long."""
        until_s = now_s() + seconds
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:
            await asyncio.gather(*(self._client(session, body, until_s) for _ in range(clients)))

    async def _client(self, session: aiohttp.ClientSession, body: bytes, until_s: float) -> None:
        url = f"http://127.0.0.1:{self._stack.gateway_port}/v1/events"
        headers = JSON | {"Authorization": f"Bearer {self._stack.root_key}"}
        while now_s() < until_s:
            began_s = now_s()
            try:
                async with session.post(url, data=body, headers=headers) as answer:
                    await answer.read()
                    status = answer.status
                    if status in {429, 503} and "Retry-After" not in answer.headers:
                        self.without_retry_after += 1
            except aiohttp.ClientError:
                status = 0
            self.statuses[status] += 1
            self.slowest_s = max(self.slowest_s, now_s() - began_s)


@pytest.mark.parametrize(("kib", "clients"), [(1, 1_000), (200, 400)])
async def test_a_gateway_under_ten_times_what_it_takes(
    kafka: Broker, prefix: str, tmp_path: Path, note: Note, kib: int, clients: int
) -> None:
    """Ten times as many requests, or bytes, as it may hold: it sheds, answers and stays flat."""
    bounds = {
        "HOOKLANE_GATEWAY__MAX_CONNECTIONS": str(CONNECTIONS_MAX),
        "HOOKLANE_GATEWAY__MAX_REQUESTS": "100",
        "HOOKLANE_GATEWAY__MAX_REQUEST_BYTES_IN_FLIGHT": str(IN_FLIGHT_MIB * MIB),
    }
    stack = _stack(kafka, prefix, tmp_path, **bounds)
    await stack.topics()
    (gateway,) = await stack.start("gateway")
    flood = Flood(stack)
    before = rss_bytes(gateway.process.pid)
    event = b'{"subscriber": "acme", "type": "t", "data": "%b"}' % (b"x" * kib * 1024)

    await flood.run(clients, body=event, seconds=20)
    status, _ = await stack.api("POST", "/v1/events", data=event, headers=JSON)
    growth = (peak_rss_bytes(gateway.process.pid) - before) / MIB
    await stack.stop()

    note("answers", dict(flood.statuses))
    note("slowest answer", flood.slowest_s, "s")
    note("growth", growth, "MiB")
    assert status == 202
    assert set(flood.statuses) <= {202, 429, 503}
    assert flood.statuses[202] > 0
    assert flood.statuses[503] > 0
    assert flood.without_retry_after == 0
    assert flood.slowest_s < ANSWER_S_MAX
    assert growth < COPIES_MAX * IN_FLIGHT_MIB + clients * HELD_MIB_MAX


async def test_a_subscriber_ten_times_above_its_quota(
    kafka: Broker, prefix: str, tmp_path: Path, note: Note
) -> None:
    """Its quota of 100 events a second is kept by 429; a neighbour publishes as ever."""
    stack = _stack(kafka, prefix, tmp_path)
    await stack.topics()
    (gateway,) = await stack.start("gateway")
    quota = {"quota": {"events_per_second": 100, "burst": 100}}
    status, answer = await stack.api("PUT", "/v1/subscribers/greedy", json=quota)
    assert status in {200, 201}, answer
    before = rss_bytes(gateway.process.pid)
    flood, event = Flood(stack), b'{"subscriber": "greedy", "type": "t", "data": 1}'

    began_s = now_s()
    flooding = asyncio.create_task(flood.run(100, body=event, seconds=10))
    neighbour = [await stack.publish("quiet", number) for number in range(100)]
    await flooding
    took_s = now_s() - began_s
    growth = (peak_rss_bytes(gateway.process.pid) - before) / MIB
    await stack.stop()

    note("answers", dict(flood.statuses))
    note("growth", growth, "MiB")
    assert len(neighbour) == 100
    assert set(flood.statuses) == {202, 429}
    assert flood.statuses[202] <= 100 + 100 * took_s
    assert flood.statuses[429] > 0
    assert flood.without_retry_after == 0
    assert growth < 64
