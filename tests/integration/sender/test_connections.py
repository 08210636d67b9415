"""Test when connections are kept, reused, dropped and replaced."""

import asyncio
import socket

import pytest

from deliverer.sender.sender import HttpSender
from schemas.outcome import Outcome
from tests.fakes.sender import sent
from tests.integration.sender.conftest import (
    LAB,
    OK,
    Bench,
    Peer,
    Receivers,
    loopback_lookup,
    request,
)


async def _answer(peer: Peer) -> None:
    while await peer.request() is not None:
        await peer.say(OK)


async def test_a_clean_connection_is_reused(bench: Bench, receivers: Receivers) -> None:
    """One connection serves all requests that follow one another."""
    port = await receivers.start(_answer)

    results = [await bench.send(request(port)) for _ in range(20)]

    assert {result.outcome for result in results} == {Outcome.DELIVERED}
    assert receivers.connections == 1
    assert bench.reused == [False] + [True] * 19
    assert [result.is_reused for result in results] == bench.reused


async def test_requests_at_once_have_connections_of_their_own(
    bench: Bench, receivers: Receivers
) -> None:
    """There is no pipelining; afterwards all are kept."""
    port = await receivers.start(_answer)

    first = await asyncio.gather(*(bench.send(request(port)) for _ in range(10)))
    second = await asyncio.gather(*(bench.send(request(port)) for _ in range(10)))

    assert {result.outcome for result in first + second} == {Outcome.DELIVERED}
    assert receivers.connections == 10
    assert [result.is_reused for result in second] == [True] * 10


async def test_connections_belong_to_one_host_and_port(bench: Bench, receivers: Receivers) -> None:
    """Another name on the same address is another endpoint."""
    port = await receivers.start(_answer)

    await bench.send(request(port, host="a.example"))
    await bench.send(request(port, host="b.example"))
    await bench.send(request(port, host="a.example"))

    assert bench.reused == [False, False, True]


async def test_a_second_answer_while_idle_is_never_believed(
    bench: Bench, receivers: Receivers
) -> None:
    """A smuggled 200 must not become the answer to the next request (B227)."""
    is_smuggled = asyncio.Event()

    async def handle(peer: Peer) -> None:
        await peer.request()
        if receivers.connections == 1:
            await peer.say(OK)
            await peer.say(OK.replace(b"200 OK", b"202 No"))
            is_smuggled.set()
            await peer.closed()
        else:
            await peer.say(OK.replace(b"200 OK", b"500 No"))

    port = await receivers.start(handle)

    first = await bench.send(request(port))
    await is_smuggled.wait()
    second = await bench.send(request(port))

    assert first.status == 200
    assert (second.status, second.is_reused) == (500, False)


async def test_smuggled_bytes_that_the_loop_has_not_read_are_seen(
    bench: Bench, receivers: Receivers
) -> None:
    """The kernel is asked before a reuse, since the loop may not have got to the bytes yet."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        port: int = listener.getsockname()[1]

        async def answer(data: bytes) -> socket.socket:
            sock, _ = await loop.sock_accept(listener)
            await loop.sock_recv(sock, 65_536)
            await loop.sock_sendall(sock, data)
            return sock

        serving = asyncio.create_task(answer(OK))
        await bench.send(request(port))
        first = await serving
        serving = asyncio.create_task(answer(OK.replace(b"200 OK", b"500 No")))
        await asyncio.sleep(0)
        first.send(OK)

        second = await bench.send(request(port))

        assert (second.status, second.is_reused) == (500, False)
        first.close()
        (await serving).close()


async def test_an_empty_line_after_an_answer_is_harmless(
    bench: Bench, receivers: Receivers
) -> None:
    """Old servers send one; it is no answer to anything."""

    async def handle(peer: Peer) -> None:
        while await peer.request() is not None:
            await peer.say(OK + b"\r\n")

    port = await receivers.start(handle)

    results = [await bench.send(request(port)) for _ in range(3)]

    assert {result.outcome for result in results} == {Outcome.DELIVERED}


@pytest.mark.parametrize("is_announced", [True, False])
async def test_a_receiver_that_closes_after_each_answer_loses_nothing(
    is_announced: bool, bench: Bench, receivers: Receivers
) -> None:
    """Also when it does not say so: what broke on a kept connection is sent again (B226)."""
    close = b"\r\nConnection: close\r\n" if is_announced else b"\r\n"

    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK.replace(b"\r\n", close, 1))

    port = await receivers.start(handle)

    results = [await bench.send(request(port)) for _ in range(50)]

    assert {result.outcome for result in results} == {Outcome.DELIVERED}
    assert receivers.connections == 50


async def test_a_kept_connection_that_breaks_is_replaced_once(
    bench: Bench, receivers: Receivers
) -> None:
    """The request of the second exchange is read and dropped; the third one gets through."""

    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK)
        if receivers.connections == 1:
            await peer.request()
        else:
            await _answer(peer)

    port = await receivers.start(handle)

    await bench.send(request(port))
    second = await bench.send(request(port))

    assert (second.outcome, second.is_reused) == (Outcome.DELIVERED, False)
    assert bench.reused == [False, True, False]


async def test_a_fresh_connection_that_breaks_is_not_tried_again(
    bench: Bench, receivers: Receivers
) -> None:
    """Only the schedule repeats an attempt that may have been seen."""

    async def handle(peer: Peer) -> None:
        await peer.request()

    port = await receivers.start(handle)

    result = await bench.send(request(port))

    assert result.outcome is Outcome.CONNECTION_LOST
    assert receivers.connections == 1


async def test_a_kept_connection_that_answered_in_part_is_not_replaced(
    bench: Bench, receivers: Receivers
) -> None:
    """A byte of an answer means that the request was seen."""

    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK)
        await peer.request()
        await peer.say(b"HTTP/1.1 2")

    port = await receivers.start(handle)

    await bench.send(request(port))
    second = await bench.send(request(port))

    assert (second.outcome, second.is_reused) == (Outcome.CONNECTION_LOST, True)


async def test_a_cancelled_attempt_closes_its_connection(
    bench: Bench, receivers: Receivers
) -> None:
    """Its late answer must not meet another request."""
    has_request, is_closed = asyncio.Event(), asyncio.Event()

    async def handle(peer: Peer) -> None:
        await peer.request()
        has_request.set()
        await peer.closed()
        is_closed.set()

    port = await receivers.start(handle)
    attempt = asyncio.create_task(sent(bench.sender, request(port)))
    await has_request.wait()

    attempt.cancel()

    with pytest.raises(asyncio.CancelledError):
        await attempt
    await is_closed.wait()


async def test_idle_connections_are_bounded_in_all(receivers: Receivers) -> None:
    """The least recently used one is closed."""
    sender = HttpSender(LAB, idle_max=2, lookup=loopback_lookup)
    port = await receivers.start(_answer)

    for host in ("a.example", "b.example", "c.example", "a.example"):
        last = await sent(sender, request(port, host=host))
    await sender.close()

    assert not last.is_reused


async def test_close_ends_idle_connections(bench: Bench, receivers: Receivers) -> None:
    """Nothing is left open, and a later exchange is not kept; closing twice is harmless."""
    is_closed = asyncio.Event()

    async def handle(peer: Peer) -> None:
        await _answer(peer)
        is_closed.set()

    port = await receivers.start(handle)
    await bench.send(request(port))

    await bench.sender.close()
    await bench.sender.close()

    await is_closed.wait()
