"""Receivers on loopback sockets that do as they are told, and a sender that may reach them."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from ipaddress import ip_address
from pathlib import Path

import pytest
import pytest_asyncio
import trustme
import uvloop

from chassis.egress import EgressPolicy
from deliverer.resolver import Addresses, Answer
from deliverer.sender.port import PreparedRequest
from deliverer.sender.sender import HttpSender
from tests.fakes.sender import sent

LAB = EgressPolicy.of(allow_http=True, allow_cidrs=["127.0.0.0/8"])
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Handler = Callable[["Peer"], Awaitable[None]]


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run every test here under both event loops."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


class Peer:
    """The receiver's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def request(self) -> bytes | None:
        """Read one whole request; None when the sender closed."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
            size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            return head + await self.reader.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def say(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(data)
        await self.writer.drain()

    async def pause(self, seconds: float) -> None:
        """Let time pass on the wire."""
        await asyncio.sleep(seconds)

    async def closed(self) -> bool:
        """Wait until the sender has closed; whatever it sends before is dropped."""
        try:
            while await self.reader.read(65_536):
                pass
        except ConnectionError:
            pass
        return True

    def reset(self) -> None:
        """Answer with a TCP reset."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class Receivers:
    """Starts receivers and stops them at the end of a test."""

    def __init__(self, authority: trustme.CA) -> None:
        self.authority = authority
        self.connections = 0
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, handler: Handler, *, cert: trustme.LeafCert | None = None) -> int:
        """Serve a handler on a free loopback port, with TLS when there is a certificate."""
        tls = None
        if cert is not None:
            import ssl

            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            cert.configure_cert(tls)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections += 1
            task = asyncio.current_task()
            assert task is not None
            self._tasks.add(task)
            try:
                await handler(Peer(reader, writer))
            except (ConnectionError, asyncio.CancelledError):
                pass
            finally:
                self._tasks.discard(task)
                writer.transport.abort()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
        self._servers.append(server)
        port: int = server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        """Stop listening and end every handler."""
        for server in self._servers:
            server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class Bench:
    """One sender and what it counted."""

    def __init__(self, sender: HttpSender, reused: list[bool]) -> None:
        self.sender = sender
        self.reused = reused
        self.send = partial(sent, sender)


async def loopback_lookup(host: str) -> Answer:
    """Resolve every name to this host."""
    return Addresses((ip_address("127.0.0.1"),))


def request(
    port: int,
    *,
    host: str = "127.0.0.1",
    scheme: str = "http",
    timeout_s: float = 30.0,
    body: bytes = b"{}",
) -> PreparedRequest:
    """Prepare a POST to a receiver of this test."""
    head = f"POST /in HTTP/1.1\r\nhost: {host}:{port}\r\ncontent-length: {len(body)}\r\n\r\n"
    return PreparedRequest(
        scheme=scheme,
        host=host,
        port=port,
        target=b"/in",
        head=head.encode(),
        body=body,
        timeout_s=timeout_s,
    )


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """Give a certificate authority that the sender trusts."""
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    """Give the file of the trusted authority."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest_asyncio.fixture
async def receivers(authority: trustme.CA) -> AsyncIterator[Receivers]:
    """Give a starter of receivers."""
    starter = Receivers(authority)
    yield starter
    await starter.stop()


@pytest_asyncio.fixture
async def bench(ca_file: Path) -> AsyncIterator[Bench]:
    """Give a sender that may reach loopback over http and trusts the test's authority."""
    reused: list[bool] = []
    sender = HttpSender(LAB, ca_file=ca_file, on_connection=reused.append, lookup=loopback_lookup)
    yield Bench(sender, reused)
    await sender.close()
