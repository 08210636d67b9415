"""Test that a third of all receivers attacking costs the others and this process nothing."""

import asyncio
import gzip
from itertools import chain, cycle, islice, repeat

import psutil

from schemas.outcome import Outcome
from tests.integration.sender.conftest import OK, Bench, Handler, Peer, Receivers, request

HEALTHY = 42
ROUNDS = 15
GROWTH_BYTES_MAX = 64 * 1_048_576


async def _healthy(peer: Peer) -> None:
    while await peer.request() is not None:
        await peer.say(OK)


async def _hang(peer: Peer) -> None:
    await peer.request()
    await peer.closed()


async def _drip(peer: Peer) -> None:
    await peer.request()
    for byte in chain(b"HTTP/1.1 200 OK\r\nX: ", repeat(ord("y"))):
        await peer.say(bytes([byte]))
        await peer.pause(0.05)


async def _flood(peer: Peer) -> None:
    await peer.request()
    while True:
        await peer.say(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 100)


async def _endless(peer: Peer) -> None:
    await peer.request()
    await peer.say(b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        await peer.say(b"10000\r\n" + b"x" * 65_536 + b"\r\n")


async def _endless_head(peer: Peer) -> None:
    await peer.request()
    await peer.say(b"HTTP/1.1 200 OK\r\n")
    while True:
        await peer.say(b"X: " + b"y" * 60_000 + b"\r\n")


async def _bomb(peer: Peer) -> None:
    await peer.request()
    await peer.say(b"HTTP/1.1 500 No\r\nContent-Encoding: gzip\r\n\r\n" + BOMB)


async def _reset(peer: Peer) -> None:
    await peer.request()
    peer.reset()


BOMB = gzip.compress(bytes(20_000_000))
SLOW: set[Handler] = {_hang, _drip}
ENDS: dict[Handler, set[Outcome]] = {
    _hang: {Outcome.TIMEOUT},
    _drip: {Outcome.TIMEOUT},
    # Cut by what they sent, long before the time is over: so much CPU they cost, and no more.
    _flood: {Outcome.PROTOCOL_ERROR},
    _endless: {Outcome.HTTP_5XX},
    _endless_head: {Outcome.PROTOCOL_ERROR},
    _bomb: {Outcome.HTTP_5XX},
    _reset: {Outcome.CONNECTION_LOST},
}
ATTACKS = list(ENDS)


def _descriptors() -> int:
    return psutil.Process().num_fds()


def _memory_bytes() -> int:
    return int(psutil.Process().memory_info().rss)


async def test_attackers_cost_the_others_nothing(bench: Bench, receivers: Receivers) -> None:
    """Every healthy delivery ends while the hanging ones still hang; nothing is left behind."""
    good = [await receivers.start(_healthy) for _ in range(HEALTHY)]
    kinds = list(islice(cycle(ATTACKS), HEALTHY * 3 // 7))
    bad = [await receivers.start(kind) for kind in kinds]
    await asyncio.gather(*(bench.send(request(port)) for port in good))
    descriptors, memory_bytes = _descriptors(), _memory_bytes()
    is_over = asyncio.Event()

    ends: dict[Handler, set[Outcome]] = {kind: set() for kind in ATTACKS}

    async def attack(port: int, kind: Handler) -> None:
        timeout_s = 1.0 if kind in SLOW else 30.0
        while not is_over.is_set():
            ends[kind].add((await bench.send(request(port, timeout_s=timeout_s))).outcome)

    async def deliver(port: int) -> list[Outcome]:
        return [(await bench.send(request(port, timeout_s=30.0))).outcome for _ in range(ROUNDS)]

    hanging = asyncio.create_task(bench.sender.send(request(bad[0], timeout_s=60.0)))
    attacks = [asyncio.create_task(attack(*one)) for one in zip(bad, kinds, strict=True)]
    delivered = await asyncio.gather(*(deliver(port) for port in good))
    still_hangs = not hanging.done()
    is_over.set()
    await asyncio.gather(*attacks)
    hanging.cancel()
    await asyncio.gather(hanging, return_exceptions=True)
    await receivers.stop()

    assert [set(outcomes) for outcomes in delivered] == [{Outcome.DELIVERED}] * HEALTHY
    assert still_hangs
    assert ends == ENDS
    assert _descriptors() <= descriptors
    assert _memory_bytes() - memory_bytes < GROWTH_BYTES_MAX
