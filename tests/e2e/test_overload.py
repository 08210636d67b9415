"""A gateway process under more connections and bodies than it takes stays flat."""

import asyncio
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.connections import CONNECTION_BYTES_MAX
from tests.conftest import Broker
from tests.e2e.stack import Stack
from tests.fault.memory import MIB, forget_peak, peak_rss_bytes, rss_bytes

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]

CLIENTS, CONNECTIONS_MAX = 450, 400
IN_FLIGHT_MIB, COPIES_MAX = 8, 4
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


async def test_memory_under_overload_is_a_product_of_settings(
    kafka: Broker, prefix: str, tmp_path: Path
) -> None:
    """450 clients push a MiB each at a gateway of 400 connections and 8 MiB: it sheds, stays flat.

    The bound is what docs/operations.md promises: connections times what one may hold, and four
    times the bytes in flight.
    """
    bounds = {
        "HOOKLANE_GATEWAY__MAX_CONNECTIONS": str(CONNECTIONS_MAX),
        "HOOKLANE_GATEWAY__MAX_REQUEST_BYTES_IN_FLIGHT": str(IN_FLIGHT_MIB * MIB),
    }
    stack = Stack(kafka.bootstrap_servers, prefix, tmp_path, extra=bounds)
    await stack.topics()
    (gateway,) = await stack.start("gateway")
    before = rss_bytes(gateway.process.pid)
    forget_peak(gateway.process.pid)

    port, key = stack.gateway_port, stack.root_key
    statuses = Counter(await asyncio.gather(*(_client(port, key) for _ in range(CLIENTS))))
    growth = peak_rss_bytes(gateway.process.pid) - before
    status, _ = await stack.api("GET", "/v1/keys")
    await stack.stop()

    allowed = CONNECTIONS_MAX * CONNECTION_BYTES_MAX + COPIES_MAX * IN_FLIGHT_MIB * MIB
    assert status == 200
    assert statuses[503] > CLIENTS // 2
    assert set(statuses) <= {0, 400, 503}
    assert growth < allowed, f"{growth / MIB:.1f} MiB, answers {dict(statuses)}"
