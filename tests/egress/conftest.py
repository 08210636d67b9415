"""What the egress tests share: both event loops, receivers, a lying name server."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest_asyncio
import uvloop

from deliverer.resolver import AiodnsLookup
from tests.egress.name_server import NameServer
from tests.integration.sender.conftest import authority, bench, ca_file, receivers

__all__ = ["authority", "bench", "ca_file", "receivers"]


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run every test here under both event loops (B120)."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest_asyncio.fixture
async def names() -> AsyncIterator[NameServer]:
    """Give a name server on loopback."""
    server = NameServer()
    await server.start()
    yield server
    await server.stop()


@pytest_asyncio.fixture
async def lookup(names: NameServer) -> AsyncIterator[AiodnsLookup]:
    """Give the product's look-up, asking that name server only."""
    made = AiodnsLookup([f"127.0.0.1:{names.port}"])
    yield made
    await made.close()
