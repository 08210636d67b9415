"""What hostile receivers answer: handlers of a connection, and the process that serves them all.

`python -m bench.attacks` listens on a free port for each of them and one that behaves; it prints
their names and ports as one line of JSON, and serves until its standard input ends.
"""

import asyncio
import gzip
import json
import socket
import struct
import sys
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable, Mapping
from itertools import chain, repeat
from typing import Final

import uvloop

Attack = Callable[[StreamReader, StreamWriter], Awaitable[None]]

OK: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
DRIP_S: Final = 0.05
BOMB: Final = gzip.compress(bytes(20_000_000))
BACKLOG: Final = 1_024


async def _request(reader: StreamReader) -> bool:
    """Read one request without a body; False when the sender closed."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split()[0]))
    except (asyncio.IncompleteReadError, ConnectionError):
        return False
    return True


async def _say(writer: StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()


async def healthy(reader: StreamReader, writer: StreamWriter) -> None:
    """Answer every request."""
    while await _request(reader):
        await _say(writer, OK)


async def closing(reader: StreamReader, writer: StreamWriter) -> None:
    """Answer one request on each connection: what a new connection costs."""
    await _request(reader)
    await _say(writer, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


async def hang(reader: StreamReader, _writer: StreamWriter) -> None:
    """Take the request and never answer."""
    await _request(reader)
    while await reader.read(65_536):
        pass


async def drip(reader: StreamReader, writer: StreamWriter) -> None:
    """Answer a byte now and then, so that there is always something to wait for."""
    await _request(reader)
    for byte in chain(b"HTTP/1.1 200 OK\r\nX: ", repeat(ord("y"))):
        await _say(writer, bytes([byte]))
        await asyncio.sleep(DRIP_S)


async def crumble(reader: StreamReader, writer: StreamWriter) -> None:
    """Answer without end in pieces of one byte, each of which wakes the sender up."""
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    await _request(reader)
    for byte in chain(b"HTTP/1.1 200 OK\r\nX: ", repeat(ord("y"))):
        await _say(writer, bytes([byte]))
        await asyncio.sleep(0)


async def flood(reader: StreamReader, writer: StreamWriter) -> None:
    """Send interim answers for ever."""
    await _request(reader)
    while True:
        await _say(writer, b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 100)


async def endless(reader: StreamReader, writer: StreamWriter) -> None:
    """Send a body without end."""
    await _request(reader)
    await _say(writer, b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        await _say(writer, b"10000\r\n" + b"x" * 65_536 + b"\r\n")


async def endless_head(reader: StreamReader, writer: StreamWriter) -> None:
    """Send a head without end."""
    await _request(reader)
    await _say(writer, b"HTTP/1.1 200 OK\r\n")
    while True:
        await _say(writer, b"X: " + b"y" * 60_000 + b"\r\n")


async def many_fields(reader: StreamReader, writer: StreamWriter) -> None:
    """Send as many fields as fit, the shortest there are."""
    await _request(reader)
    await _say(writer, b"HTTP/1.1 200 OK\r\n")
    while True:
        await _say(writer, b"a:\r\n" * 10_000)


async def tiny_chunks(reader: StreamReader, writer: StreamWriter) -> None:
    """Send a body in chunks of one byte."""
    await _request(reader)
    await _say(writer, b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        await _say(writer, b"1\r\nx\r\n" * 10_000)


async def bomb(reader: StreamReader, writer: StreamWriter) -> None:
    """Send little that would inflate to much."""
    await _request(reader)
    await _say(writer, b"HTTP/1.1 500 No\r\nContent-Encoding: gzip\r\n\r\n" + BOMB)


async def reset(reader: StreamReader, writer: StreamWriter) -> None:
    """Answer with a TCP reset."""
    await _request(reader)
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


ATTACKS: Final[Mapping[str, Attack]] = {
    "hang": hang,
    "drip": drip,
    "crumble": crumble,
    "flood": flood,
    "endless": endless,
    "endless_head": endless_head,
    "many_fields": many_fields,
    "tiny_chunks": tiny_chunks,
    "bomb": bomb,
    "reset": reset,
}


async def _listen(attack: Attack) -> asyncio.Server:
    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        try:
            await attack(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()

    return await asyncio.start_server(serve, "127.0.0.1", 0, backlog=BACKLOG)


async def main() -> None:
    """Serve all of them until the input ends."""
    served = {"healthy": healthy, "closing": closing, **ATTACKS}
    servers = {name: await _listen(one) for name, one in served.items()}
    ports = {name: server.sockets[0].getsockname()[1] for name, server in servers.items()}
    print(json.dumps(ports), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(main())
