"""A receiver of a process of its own that is never what is slow: it answers 204 and counts."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from tests.e2e.stack import eventually
from tests.ports import free_port


class Sink:
    """Where it listens, and how much has arrived."""

    def __init__(self, port: int, session: aiohttp.ClientSession) -> None:
        self._port = port
        self._session = session

    def url(self, path: str) -> str:
        """Give the address of a path."""
        return f"http://127.0.0.1:{self._port}/{path}"

    async def count(self) -> int:
        """Ask how many requests it has answered."""
        async with self._session.get(self.url("count")) as answer:
            return int(await answer.text())

    async def has_counted(self, count: int) -> bool:
        """Tell whether so many arrived; False also while it does not answer yet."""
        try:
            return await self.count() >= count
        except aiohttp.ClientError:
            return False


@asynccontextmanager
async def running_sink() -> AsyncIterator[Sink]:
    """Run it for the length of a block."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.receiver", str(port)
    )
    try:
        async with aiohttp.ClientSession() as session:
            sink = Sink(port, session)
            await eventually(lambda: sink.has_counted(0), within_s=30, what="the sink listens")
            yield sink
    finally:
        process.kill()
        await process.wait()
