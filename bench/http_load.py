"""Keep-alive HTTP clients that cost next to nothing: ready bytes out, status and body in."""

import asyncio
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

REACHED_S = 60.0
POLL_S = 0.02
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Answer(NamedTuple):
    """What came back."""

    status: int
    body: bytes


class Exchanges(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self._data = b""
        self._waiter: asyncio.Future[Answer] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport  # type: ignore[assignment]  # uvloop's is of this shape

    def ask(self, request: bytes) -> "asyncio.Future[Answer]":
        """Send a request; the future is its answer."""
        assert self._transport is not None
        self._waiter = waiter = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return waiter

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Resolve the waiter once an answer is whole."""
        self._data = data = self._data + data
        head_end = data.find(b"\r\n\r\n") + 4
        if head_end < 4:
            return
        length = LENGTH.search(data, 0, head_end)
        end = head_end + (int(length[1]) if length else 0)
        if len(data) >= end and self._waiter is not None:
            self._data = b""
            self._waiter.set_result(Answer(int(data[9:12]), data[head_end:end]))

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail whoever waits."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(ConnectionError(f"connection lost: {exc!r}"))


async def connect(port: int) -> Exchanges:
    """Open one connection to a loopback port."""
    loop = asyncio.get_running_loop()
    _, made = await loop.create_connection(Exchanges, "127.0.0.1", port)
    return made


async def reach(port: int, *, within_s: float = REACHED_S) -> Exchanges:
    """Open one as soon as somebody listens there."""
    async with asyncio.timeout(within_s):
        while True:
            try:
                return await connect(port)
            except OSError:
                await asyncio.sleep(POLL_S)


async def pump(port: int, requests: Iterable[bytes], *, connections: int, expects: int) -> int:
    """Send every request over some connections; RuntimeError on any other status."""
    supply = iter(requests)
    clients = [await connect(port) for _ in range(connections)]
    try:
        return sum(await asyncio.gather(*(_drain(one, supply, expects) for one in clients)))
    finally:
        for one in clients:
            one.close()


async def _drain(client: Exchanges, supply: Iterator[bytes], expects: int) -> int:
    count = 0
    for request in supply:
        answer = await client.ask(request)
        if answer.status != expects:
            raise RuntimeError(f"answered {answer.status}: {answer.body[:500]!r}")
        count += 1
    return count


def post(path: str, body: bytes, *, key: str = "", media_type: str = "application/json") -> bytes:
    """Write a POST request."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {media_type}\r\n"
    if key:
        head += f"Authorization: Bearer {key}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def get(path: str) -> bytes:
    """Write a GET request."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
