"""Test that a third of all receivers attacking costs the others and this process nothing."""

import asyncio
from itertools import cycle, islice

import psutil

from bench.attacks import ATTACKS, Attack, healthy
from schemas.outcome import Outcome
from tests.fakes.sender import sent
from tests.integration.sender.conftest import Bench, Handler, Receivers, request

HEALTHY = 42
ROUNDS = 15
GROWTH_BYTES_MAX = 64 * 1_048_576


ENDS: dict[str, set[Outcome]] = {
    "hang": {Outcome.TIMEOUT},
    "drip": {Outcome.TIMEOUT},
    # Cut by what they sent, long before the time is over: so much CPU they cost, and no more.
    "crumble": {Outcome.PROTOCOL_ERROR},
    "flood": {Outcome.PROTOCOL_ERROR},
    "endless": {Outcome.HTTP_5XX},
    "endless_head": {Outcome.PROTOCOL_ERROR},
    "many_fields": {Outcome.PROTOCOL_ERROR},
    "tiny_chunks": {Outcome.HTTP_5XX},
    "bomb": {Outcome.HTTP_5XX},
    "reset": {Outcome.CONNECTION_LOST},
}
SLOW = {"hang", "drip"}


def speaking(attack: Attack) -> Handler:
    """Make it a handler of a receiver."""
    return lambda peer: attack(peer.reader, peer.writer)


def _descriptors() -> int:
    return int(psutil.Process().num_fds())


def _memory_bytes() -> int:
    return int(psutil.Process().memory_info().rss)


async def test_attackers_cost_the_others_nothing(bench: Bench, receivers: Receivers) -> None:
    """Every healthy delivery ends while the hanging ones still hang; nothing is left behind."""
    good = [await receivers.start(speaking(healthy)) for _ in range(HEALTHY)]
    kinds = list(islice(cycle(ENDS), HEALTHY * 3 // 7))
    bad = [await receivers.start(speaking(ATTACKS[kind])) for kind in kinds]
    await asyncio.gather(*(bench.send(request(port)) for port in good))
    descriptors, memory_bytes = _descriptors(), _memory_bytes()
    is_over = asyncio.Event()

    ends: dict[str, set[Outcome]] = {kind: set() for kind in ENDS}

    async def attack(port: int, kind: str) -> None:
        timeout_s = 1.0 if kind in SLOW else 30.0
        while not is_over.is_set():
            ends[kind].add((await bench.send(request(port, timeout_s=timeout_s))).outcome)

    async def deliver(port: int) -> list[Outcome]:
        return [(await bench.send(request(port, timeout_s=30.0))).outcome for _ in range(ROUNDS)]

    hanging = asyncio.create_task(sent(bench.sender, request(bad[0], timeout_s=60.0)))
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
