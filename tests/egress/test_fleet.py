"""Test that a third of all receivers attacking costs the others and this process nothing."""

import asyncio
import gzip
from itertools import cycle

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
    while True:
        await peer.say(b"H")
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
ATTACKS: list[Handler] = [_hang, _drip, _flood, _endless, _endless_head, _bomb, _reset]


def _descriptors() -> int:
    return psutil.Process().num_fds()


def _memory_bytes() -> int:
    return int(psutil.Process().memory_info().rss)


async def test_attackers_cost_the_others_nothing(bench: Bench, receivers: Receivers) -> None:
    """Every healthy delivery ends while the hanging ones still hang; nothing is left behind."""
    good = [await receivers.start(_healthy) for _ in range(HEALTHY)]
    kinds = cycle(ATTACKS)
    bad = [await receivers.start(next(kinds)) for _ in range(HEALTHY * 3 // 7)]
    await asyncio.gather(*(bench.send(request(port)) for port in good))
    descriptors, memory_bytes = _descriptors(), _memory_bytes()
    is_over = asyncio.Event()

    async def attack(port: int) -> set[Outcome]:
        outcomes: set[Outcome] = set()
        while not is_over.is_set():
            outcomes.add((await bench.send(request(port, timeout_s=1.0))).outcome)
        return outcomes

    async def deliver(port: int) -> list[Outcome]:
        return [(await bench.send(request(port, timeout_s=30.0))).outcome for _ in range(ROUNDS)]

    hanging = asyncio.create_task(bench.sender.send(request(bad[0], timeout_s=60.0)))
    attacks = [asyncio.create_task(attack(port)) for port in bad]
    delivered = await asyncio.gather(*(deliver(port) for port in good))
    still_hangs = not hanging.done()
    is_over.set()
    outcomes = set().union(*await asyncio.gather(*attacks))
    hanging.cancel()
    await asyncio.gather(hanging, return_exceptions=True)
    await receivers.stop()

    assert [set(outcomes) for outcomes in delivered] == [{Outcome.DELIVERED}] * HEALTHY
    assert still_hangs
    assert Outcome.DELIVERED not in outcomes
    assert {Outcome.TIMEOUT, Outcome.PROTOCOL_ERROR, Outcome.HTTP_5XX} <= outcomes
    assert _descriptors() <= descriptors
    assert _memory_bytes() - memory_bytes < GROWTH_BYTES_MAX
