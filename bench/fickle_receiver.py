"""A receiver that is broken until it is mended: answers 500, then 204. A process of its own.

Every path takes POSTs; GET `/break` and `/mend` switch it, `/refuse-first` lets it refuse first
attempts only, GET `/state` tells what it has answered.
"""

import asyncio
import json
import re
import sys

import uvloop

from bench.receiver import NO_CONTENT, Connection, Tally

FIRST_ATTEMPT = re.compile(rb"\r\nwebhook-attempt: *1\r\n", re.IGNORECASE)
FAILED = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"


class FickleTally(Tally):
    """What all connections have seen, and how the next POST is answered."""

    def __init__(self) -> None:
        super().__init__()
        self.refused = 0
        self.is_broken = True
        self.refuses_first = False


class FickleConnection(Connection):
    """One connection of the fickle receiver."""

    def __init__(self, tally: FickleTally) -> None:
        super().__init__(tally)
        self._fickle = tally

    def _answer(self, request: bytes) -> None:
        assert self._transport is not None
        tally = self._fickle
        if not request.startswith(b"POST "):
            self._transport.write(self._told(request.split(b" ", 2)[1]))
        elif tally.is_broken or (tally.refuses_first and FIRST_ATTEMPT.search(request)):
            tally.refused += 1
            self._transport.write(FAILED)
        else:
            tally.count += 1
            self._transport.write(NO_CONTENT)

    def _told(self, path: bytes) -> bytes:
        tally = self._fickle
        if path != b"/state":
            tally.is_broken = path == b"/break"
            tally.refuses_first = path == b"/refuse-first"
        body = json.dumps({"accepted": tally.count, "refused": tally.refused}).encode()
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


async def serve(port: int) -> None:
    """Listen until the process is ended."""
    tally = FickleTally()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: FickleConnection(tally), "127.0.0.1", port, backlog=1024
    )
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
