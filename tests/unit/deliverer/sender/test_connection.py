"""Test the life of a connection with time and bytes given by hand."""

import asyncio
import errno
from typing import Any, cast

import pytest

from deliverer.sender.connection import BODY_TIMEOUT_S, Connection, ExchangeEnd
from schemas.outcome import Outcome
from tests.fakes.transport import FakeTransport, HandLoop

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Wire:
    """A connection with both of its ends in hand."""

    def __init__(self) -> None:
        self.loop = HandLoop()
        self.transport = FakeTransport()
        self.closed: list[Connection] = []
        self.connection = Connection(cast(Any, self.loop), self.closed.append)
        self.connection.connection_made(cast(Any, self.transport))

    def exchange(self, deadline: float = 10.0) -> Any:
        """Start an exchange; the future is its end."""
        done: asyncio.Future[ExchangeEnd] = asyncio.get_running_loop().create_future()
        self.connection.exchange(b"POST", deadline, done.set_result)
        return done


async def test_an_answer_ends_the_exchange_and_leaves_the_connection_idle() -> None:
    """The request is written once; the next one may follow."""
    wire = Wire()

    done = wire.exchange()
    assert not wire.connection.is_idle
    wire.connection.data_received(OK[:20])
    assert not done.done()
    wire.connection.data_received(OK[20:])

    assert done.result().failure is None
    assert done.result().status == 200
    assert wire.connection.is_idle
    assert wire.transport.written == [b"POST"]


async def test_quick_exchanges_share_one_timer() -> None:
    """A timer for each request would cost more than the request."""
    wire = Wire()

    for _ in range(100):
        wire.exchange(wire.loop.now + 15.0)
        wire.loop.advance(0.01)
        wire.connection.data_received(OK)

    assert wire.loop.armed == 1
    wire.loop.advance(60.0)
    assert wire.loop.armed == 0
    assert wire.connection.is_idle


async def test_a_shared_timer_still_ends_each_exchange_at_its_own_time() -> None:
    """Later deadlines are waited for, earlier ones are not missed."""
    wire = Wire()
    wire.exchange(10.0)
    wire.connection.data_received(OK)
    wire.loop.advance(4.0)

    done = wire.exchange(19.0)
    wire.loop.advance(14.9)
    assert not done.done()
    wire.loop.advance(0.1)
    assert done.result().failure is Outcome.TIMEOUT

    wire = Wire()
    wire.exchange(10.0)
    wire.connection.data_received(OK)
    done = wire.exchange(3.0)
    wire.loop.advance(3.0)
    assert done.result().failure is Outcome.TIMEOUT
    assert wire.transport.is_aborted


async def test_a_missing_body_is_waited_for_one_second() -> None:
    """The status stands; the connection does not."""
    wire = Wire()
    done = wire.exchange()

    wire.connection.data_received(OK[:-1])
    wire.loop.advance(BODY_TIMEOUT_S - 0.1)
    assert not done.done()
    wire.loop.advance(0.2)

    assert (done.result().failure, done.result().status) == (None, 200)
    assert wire.transport.is_aborted


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 2"])
async def test_the_end_of_the_stream_before_a_head_is_a_loss(data: bytes) -> None:
    """Whether an answer had begun decides if another connection may be tried."""
    wire = Wire()
    done = wire.exchange()

    if data:
        wire.connection.data_received(data)
    wire.connection.eof_received()

    assert done.result().failure is Outcome.CONNECTION_LOST
    assert done.result().is_unanswered is not bool(data)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, Outcome.CONNECTION_LOST),
        (ConnectionResetError(errno.ECONNRESET, "x"), Outcome.CONNECTION_LOST),
        (OSError(errno.ENOBUFS, "x"), Outcome.LOCAL_FAULT),
    ],
)
async def test_a_lost_transport_ends_the_exchange(error: Exception | None, outcome: str) -> None:
    """Our own lack of buffers is told apart."""
    wire = Wire()
    done = wire.exchange()

    wire.connection.connection_lost(error)

    assert done.result().failure is outcome
    assert wire.closed == [wire.connection]
    assert not wire.connection.is_idle


async def test_a_byte_while_idle_closes_the_connection() -> None:
    """Also before the first request; an empty line after an answer does not."""
    wire = Wire()
    wire.exchange()
    wire.connection.data_received(OK)

    wire.connection.data_received(b"\r\n")
    assert wire.connection.is_idle
    wire.connection.data_received(b"H")
    assert not wire.connection.is_idle
    assert wire.connection.has_spoken_unasked

    fresh = Wire()
    fresh.connection.data_received(b"\r\n")
    assert fresh.connection.has_spoken_unasked


async def test_an_aborted_exchange_leaves_no_timer() -> None:
    """Bytes and the end that still come find nobody."""
    wire = Wire()
    done = wire.exchange()

    wire.connection.abort()
    wire.connection.data_received(OK)
    wire.connection.eof_received()
    wire.connection.connection_lost(None)

    assert not done.done()
    assert wire.loop.armed == 0
    assert wire.closed == [wire.connection]


async def test_a_broken_answer_closes_the_connection() -> None:
    """A protocol error says why."""
    wire = Wire()
    done = wire.exchange()

    wire.connection.data_received(b"<html>")

    assert done.result().failure is Outcome.PROTOCOL_ERROR
    assert done.result().detail
    assert wire.transport.is_aborted


async def test_an_idle_connection_closes_politely() -> None:
    """There is nothing to cut off."""
    wire = Wire()

    wire.connection.close()

    assert wire.transport.is_closed
    assert not wire.transport.is_aborted
    assert not wire.connection.has_unread_bytes()
