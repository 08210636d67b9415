"""Test what is connected to: addresses, TLS, and who is at fault when it fails."""

import asyncio
import errno
import socket
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
import trustme

from chassis.clock import SystemClock
from chassis.egress import EgressPolicy, IPAddress
from deliverer.resolver import Addresses, Answer, NameFailed
from deliverer.sender.connector import tls_context
from deliverer.sender.dial import dial_tcp
from deliverer.sender.sender import HttpSender
from schemas.outcome import Outcome
from tests.fakes.sender import sent
from tests.integration.sender.conftest import (
    LAB,
    OK,
    Bench,
    Handler,
    Peer,
    Receivers,
    loopback_lookup,
    request,
)

STRICT = EgressPolicy()


async def _answer(peer: Peer) -> None:
    while await peer.request() is not None:
        await peer.say(OK)


class FakeNet:
    """Names and addresses that exist only here; nothing leaves the host.

    `dialled` lists every address that would have been connected to; all lead to `port`.
    """

    def __init__(self, names: dict[str, list[str]], port: int = 0) -> None:
        self.names = names
        self.port = port
        self.dialled: list[str] = []
        self.fault: OSError | None = None

    async def lookup(self, host: str) -> Answer:
        """Answer from the table."""
        found = self.names.get(host)
        if found is None:
            return NameFailed("the name has no address")
        return Addresses(tuple(ip_address(text) for text in found), 0.0)

    async def dial(self, address: IPAddress, port: int) -> socket.socket:
        """Connect to the receiver of the test instead."""
        self.dialled.append(str(address))
        if self.fault is not None:
            raise self.fault
        return await dial_tcp(ip_address("127.0.0.1"), self.port)

    def sender(self, policy: EgressPolicy, ca_file: Path | None = None) -> HttpSender:
        """Make a sender that lives in this net."""
        return HttpSender(policy, ca_file=ca_file, lookup=self.lookup, dial=self.dial)


@pytest.mark.parametrize(
    ("host", "addresses"),
    [
        ("127.0.0.1", []),
        ("::1", []),
        ("::ffff:127.0.0.1", []),
        ("169.254.169.254", []),
        ("loop.example", ["127.0.0.1"]),
        ("mixed.example", ["93.184.215.14", "10.0.0.1"]),
        ("six.example", ["fd00::1"]),
        ("both.example", ["93.184.215.14", "::1"]),
        ("many.example", ["93.184.215.14"] * 200 + ["192.168.0.1"]),
    ],
)
async def test_a_forbidden_address_refuses_all(host: str, addresses: list[str]) -> None:
    """One bad answer is enough, and nothing is dialled (B113)."""
    net = FakeNet({host: addresses})
    sender = net.sender(STRICT)

    result = await sent(sender, request(443, host=host, scheme="https"))
    await sender.close()

    assert (result.outcome, result.blocked_reason) == (Outcome.BLOCKED, "address")
    assert net.dialled == []


@pytest.mark.parametrize(
    ("host", "port", "scheme", "reason"),
    [
        ("a.example", 443, "http", "scheme"),
        ("a.example", 22, "https", "port"),
        ("a.example", 6379, "https", "port"),
        ("localhost", 443, "https", "dns"),
        ("metadata.google.internal", 443, "https", "dns"),
        ("api.ns.svc.cluster.local", 443, "https", "dns"),
    ],
)
async def test_scheme_port_and_name_are_judged_again(
    host: str, port: int, scheme: str, reason: str
) -> None:
    """The rules may have become stricter since the subscription was written."""
    net = FakeNet({host: ["93.184.215.14"]})
    sender = net.sender(STRICT)

    result = await sent(sender, request(port, host=host, scheme=scheme))
    await sender.close()

    assert (result.outcome, result.blocked_reason) == (Outcome.BLOCKED, reason)
    assert net.dialled == []


async def test_a_changed_answer_is_judged_at_each_connect(receivers: Receivers) -> None:
    """A name that turns to a private address is refused (rebinding)."""
    port = await receivers.start(_answer)
    net = FakeNet({"a.example": ["93.184.215.14"]}, port)
    sender = net.sender(EgressPolicy.of(allow_http=True))

    first = await sent(sender, request(8080, host="a.example"))
    net.names["a.example"] = ["127.0.0.1"]
    second = await sent(sender, request(8081, host="a.example"))
    await sender.close()

    assert first.outcome is Outcome.DELIVERED
    assert second.outcome is Outcome.BLOCKED
    assert net.dialled == ["93.184.215.14"]


async def test_an_internal_name_is_never_looked_up(receivers: Receivers) -> None:
    """Whatever the operator permits, and although it leads to a permitted address here."""
    port = await receivers.start(_answer)
    sender = HttpSender(LAB)

    result = await sent(sender, request(port, host="localhost"))
    await sender.close()

    assert (result.outcome, result.blocked_reason) == (Outcome.BLOCKED, "dns")
    assert receivers.connections == 0


async def test_two_policies_share_no_connection(receivers: Receivers) -> None:
    """A kept connection of one policy is no way around the other (B117)."""
    port = await receivers.start(_answer)
    wide = HttpSender(LAB, lookup=loopback_lookup)
    narrow = HttpSender(EgressPolicy.of(allow_http=True), lookup=loopback_lookup)

    await sent(wide, request(port))
    result = await sent(narrow, request(port))
    await wide.close()
    await narrow.close()

    assert result.outcome is Outcome.BLOCKED


async def test_an_unknown_name_is_a_dns_error() -> None:
    """Definitely not delivered."""
    sender = FakeNet({}).sender(STRICT)

    result = await sent(sender, request(443, host="gone.example", scheme="https"))
    await sender.close()

    assert result.outcome is Outcome.DNS_ERROR


async def test_a_refused_connection_is_a_connect_error(bench: Bench) -> None:
    """Nobody listens there."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        result = await bench.send(request(sock.getsockname()[1]))

    assert (result.outcome, result.detail) == (Outcome.CONNECT_ERROR, "connection refused")


@pytest.mark.parametrize(
    "number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL]
)
async def test_our_own_lack_of_resources_is_a_local_fault(number: int) -> None:
    """The receiver is not charged for it."""
    net = FakeNet({"a.example": ["93.184.215.14", "2606:4700::1"]})
    net.fault = OSError(number, "no more")
    sender = net.sender(STRICT)

    result = await sent(sender, request(443, host="a.example", scheme="https"))
    await sender.close()

    assert result.outcome is Outcome.LOCAL_FAULT


async def test_tls_checks_the_name_and_reuses_the_connection(
    bench: Bench, receivers: Receivers
) -> None:
    """The name goes into SNI and verification although a number is connected to."""
    cert = receivers.authority.issue_cert("hooks.example")
    port = await receivers.start(_answer, cert=cert)
    secured = request(port, host="hooks.example", scheme="https")

    results = [await bench.send(secured) for _ in range(3)]

    assert [result.outcome for result in results] == [Outcome.DELIVERED] * 3
    assert bench.reused == [False, True, True]


async def test_tls_to_an_address_checks_the_address(bench: Bench, receivers: Receivers) -> None:
    """A literal needs a certificate that names it."""
    good = await receivers.start(_answer, cert=receivers.authority.issue_cert("127.0.0.1"))
    bad = await receivers.start(_answer, cert=receivers.authority.issue_cert("hooks.example"))

    assert (await bench.send(request(good, scheme="https"))).outcome is Outcome.DELIVERED
    assert (await bench.send(request(bad, scheme="https"))).outcome is Outcome.TLS_ERROR


async def test_bad_certificates_are_tls_errors(bench: Bench, receivers: Receivers) -> None:
    """Wrong name, expired, or of an authority nobody knows (B223)."""
    past = datetime.fromtimestamp(SystemClock().now_ms() / 1000, UTC) - timedelta(days=1)
    certs = [
        receivers.authority.issue_cert("other.example"),
        receivers.authority.issue_cert("hooks.example", not_after=past),
        trustme.CA().issue_cert("hooks.example"),
    ]

    details = []
    for cert in certs:
        port = await receivers.start(_answer, cert=cert)
        result = await bench.send(request(port, host="hooks.example", scheme="https"))
        assert (result.outcome, result.status) == (Outcome.TLS_ERROR, None)
        details.append(result.detail or "")

    assert "expired" in details[1]
    assert all("hooks" not in detail for detail in details)


def test_old_tls_is_refused() -> None:
    """TLS 1.2 is the least (B223)."""
    assert tls_context().minimum_version is ssl.TLSVersion.TLSv1_2


async def _say_plain(peer: Peer) -> None:
    await peer.say(OK)
    await peer.closed()


async def _reset(peer: Peer) -> None:
    peer.reset()


@pytest.mark.parametrize("handler", [_say_plain, _reset])
async def test_a_handshake_that_fails_is_no_delivery(
    handler: Handler, bench: Bench, receivers: Receivers
) -> None:
    """Plain HTTP on a TLS port, or a reset: nothing of the request was sent (B223)."""
    port = await receivers.start(handler)

    result = await bench.send(request(port, scheme="https"))

    assert result.outcome is Outcome.TLS_ERROR
    assert bench.reused == []


async def test_a_handshake_that_never_ends_is_a_timeout(bench: Bench, receivers: Receivers) -> None:
    """The bound of the attempt holds while connecting, and the socket is closed (B224)."""
    is_closed = asyncio.Event()

    async def handle(peer: Peer) -> None:
        await peer.closed()
        is_closed.set()

    port = await receivers.start(handle)

    result = await bench.send(request(port, scheme="https", timeout_s=0.3))

    assert result.outcome is Outcome.TIMEOUT
    assert bench.reused == []
    await is_closed.wait()


async def test_a_connect_that_never_ends_is_a_timeout() -> None:
    """A black hole costs no more than the attempt's time (B225)."""
    is_cancelled = asyncio.Event()

    async def dial(address: IPAddress, port: int) -> socket.socket:
        try:
            await asyncio.Event().wait()
        finally:
            is_cancelled.set()
        raise AssertionError

    sender = HttpSender(LAB, lookup=loopback_lookup, dial=dial)

    result = await sent(sender, request(80, timeout_s=0.1))
    await sender.close()

    assert result.outcome is Outcome.TIMEOUT
    assert is_cancelled.is_set()
