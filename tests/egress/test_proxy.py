"""Test tunnels through an egress proxy on loopback, and who is charged when there is none."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from chassis.egress import EgressPolicy
from chassis.egress_proxy import ProxyAddress
from deliverer.resolver import Answer, NameFailed
from deliverer.sender.sender import HttpSender
from schemas.outcome import Outcome
from tests.fakes.sender import sent
from tests.integration.sender.conftest import OK, Peer, Receivers, request

OPEN = EgressPolicy.of(allow_http=True)
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"

MakeSender = Callable[[int], HttpSender]


async def _lookup_nothing(host: str) -> Answer:
    return NameFailed(f"asked for {host}")


@pytest_asyncio.fixture
async def make_sender(ca_file: Path) -> AsyncIterator[MakeSender]:
    """Give a maker of senders that only know a proxy on a port of loopback."""
    made: list[HttpSender] = []

    def make(port: int) -> HttpSender:
        proxy = ProxyAddress.parse(f"http://us:pw@127.0.0.1:{port}")
        sender = HttpSender(OPEN, ca_file=ca_file, lookup=_lookup_nothing, proxy=proxy)
        made.append(sender)
        return sender

    yield make
    for sender in made:
        await sender.close()


class Tunnels:
    """A proxy that leads every tunnel to one port of loopback."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.heads: list[bytes] = []

    async def handle(self, peer: Peer) -> None:
        """Open a tunnel and copy both ways."""
        self.heads.append(await peer.reader.readuntil(b"\r\n\r\n"))
        inner = await asyncio.open_connection("127.0.0.1", self.port)
        await peer.say(ESTABLISHED)
        await asyncio.gather(_copy(peer.reader, inner[1]), _copy(inner[0], peer.writer))


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(65_536):
        sink.write(data)
    sink.close()


async def _answer(peer: Peer) -> None:
    while await peer.request() is not None:
        await peer.say(OK)


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_requests_go_through_the_tunnel(
    scheme: str, make_sender: MakeSender, receivers: Receivers
) -> None:
    """The proxy gets the name, the login and nothing of the request; the tunnel is kept."""
    cert = receivers.authority.issue_cert("hooks.example") if scheme == "https" else None
    tunnels = Tunnels(await receivers.start(_answer, cert=cert))
    sender = make_sender(await receivers.start(tunnels.handle))

    results = [
        await sent(sender, request(8443, host="hooks.example", scheme=scheme)) for _ in range(3)
    ]

    assert [result.outcome for result in results] == [Outcome.DELIVERED] * 3
    assert [result.is_reused for result in results] == [False, True, True]
    assert len(tunnels.heads) == 1
    assert tunnels.heads[0].startswith(b"CONNECT hooks.example:8443 HTTP/1.1\r\n")
    assert b"proxy-authorization: Basic dXM6cHc=" in tunnels.heads[0]


async def test_the_certificate_is_that_of_the_receiver(
    make_sender: MakeSender, receivers: Receivers
) -> None:
    """A proxy that answers for the receiver is found out."""
    cert = receivers.authority.issue_cert("proxy.example")
    tunnels = Tunnels(await receivers.start(_answer, cert=cert))
    sender = make_sender(await receivers.start(tunnels.handle))

    result = await sent(sender, request(8443, host="hooks.example", scheme="https"))

    assert result.outcome is Outcome.TLS_ERROR


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (b"HTTP/1.1 403 No\r\n\r\n", Outcome.BLOCKED),
        (b"HTTP/1.1 407 Request rejected by proxy\r\n\r\n", Outcome.BLOCKED),
        (b"HTTP/1.1 407 Login\r\nProxy-Authenticate: Basic\r\n\r\n", Outcome.LOCAL_FAULT),
        (b"HTTP/1.1 502 Bad\r\n\r\n", Outcome.CONNECT_ERROR),
        (b"HTTP/1.1 504 Late\r\n\r\n", Outcome.CONNECT_ERROR),
        (b"HTTP/1.1 503 Busy\r\n\r\n", Outcome.LOCAL_FAULT),
        (b"", Outcome.LOCAL_FAULT),
        (b"HTTP/1.1 200", Outcome.LOCAL_FAULT),
        (b"SSH-2.0-x\r\n\r\n", Outcome.LOCAL_FAULT),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 9_000 + b"\r\n\r\n", Outcome.LOCAL_FAULT),
        (ESTABLISHED + OK, Outcome.PROTOCOL_ERROR),
    ],
)
async def test_a_proxy_without_a_tunnel(
    answer: bytes, outcome: Outcome, make_sender: MakeSender, receivers: Receivers
) -> None:
    """Only what it says about the target counts against the target; nothing of ours is sent."""

    async def handle(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.say(answer)

    sender = make_sender(await receivers.start(handle))

    result = await sent(sender, request(8443, host="hooks.example"))

    assert (result.outcome, result.status) == (outcome, None)


async def test_a_proxy_that_is_down_charges_nobody(make_sender: MakeSender) -> None:
    """Nobody listens on port 1."""
    result = await sent(make_sender(1), request(8443, host="hooks.example"))

    assert (result.outcome, result.detail) == (
        Outcome.LOCAL_FAULT,
        "egress proxy: connection refused",
    )


async def test_a_tunnel_that_never_opens_ends_with_the_attempt(
    make_sender: MakeSender, receivers: Receivers
) -> None:
    """Most likely the target is a black hole: it must not look like a fault of ours."""
    is_closed = asyncio.Event()

    async def handle(peer: Peer) -> None:
        await peer.closed()
        is_closed.set()

    sender = make_sender(await receivers.start(handle))

    result = await sent(sender, request(8443, host="hooks.example", timeout_s=0.3))

    assert result.outcome is Outcome.TIMEOUT
    await is_closed.wait()


@pytest.mark.parametrize("host", ["127.0.0.1", "169.254.169.254", "::1", "localhost"])
async def test_a_forbidden_target_never_gets_to_the_proxy(
    host: str, make_sender: MakeSender, receivers: Receivers
) -> None:
    """Literals and internal names are judged here all the same."""
    sender = make_sender(await receivers.start(_answer))

    result = await sent(sender, request(8443, host=host))

    assert result.outcome is Outcome.BLOCKED
    assert receivers.connections == 0
