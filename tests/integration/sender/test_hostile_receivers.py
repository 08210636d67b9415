"""Test the sender against receivers that break rules, on real loopback sockets (B200 series)."""

import asyncio
import gzip
import socket

import pytest

from chassis.egress import IPAddress
from deliverer.sender.dial import dial_tcp
from deliverer.sender.sender import HttpSender
from schemas.outcome import Outcome
from tests.fakes.sender import sent
from tests.integration.sender.conftest import LAB, OK, Bench, Handler, Peer, Receivers, request

SHORT_S = 0.3


def _answer(data: bytes) -> Handler:
    async def handle(peer: Peer) -> None:
        while await peer.request() is not None:
            await peer.say(data)

    return handle


async def _drip_status_line(peer: Peer) -> None:
    await peer.request()
    for byte in OK:
        await peer.say(bytes([byte]))
        await peer.pause(0.05)


async def _drip_fields(peer: Peer) -> None:
    await peer.request()
    await peer.say(b"HTTP/1.1 200 OK\r\n")
    while True:
        await peer.say(b"X")
        await peer.pause(0.05)


async def _never_answer(peer: Peer) -> None:
    await peer.request()
    await peer.closed()


async def _never_read(peer: Peer) -> None:
    await peer.pause(30)


async def _continue_slowly(peer: Peer) -> None:
    await peer.request()
    while True:
        await peer.say(b"HTTP/1.1 100 Continue\r\n\r\n")
        await peer.pause(0.15)


@pytest.mark.parametrize(
    "handler", [_drip_status_line, _drip_fields, _never_answer, _never_read, _continue_slowly]
)
async def test_slowness_ends_at_the_timeout(
    handler: Handler, bench: Bench, receivers: Receivers
) -> None:
    """Neither drops of bytes nor interim answers win time (B201, B202, B204, B205, B208)."""
    port = await receivers.start(handler)

    result = await bench.send(request(port, timeout_s=SHORT_S, body=b"x" * 262_144))

    assert (result.outcome, result.status) == (Outcome.TIMEOUT, None)
    assert SHORT_S * 900 <= result.duration_ms < 3000


async def test_a_dripping_body_does_not_hold_a_delivery(bench: Bench, receivers: Receivers) -> None:
    """The head decides; the body is waited for one second, then the connection goes (B203)."""

    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            await peer.say(b"x")
            await peer.pause(0.05)

    port = await receivers.start(handle)

    result = await bench.send(request(port))

    assert (result.outcome, result.status) == (Outcome.DELIVERED, 200)
    assert 900 <= result.duration_ms < 3000
    assert result.response.startswith(b"xxx")


@pytest.mark.parametrize(
    "start", [b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"]
)
async def test_an_endless_body_is_cut(start: bytes, bench: Bench, receivers: Receivers) -> None:
    """16 KiB are read, then the connection is closed (B206)."""
    is_cut = asyncio.Event()

    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.say(start)
        try:
            while True:
                await peer.say(b"x" * 65_536)
        finally:
            is_cut.set()

    port = await receivers.start(handle)

    result = await bench.send(request(port))

    assert result.outcome is Outcome.DELIVERED
    assert result.response == b"x" * 4096
    await is_cut.wait()


async def test_a_compressed_body_is_not_inflated(bench: Bench, receivers: Receivers) -> None:
    """A bomb stays as small as it came (B207)."""
    bomb = gzip.compress(b"\x00" * 1_000_000)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n"
    port = await receivers.start(_answer(head.encode() + bomb))

    result = await bench.send(request(port))

    assert result.outcome is Outcome.DELIVERED
    assert result.response == bomb[:4096]


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 1000,
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/0.9 200 OK\r\n\r\n",
        b"<html>hello</html>",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 000 Odd\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
    ],
)
async def test_what_is_not_an_answer_is_a_protocol_error(
    data: bytes, bench: Bench, receivers: Receivers
) -> None:
    """No status is taken from it, and the connection is not kept (B209, B210, B215 to B218)."""
    port = await receivers.start(_answer(data))

    result = await bench.send(request(port))
    await bench.send(request(port))

    assert (result.outcome, result.status) == (Outcome.PROTOCOL_ERROR, None)
    assert result.detail
    assert bench.reused == [False, False]


@pytest.mark.parametrize("is_reset", [True, False])
@pytest.mark.parametrize("said", [None, b"", b"HTTP/1.1 20"])
async def test_a_connection_that_breaks_is_lost(
    said: bytes | None, is_reset: bool, bench: Bench, receivers: Receivers
) -> None:
    """At once, after the request, or within the status line (B211, B212)."""

    async def handle(peer: Peer) -> None:
        if said is not None:
            await peer.request()
            await peer.say(said)
        if is_reset:
            peer.reset()

    port = await receivers.start(handle)

    result = await bench.send(request(port))

    assert (result.outcome, result.status) == (Outcome.CONNECTION_LOST, None)


@pytest.mark.parametrize("is_reset", [True, False])
@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot a size\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\nbody",
        b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
    ],
)
async def test_a_broken_body_after_a_good_head_is_delivered(
    data: bytes, is_reset: bool, bench: Bench, receivers: Receivers
) -> None:
    """A receiver that said 200 has the event (B213, B214, B219)."""

    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.say(data)
        if is_reset:
            await peer.pause(0.05)
            peer.reset()

    port = await receivers.start(handle)

    result = await bench.send(request(port))

    assert result.outcome is Outcome.DELIVERED


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_a_failure(status: int, bench: Bench, receivers: Receivers) -> None:
    """Its target is never contacted (B220)."""
    data = f"HTTP/1.1 {status} Go\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    port = await receivers.start(_answer(data.encode()))

    result = await bench.send(request(port))

    assert (result.outcome, result.status) == (Outcome.HTTP_3XX, status)
    assert receivers.connections == 1


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (204, Outcome.DELIVERED), (299, Outcome.DELIVERED), (304, Outcome.HTTP_3XX),
        (400, Outcome.HTTP_4XX), (410, Outcome.HTTP_410), (429, Outcome.HTTP_429),
        (503, Outcome.HTTP_5XX), (599, Outcome.HTTP_5XX),
    ],
)  # fmt: skip
async def test_statuses_map_to_outcomes(
    status: int, outcome: Outcome, bench: Bench, receivers: Receivers
) -> None:
    """Retry-After and the wish of the receiver come along raw (B221, B222)."""
    data = f"HTTP/1.1 {status} X\r\nRetry-After: soon\r\nWebhook-Delivery: disable\r\n"
    port = await receivers.start(_answer(data.encode() + b"Content-Length: 0\r\n\r\n"))

    result = await bench.send(request(port))

    assert (result.outcome, result.status) == (outcome, status)
    assert (result.retry_after, result.webhook_delivery) == ("soon", "disable")


async def test_an_answer_before_the_body_was_read_counts(
    bench: Bench, receivers: Receivers
) -> None:
    """A receiver may decide on the head alone (B228)."""

    async def handle(peer: Peer) -> None:
        await peer.pause(0.05)
        await peer.say(OK)
        await peer.pause(30)

    port = await receivers.start(handle)

    result = await bench.send(request(port, body=b"x" * 4_000_000))

    assert result.outcome is Outcome.DELIVERED


async def test_a_receiver_that_speaks_first_is_not_believed(
    bench: Bench, receivers: Receivers
) -> None:
    """An answer on the wire before the request is the answer to nothing."""
    has_spoken = asyncio.Event()

    async def handle(peer: Peer) -> None:
        await peer.say(OK)
        has_spoken.set()
        await peer.closed()

    async def dial(address: IPAddress, port: int) -> socket.socket:
        sock = await dial_tcp(address, port)
        await has_spoken.wait()
        return sock

    port = await receivers.start(handle)
    sender = HttpSender(LAB, dial=dial)

    result = await sent(sender, request(port))
    await sender.close()

    assert result.outcome is Outcome.PROTOCOL_ERROR
