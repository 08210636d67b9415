"""Run the sender in a process that lacks something; prints what became of each request.

`python -m tests.egress.starved descriptors|ports|resolver`: the limit of open files is really hit,
the range of ports is really used up, the name server is really gone.
"""

import asyncio
import json
import resource
import socket
import sys
from contextlib import suppress
from pathlib import Path

from chassis.egress import EgressPolicy
from deliverer.resolver import AiodnsLookup
from deliverer.sender.port import PreparedRequest
from deliverer.sender.sender import HttpSender
from tests.fakes.sender import sent
from tests.integration.sender.conftest import OK

LAB = EgressPolicy.of(allow_http=True, allow_cidrs=["127.0.0.0/8"])
AT_ONCE = 40
FEW = 24


def _request(host: str, port: int) -> PreparedRequest:
    head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n"
    return PreparedRequest(
        scheme="http", host=host, port=port, target=b"/", head=head, body=b"", timeout_s=5.0
    )


async def serve() -> None:
    """Answer every request after a moment; prints the port. A process of its own."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readuntil(b"\r\n\r\n"):
                await asyncio.sleep(0.05)
                writer.write(OK)

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def _allow_ports(first: int, last: int) -> None:
    Path("/proc/sys/net/ipv4/ip_local_port_range").write_text(f"{first} {last}")


async def descriptors(port: int) -> list[str]:
    """Send more at once than descriptors are left, then again when there are enough."""
    sender = HttpSender(LAB)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (_open_files() + FEW, hard))
    first = await asyncio.gather(
        *(sent(sender, _request("127.0.0.1", port)) for _ in range(AT_ONCE))
    )
    named = await sent(sender, _request("name.example.com", port))
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    later = await sent(sender, _request("127.0.0.1", port))
    await sender.close()
    return [*(one.outcome.value for one in first), named.outcome.value, later.outcome.value]


async def ports(port: int) -> list[str]:
    """Connect from a range of two ports that are both taken; needs a network of its own."""
    sender = HttpSender(LAB)
    low = 61_000
    _allow_ports(low, low + 1)
    taken = []
    for number in (low, low + 1):
        sock = socket.create_connection(("127.0.0.1", port), source_address=("127.0.0.1", number))
        taken.append(sock)
    first = await sent(sender, _request("127.0.0.1", port))
    _allow_ports(32_768, 60_999)
    later = await sent(sender, _request("127.0.0.1", port))
    await sender.close()
    return [first.outcome.value, later.outcome.value, *(sock.getsockname()[0] for sock in taken)]


async def resolver(port: int) -> list[str]:
    """Ask a name server that is gone; a target that needs none is reached meanwhile."""
    sender = HttpSender(LAB, lookup=AiodnsLookup(["127.0.0.1:9"]))
    named, literal = await asyncio.gather(
        sent(sender, _request("name.example.com", port)), sent(sender, _request("127.0.0.1", port))
    )
    await sender.close()
    return [named.outcome.value, literal.outcome.value]


async def main(lack: str) -> None:
    """Run one of them against a server in a process of its own."""
    if lack == "serve":
        return await serve()
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.egress.starved", "serve", stdout=asyncio.subprocess.PIPE
    )
    assert server.stdout is not None
    port = int(await server.stdout.readline())
    run = {"descriptors": descriptors, "ports": ports, "resolver": resolver}[lack]
    sys.stdout.write(json.dumps(await run(port)))
    server.kill()
    await server.wait()
    return None


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
