"""Test the order and the race of addresses with a fake dial; nothing is sent anywhere."""

import asyncio
import errno
import socket
from ipaddress import ip_address
from typing import Any

import pytest

from chassis.egress import IPAddress
from deliverer.sender.dial import ADDRESSES_TRIED_MAX, dial_first, dial_tcp, in_turn

FOUR = [ip_address(f"93.184.215.{n}") for n in range(9)]
SIX = [ip_address(f"2606:4700::{n}") for n in range(1, 9)]


class FakeSocket:
    """A connection that remembers whether it was closed."""

    is_closed = False

    def close(self) -> None:
        """Close it."""
        self.is_closed = True


class FakeDial:
    """Each address hangs until the test says how it ends."""

    def __init__(self) -> None:
        self.ends: dict[IPAddress, asyncio.Future[Any]] = {}
        self.both_started = asyncio.Event()

    def end_of(self, address: IPAddress) -> asyncio.Future[Any]:
        """Give the future that ends the dial of an address."""
        return self.ends.setdefault(address, asyncio.get_running_loop().create_future())

    async def __call__(self, address: IPAddress, port: int) -> Any:
        """Wait for the test."""
        end = self.end_of(address)
        if len(self.ends) > 1:
            self.both_started.set()
        return await end


def test_families_take_turns_and_the_number_is_bounded() -> None:
    """The resolver's first family begins."""
    assert in_turn([SIX[0], SIX[1], FOUR[0]]) == [SIX[0], FOUR[0], SIX[1]]
    assert in_turn([FOUR[0], SIX[0]]) == [FOUR[0], SIX[0]]
    assert len(in_turn(FOUR)) == ADDRESSES_TRIED_MAX


async def test_a_failure_starts_the_next_address_at_once() -> None:
    """Waiting is only for addresses that say nothing."""
    dial = FakeDial()
    expected: Any = FakeSocket()
    dial.end_of(FOUR[0]).set_exception(ConnectionRefusedError(errno.ECONNREFUSED, "x"))
    dial.end_of(FOUR[1]).set_result(expected)

    assert await dial_first(FOUR[:2], 443, dial=dial, stagger_s=60.0) is expected


async def test_a_slow_address_is_overtaken_and_dropped() -> None:
    """The other family starts after the pause; the loser is cancelled."""
    dial = FakeDial()
    winner: Any = FakeSocket()
    dial.end_of(FOUR[0]).set_result(winner)

    assert await dial_first([SIX[0], FOUR[0]], 443, dial=dial, stagger_s=0.0) is winner

    await asyncio.sleep(0)
    assert dial.end_of(SIX[0]).cancelled()


async def test_a_second_winner_is_closed() -> None:
    """Both came up in the same turn of the loop."""
    dial = FakeDial()
    sockets = [FakeSocket(), FakeSocket()]
    racing = asyncio.ensure_future(dial_first([SIX[0], FOUR[0]], 443, dial=dial, stagger_s=0.0))
    await dial.both_started.wait()

    dial.end_of(SIX[0]).set_result(sockets[0])
    dial.end_of(FOUR[0]).set_result(sockets[1])
    winner: Any = await racing
    for _ in range(3):
        await asyncio.sleep(0)

    assert [sock.is_closed for sock in sockets if sock is not winner] == [True]
    assert not winner.is_closed


async def test_cancelling_the_race_cancels_every_dial() -> None:
    """Nothing connects on behalf of an attempt that is over."""
    dial = FakeDial()
    racing = asyncio.ensure_future(dial_first([SIX[0], FOUR[0]], 443, dial=dial, stagger_s=0.0))
    await dial.both_started.wait()

    racing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await racing
    await asyncio.sleep(0)

    assert all(end.cancelled() for end in dial.ends.values())


async def test_a_local_fault_is_raised_before_others() -> None:
    """A receiver is not charged when one of its addresses met our own bound."""
    dial = FakeDial()
    dial.end_of(FOUR[0]).set_exception(ConnectionRefusedError(errno.ECONNREFUSED, "x"))
    dial.end_of(FOUR[1]).set_exception(OSError(errno.EMFILE, "x"))

    with pytest.raises(OSError, match="x") as raised:
        await dial_first(FOUR[:2], 443, dial=dial)

    assert raised.value.errno == errno.EMFILE


@pytest.mark.parametrize("text", ["127.0.0.1", "::1"])
async def test_a_number_is_connected_to(text: str) -> None:
    """The socket is non-blocking and connected to exactly that address."""
    address = ip_address(text)
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        listener = socket.create_server((text, 0), family=family)
    except OSError:
        pytest.skip("this host has no loopback of that family")
    with listener:
        sock = await dial_tcp(address, listener.getsockname()[1])
        assert sock.getpeername()[0] == text
        assert not sock.getblocking()
        sock.close()


async def test_a_failed_dial_raises_the_error_of_the_host() -> None:
    """Nobody listens on a port that is only bound."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectionRefusedError):
            await dial_tcp(ip_address("127.0.0.1"), sock.getsockname()[1])
