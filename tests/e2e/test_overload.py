"""A gateway process under more connections and bodies than it takes stays flat."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.connections import CONNECTION_BYTES_MAX
from tests.conftest import Broker
from tests.e2e.stack import Service, Stack
from tests.fault.memory import MIB, forget_peak, peak_rss_bytes, rss_bytes

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]

CLIENTS, CONNECTIONS_MAX = 450, 400
IN_FLIGHT_MIB, COPIES_MAX = 8, 4
BODY_HELD_BYTES_MAX = 128 * 1024
HOSTILE, HOSTILE_S = 50, 3.0
BODY_BYTES, CHUNK = 1 * MIB, b" " * 65_536


async def _client(port: int, key: str) -> int:
    """Push one body as fast as it is taken; give the status of the answer, 0 when cut off."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = asyncio.create_task(reader.readline())
    with suppress(ConnectionError):
        writer.write(
            b"POST /v1/events/batch HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            % (key.encode(), BODY_BYTES)
        )
        for _ in range(BODY_BYTES // len(CHUNK)):
            writer.write(CHUNK)
            await writer.drain()
    line = b""
    with suppress(ConnectionError):
        line = await answer
    writer.close()
    return int(line.split(b" ")[1]) if line else 0


async def _pipeline(port: int) -> asyncio.StreamWriter:
    """Send the largest heads without a pause, read no answer, and stay."""
    field = b"x" * 4_000
    head = b"GET /nothing HTTP/1.1\r\nHost: x\r\n" + b"".join(
        b"X-Field-%d: %b\r\n" % (number, field) for number in range(15)
    )
    _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)

    with suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(HOSTILE_S):
            while True:
                writer.write(head + b"\r\n")
                await writer.drain()
    return writer


async def _growth(gateway: Service, work: Callable[[], Awaitable[None]]) -> int:
    """Return by how much the gateway grew at the most meanwhile."""
    before = rss_bytes(gateway.process.pid)
    forget_peak(gateway.process.pid)
    await work()
    return peak_rss_bytes(gateway.process.pid) - before


async def test_memory_under_overload_is_a_product_of_settings(
    kafka: Broker, prefix: str, tmp_path: Path
) -> None:
    """450 clients push a MiB each at a gateway of 400 connections and 8 MiB: it sheds, stays flat.

    So it does before, while 50 pipeline heads of 60 KiB and read no answer.
    """
    bounds = {
        "HOOKLANE_GATEWAY__MAX_CONNECTIONS": str(CONNECTIONS_MAX),
        "HOOKLANE_GATEWAY__MAX_REQUEST_BYTES_IN_FLIGHT": str(IN_FLIGHT_MIB * MIB),
    }
    stack = Stack(kafka.bootstrap_servers, prefix, tmp_path, extra=bounds)
    await stack.topics()
    (gateway,) = await stack.start("gateway")
    port, key = stack.gateway_port, stack.root_key
    statuses: Counter[int] = Counter()

    async def hostile() -> None:
        for writer in await asyncio.gather(*(_pipeline(port) for _ in range(HOSTILE))):
            writer.transport.abort()

    async def crowd() -> None:
        statuses.update(await asyncio.gather(*(_client(port, key) for _ in range(CLIENTS))))

    hostile_growth = await _growth(gateway, hostile)
    growth = await _growth(gateway, crowd)
    status, _ = await stack.api("GET", "/v1/keys")
    await stack.stop()

    allowed = CONNECTIONS_MAX * BODY_HELD_BYTES_MAX + COPIES_MAX * IN_FLIGHT_MIB * MIB
    assert status == 200
    assert hostile_growth < HOSTILE * CONNECTION_BYTES_MAX, f"{hostile_growth / MIB:.1f} MiB"
    assert statuses[503] > CLIENTS // 2
    assert set(statuses) <= {0, 400, 503}
    assert growth < allowed, f"{growth / MIB:.1f} MiB, answers {dict(statuses)}"
