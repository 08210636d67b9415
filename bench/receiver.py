"""The cheapest correct receiver: reads whole requests, answers 204, counts. A process of its own.

GET paths are for the bench: `/count`, `/last` (the last POST as it came), `/arrivals` (webhook id
and monotonic nanoseconds of the first byte of each POST, then forgets them).
"""

import asyncio
import json
import re
import sys
import time

import uvloop

NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
WEBHOOK_ID = re.compile(rb"\r\nwebhook-id: *([^\r]+)", re.IGNORECASE)
ARRIVALS_MAX = 100_000


class Tally:
    """What all connections have seen."""

    def __init__(self) -> None:
        self.count = 0
        self.last = b""
        self.arrivals: list[tuple[str, int]] = []
        self.is_noting = False


class Connection(asyncio.Protocol):
    """One connection; requests may be pipelined or come in pieces."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._rest = b""
        self._since = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport  # type: ignore[assignment]  # uvloop's is of this shape

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        if self._tally.is_noting and not self._rest:
            self._since = time.monotonic_ns()
        data = self._rest + data if self._rest else data
        while data:
            head_end = data.find(b"\r\n\r\n") + 4
            if head_end < 4:
                break
            length = LENGTH.search(data, 0, head_end)
            end = head_end + (int(length[1]) if length else 0)
            if len(data) < end:
                break
            self._answer(data if len(data) == end else data[:end])
            data = data[end:]
        self._rest = data

    def _answer(self, request: bytes) -> None:
        assert self._transport is not None
        if not request.startswith(b"POST "):
            self._transport.write(self._tell(request))
            return
        self._transport.write(NO_CONTENT)
        tally = self._tally
        tally.count += 1
        tally.last = request
        if tally.is_noting and len(tally.arrivals) < ARRIVALS_MAX:
            found = WEBHOOK_ID.search(request)
            tally.arrivals.append((found[1].decode() if found else "", self._since))

    def _tell(self, request: bytes) -> bytes:
        tally = self._tally
        path = request.split(b" ", 2)[1]
        if path == b"/count":
            body = str(tally.count).encode()
        elif path == b"/last":
            body = tally.last
        else:
            body = json.dumps(tally.arrivals).encode()
            tally.arrivals = []
            tally.is_noting = path == b"/arrivals"
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


async def serve(port: int) -> None:
    """Listen until the process is ended."""
    tally = Tally()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(tally), "127.0.0.1", port, backlog=1024)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
