"""Test what the sender does with answers that want something of it, on real loopback sockets."""

import asyncio
import socket
import ssl
from ipaddress import ip_address

import pytest
import trustme

from chassis.egress import EgressPolicy, IPAddress
from deliverer.resolver import Addresses, Answer
from deliverer.sender.dial import dial_tcp
from deliverer.sender.sender import HttpSender
from schemas.outcome import Outcome
from tests.fakes.sender import sent
from tests.integration.sender.conftest import OK, Bench, Handler, Peer, Receivers, request

INSIDE = [
    "http://127.0.0.1:8080/", "http://169.254.169.254/latest/", "https://10.0.0.1/", "http://[::1]/",
    "http://localhost/", "/relative", "//metadata.google.internal/", "http://hooks.example/in",
    "file:///etc/passwd", "gopher://10.0.0.1:6379/_x", "http://0x7f.1/", "",
]  # fmt: skip


def _always(data: bytes) -> Handler:
    async def handle(peer: Peer) -> None:
        while await peer.request() is not None:
            await peer.say(data)

    return handle


class Names:
    """Notes what is looked up and dialled; everything leads to one receiver."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.looked_up: list[str] = []
        self.dialled: list[str] = []

    async def lookup(self, host: str) -> Answer:
        """Answer a public address."""
        self.looked_up.append(host)
        return Addresses((ip_address("93.184.215.14"),))

    async def dial(self, address: IPAddress, port: int) -> socket.socket:
        """Connect to the receiver instead."""
        self.dialled.append(f"{address}:{port}")
        return await dial_tcp(ip_address("127.0.0.1"), self.port)


@pytest.mark.parametrize("field", ["Location", "Refresh", "Alt-Svc", "Content-Location"])
@pytest.mark.parametrize("status", [200, 301, 307])
async def test_no_answer_sends_us_elsewhere(status: int, field: str, receivers: Receivers) -> None:
    """Redirects to every kind of inner place, 20 times over, cause no other connection (B114)."""
    places = iter(INSIDE * 2)

    async def handle(peer: Peer) -> None:
        while await peer.request() is not None:
            head = f"HTTP/1.1 {status} X\r\n{field}: {next(places)}\r\nContent-Length: 0\r\n\r\n"
            await peer.say(head.encode())

    names = Names(await receivers.start(handle))
    sender = HttpSender(EgressPolicy.of(allow_http=True), lookup=names.lookup, dial=names.dial)

    results = [await sent(sender, request(8080, host="hooks.example")) for _ in range(20)]
    await sender.close()

    expected = Outcome.DELIVERED if status == 200 else Outcome.HTTP_3XX
    assert {result.outcome for result in results} == {expected}
    assert names.looked_up == ["hooks.example"]
    assert names.dialled == ["93.184.215.14:8080"]


async def test_nothing_an_answer_sets_comes_back(bench: Bench, receivers: Receivers) -> None:
    """Cookies, HSTS and challenges of one answer leave the next request as it is (B229)."""
    seen: list[bytes] = []

    async def handle(peer: Peer) -> None:
        while (got := await peer.request()) is not None:
            seen.append(got)
            await peer.say(
                b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nStrict-Transport-Security: max-age=9\r\n"
                b"WWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n"
            )

    sent = request(await receivers.start(handle))

    for _ in range(3):
        assert (await bench.send(sent)).outcome is Outcome.DELIVERED

    assert seen == [sent.head + sent.body] * 3


async def test_a_receiver_may_not_be_this_host(receivers: Receivers) -> None:
    """Our own gateway and admin ports lie behind the same rule as all of the inside (B118)."""
    port = await receivers.start(_always(OK))
    sender = HttpSender(EgressPolicy.of(allow_http=True))

    for host in ("127.0.0.1", "::1", "0.0.0.0", "localhost"):
        assert (await sent(sender, request(port, host=host))).outcome is Outcome.BLOCKED
    await sender.close()

    assert receivers.connections == 0


@pytest.mark.parametrize("status", [99, 100, 101, 199, 600, 999])
async def test_a_status_outside_the_final_ones_is_no_answer(
    status: int, bench: Bench, receivers: Receivers
) -> None:
    """What is not 200 to 599 is a protocol error, or goes on until the stream ends (B216)."""
    data = f"HTTP/1.1 {status:03} X\r\nContent-Length: 0\r\n\r\n".encode()

    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.say(data)

    port = await receivers.start(handle)

    result = await bench.send(request(port))

    assert (result.outcome, result.status) == (Outcome.PROTOCOL_ERROR, None)


@pytest.mark.parametrize(
    "fields",
    [
        [b"Retry-After: 7", b"Retry-After: 900"],
        [b"RETRY-AFTER:7", b"Retry-After: soon"],
        [b"Retry-After: \t7 "],
    ],
)
async def test_the_first_retry_after_counts(
    fields: list[bytes], bench: Bench, receivers: Receivers
) -> None:
    """In any case and with blanks; reading it as time is another module's work (B222)."""
    head = b"HTTP/1.1 503 Busy\r\n" + b"".join(field + b"\r\n" for field in fields)
    port = await receivers.start(_always(head + b"Content-Length: 0\r\n\r\n"))

    assert (await bench.send(request(port))).retry_after == "7"


async def test_a_body_is_kept_as_bytes(bench: Bench, receivers: Receivers) -> None:
    """Markup, NUL and broken UTF-8 come along unread; masking is the caller's (B231)."""
    body = b"<script>alert(1)</script>\x00\xff\xfe whsec_x"
    head = f"HTTP/1.1 500 No\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    port = await receivers.start(_always(head + body))

    assert (await bench.send(request(port))).response == body


@pytest.mark.parametrize("size", [1, 2, 3])
async def test_a_final_answer_in_pieces_is_one_answer(
    size: int, bench: Bench, receivers: Receivers
) -> None:
    """Bytes beyond a length never turn a 2xx into a failure, however they are cut (B219)."""
    data = OK + b"beyond"

    async def handle(peer: Peer) -> None:
        await peer.request()
        for at in range(0, len(data), size):
            await peer.say(data[at : at + size])
            await asyncio.sleep(0)
        await peer.closed()

    port = await receivers.start(handle)

    first = await bench.send(request(port))
    second = await bench.send(request(port))

    assert (first.outcome, first.status) == (Outcome.DELIVERED, 200)
    assert not second.is_reused


async def test_old_tls_is_not_spoken(bench: Bench, authority: trustme.CA) -> None:
    """A server that knows nothing newer than TLS 1.1 gets no request (B223)."""
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    authority.issue_cert("hooks.example").configure_cert(old)
    got: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await reader.read(1))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=old)
    port = server.sockets[0].getsockname()[1]

    result = await bench.send(request(port, host="hooks.example", scheme="https"))
    server.close()

    assert result.outcome is Outcome.TLS_ERROR
    assert got == []
