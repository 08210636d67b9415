"""Deliver by name while a name server is silent about other names. A process of its own.

It runs a name server that answers `up-…` with 127.0.0.1 and never answers `down-…`, and the
deliverer's own sender over it. One JSON line in, one out: `{"count": N, "silent": M}` sends N
requests to fresh names while M look-ups of silent names are always under way; the answer has the
milliseconds of each and how long all took.
"""

import asyncio
import itertools
import json
import struct
import sys
from collections.abc import Iterator

import uvloop

from chassis.egress import EgressPolicy
from deliverer.resolver import AiodnsLookup
from deliverer.sender.port import PreparedRequest
from deliverer.sender.sender import HttpSender
from schemas.outcome import Outcome
from tests.fakes.sender import sent

AT_ONCE = 8
SILENT = b"down-"
ADDRESS = bytes((127, 0, 0, 1))
TYPE_A = 1
HEADER_BYTES = 12
TIMEOUT_S = 5.0


class NameServer(asyncio.DatagramProtocol):
    """Answers A questions about every name but the silent ones."""

    def __init__(self) -> None:
        self.asked_in_vain = 0
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport  # type: ignore[assignment]  # uvloop's is of this shape

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer one question, or say nothing."""
        assert self._transport is not None
        question = data[HEADER_BYTES:]
        end = question.index(b"\0") + 5
        if question[1:].startswith(SILENT):
            self.asked_in_vain += 1
            return
        (kind,) = struct.unpack("!H", question[end - 4 : end - 2])
        count = 1 if kind == TYPE_A else 0
        head = data[:2] + struct.pack("!HHHHH", 0x8180, 1, count, 0, 0)
        record = b"\xc0\x0c" + struct.pack("!HHIH", TYPE_A, 1, 0, len(ADDRESS)) + ADDRESS
        self._transport.sendto(head + question[:end] + record * count, addr)


class Crowd:
    """Sends to names that were never asked for before."""

    def __init__(self, sender: HttpSender, port: int) -> None:
        self._sender = sender
        self._port = port
        self._numbers = itertools.count()

    async def send(self, stem: str) -> tuple[Outcome, float]:
        """Send one request; gives its outcome and milliseconds."""
        loop = asyncio.get_running_loop()
        request = PreparedRequest(
            scheme="http",
            host=f"{stem}-{next(self._numbers)}.example.com",
            port=self._port,
            target=b"/",
            head=b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nwebhook-id: w\r\n\r\n",
            body=b"",
            timeout_s=TIMEOUT_S,
        )
        began = loop.time()
        result = await sent(self._sender, request)
        return result.outcome, (loop.time() - began) * 1000

    async def measure(self, count: int, silent: int) -> dict[str, object]:
        """Send `count` requests, `AT_ONCE` at a time, beside silent look-ups."""
        loop = asyncio.get_running_loop()
        beside = [asyncio.create_task(self._ask_silent()) for _ in range(silent)]
        await asyncio.sleep(0.2 if silent else 0)
        supply = iter(range(count))
        took_ms: list[float] = []
        began = loop.time()
        await asyncio.gather(*(self._drain(supply, took_ms) for _ in range(AT_ONCE)))
        seconds = loop.time() - began
        for one in beside:
            one.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        return {"took_ms": took_ms, "seconds": seconds}

    async def _drain(self, supply: Iterator[int], took_ms: list[float]) -> None:
        for _ in supply:
            outcome, ms = await self.send("up")
            if outcome is not Outcome.DELIVERED:
                raise RuntimeError(f"a healthy name ended as {outcome}")
            took_ms.append(ms)

    async def _ask_silent(self) -> None:
        while True:
            await self.send("down")


async def work(port: int) -> None:
    """Answer questions until the input ends."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(NameServer, local_addr=("127.0.0.1", 0))
    dns_port = transport.get_extra_info("sockname")[1]
    lookup = AiodnsLookup([f"127.0.0.1:{dns_port}"])
    policy = EgressPolicy.of(allow_http=True, allow_cidrs=["127.0.0.0/8"])
    sender = HttpSender(policy, lookup=lookup)
    crowd = Crowd(sender, port)
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        asked = json.loads(line)
        answer = await crowd.measure(asked["count"], asked["silent"])
        print(json.dumps(answer | {"in_vain": server.asked_in_vain}), flush=True)
    await sender.close()
    await lookup.close()


if __name__ == "__main__":
    uvloop.run(work(int(sys.argv[1])))
