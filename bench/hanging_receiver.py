"""A thousand receivers in one process: each loopback address is one, and some never answer.

127.1.x.y answer 204, 127.2.x.y take requests and hang, 127.3.x.y answer and note when. GET paths
besides those of `bench.receiver`: `/hung` (requests that hang or hung), `/paced` (monotonic
nanoseconds of every request to 127.3.x.y).
"""

import asyncio
import json
import sys
import time

import uvloop

from bench.receiver import Connection, Tally

HANGING, PACED = 2, 3
BACKLOG = 4_096


class CrowdTally(Tally):
    """What all addresses have seen."""

    def __init__(self) -> None:
        super().__init__()
        self.hung = 0
        self.paced: list[int] = []


class CrowdConnection(Connection):
    """One connection; its own address says how it behaves."""

    def __init__(self, tally: CrowdTally) -> None:
        super().__init__(tally)
        self._crowd = tally
        self._kind = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See which receiver was meant."""
        super().connection_made(transport)
        address: str = transport.get_extra_info("sockname")[0]
        self._kind = int(address.split(".")[1])

    def _answer(self, request: bytes) -> None:
        if not request.startswith(b"POST "):
            super()._answer(request)
        elif self._kind == HANGING:
            self._crowd.hung += 1
        else:
            if self._kind == PACED:
                self._crowd.paced.append(time.monotonic_ns())
                self._tally.count -= 1  # it is not one of those that are timed
            super()._answer(request)

    def _tell(self, request: bytes) -> bytes:
        path = request.split(b" ", 2)[1]
        if path == b"/hung":
            body = str(self._crowd.hung).encode()
        elif path == b"/paced":
            body = json.dumps(self._crowd.paced).encode()
        else:
            return super()._tell(request)
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


async def serve(port: int) -> None:
    """Listen on every loopback address until the process is ended."""
    tally = CrowdTally()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: CrowdConnection(tally), "0.0.0.0", port, backlog=BACKLOG
    )
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
