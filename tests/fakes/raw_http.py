"""A client of bytes: one connection, requests as they are written, answers as they come."""

import asyncio
import re
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from tests.fakes.gateway_api import HOST, ROOT_KEY

EVENT = b'{"subscriber":"acme","type":"order.paid","id":"i1","data":{"n":1}}'
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_WAIT_S = 10


def event_request(body: bytes = EVENT, *, fields: Sequence[str] = (), key: str = ROOT_KEY) -> bytes:
    """Write a plain request, with more header fields."""
    lines = [
        "POST /v1/events HTTP/1.1",
        "Host: x",
        "Content-Type: application/json",
        f"Authorization: Bearer {key}",
        *fields,
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Client:
    """An async context: one connection."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def __aenter__(self) -> Self:
        """Connect."""
        self._reader, self._writer = await asyncio.open_connection(HOST, self._port)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self._writer.close()

    def send(self, raw: bytes) -> None:
        """Write bytes."""
        self._writer.write(raw)

    async def read(self) -> tuple[bytes, bytes]:
        """Read the next answer: its head and its body."""
        async with asyncio.timeout(_WAIT_S):
            head = await self._reader.readuntil(b"\r\n\r\n")
            if head.startswith(b"HTTP/1.1 100"):
                head = await self._reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            return head, await self._reader.readexactly(int(length[1]) if length else 0)

    async def answer(self) -> tuple[int, bytes]:
        """Read the status and the body of the next answer."""
        head, body = await self.read()
        return int(head[9:12]), body

    async def ask(self, raw: bytes) -> tuple[int, bytes]:
        """Send and read."""
        self.send(raw)
        return await self.answer()

    async def is_closed(self) -> bool:
        """Wait until the server closes; True when it said nothing more."""
        async with asyncio.timeout(_WAIT_S):
            return not await self._reader.read()

    @staticmethod
    async def until(holds: Callable[[], bool]) -> None:
        """Wait for something on the other side, which lives on this loop."""
        async with asyncio.timeout(_WAIT_S):
            while not holds():  # noqa: ASYNC110 - the fakes have no events of their own
                await asyncio.sleep(0)
