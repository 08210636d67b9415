"""Test what an attack can cost at most, as numbers that are the same on every machine.

What a piece of an answer costs hardly depends on its size: the loop wakes up, reads, and runs the
parser. So besides bytes the wake-ups of each attempt are counted. How much CPU that is, beside an
attempt that is answered, `python -m bench.attack_bench` measures.
"""

import asyncio
from dataclasses import dataclass

import pytest

from bench.attacks import ATTACKS, OK, healthy
from deliverer.sender.connection import Connection, ExchangeEnd
from deliverer.sender.http1 import BODY_BYTES_MAX, HEAD_BYTES_MAX, PIECES_MAX
from tests.egress.test_fleet import ENDS, SLOW, speaking
from tests.integration.sender.conftest import Receivers, request

READ_BYTES_MAX = 262_144
"""What either loop reads at once at most; only the last read can be this much too much."""
SHORT_S, LONG_S = 0.4, 30.0
DRIP_PER_S = 20


class Counted(Connection):
    """The sender's connection, which counts how often it was woken and by how much."""

    def __init__(self, loop: asyncio.AbstractEventLoop, is_gone: asyncio.Event) -> None:
        super().__init__(loop, lambda _: is_gone.set())
        self.reads: list[int] = []

    def data_received(self, data: bytes) -> None:
        """Count it."""
        self.reads.append(len(data))
        super().data_received(data)


@dataclass
class Attempt:
    """One attempt that is over, with its connection closed or idle."""

    end: ExchangeEnd
    connection: Counted

    @property
    def bytes_in(self) -> int:
        """How many bytes were taken in."""
        return sum(self.connection.reads)


async def attempt(port: int, timeout_s: float, *, is_closed: bool) -> Attempt:
    """Send one request; returns after the connection is gone, when it should be."""
    loop, is_gone = asyncio.get_running_loop(), asyncio.Event()
    connection = Counted(loop, is_gone)
    await loop.create_connection(lambda: connection, "127.0.0.1", port)
    sent = request(port)
    done: asyncio.Future[ExchangeEnd] = loop.create_future()
    connection.exchange(sent.head + sent.body, loop.time() + timeout_s, done.set_result)
    end = await done
    if is_closed:
        async with asyncio.timeout(LONG_S):
            await is_gone.wait()
    return Attempt(end, connection)


async def test_an_answer_wakes_the_sender_once(receivers: Receivers) -> None:
    """What the others are compared with: one read of the very bytes."""
    port = await receivers.start(speaking(healthy))

    found = await attempt(port, LONG_S, is_closed=False)
    found.connection.abort()

    assert (found.end.status, found.connection.reads) == (200, [len(OK)])


@pytest.mark.parametrize("kind", ATTACKS)
async def test_what_an_attack_can_make_us_read_is_bounded(kind: str, receivers: Receivers) -> None:
    """In bytes and in wake-ups, whatever it sends; then nothing more is read of it."""
    port = await receivers.start(speaking(ATTACKS[kind]))

    found = await attempt(port, SHORT_S if kind in SLOW else LONG_S, is_closed=True)

    room = HEAD_BYTES_MAX + BODY_BYTES_MAX
    reads = found.connection.reads
    assert len(reads) <= PIECES_MAX
    assert sum(reads[:-1]) < room
    assert found.bytes_in < room + READ_BYTES_MAX
    if kind in SLOW | {"reset"}:
        assert len(reads) <= SHORT_S * DRIP_PER_S + 1
    else:
        assert found.end.lasted_s < LONG_S
        assert not found.end.detail or "time" not in found.end.detail


async def test_an_answer_in_crumbs_is_cut_by_their_number(receivers: Receivers) -> None:
    """A byte at a time for as long as the head may be would wake us sixty times as often."""
    port = await receivers.start(speaking(ATTACKS["crumble"]))

    found = await attempt(port, LONG_S, is_closed=True)

    reads = found.connection.reads
    assert found.end.status is None
    assert len(reads) <= PIECES_MAX
    # Pieces may be joined on their way; then it is the bytes that are too many.
    assert len(reads) == PIECES_MAX or found.bytes_in >= HEAD_BYTES_MAX
    assert set(ENDS) == set(ATTACKS)
