"""Test the mapping of answers; what happens on the wire is tested on sockets elsewhere."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from chassis.egress import EgressPolicy, IPAddress
from deliverer.sender.dial import dial_tcp
from deliverer.sender.port import AttemptResult, PreparedRequest
from deliverer.sender.sender import HttpSender
from schemas.outcome import Outcome
from tests.fakes.clock import ManualClock
from tests.fakes.sender import sent


async def test_a_blocked_request_ends_without_a_connection() -> None:
    """The result says why and was counted as no connection."""

    async def dial(address: IPAddress, port: int) -> socket.socket:
        raise AssertionError(f"dialled {address}")

    counted: list[bool] = []
    sender = HttpSender(EgressPolicy(), on_connection=counted.append, dial=dial)
    request = PreparedRequest(
        scheme="https",
        host="127.0.0.1",
        port=443,
        target=b"/",
        head=b"POST / HTTP/1.1\r\n\r\n",
        body=b"",
        timeout_s=1.0,
    )

    result = await sent(sender, request)
    await sender.close()

    assert (result.outcome, result.blocked_reason) == (Outcome.BLOCKED, "address")
    assert counted == []


class Receiver:
    """A listening socket, a dial that lets time pass, and what was ever sent to it."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.frozen_s = 0.0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)

    async def dial(self, address: IPAddress, port: int) -> socket.socket:
        """Connect; the process is frozen between that and the next step."""
        sock = await dial_tcp(address, port)
        self.clock.advance(self.frozen_s)
        return sock

    def request(self, timeout_s: float) -> PreparedRequest:
        """Return a request to it."""
        return PreparedRequest(
            scheme="http",
            host="127.0.0.1",
            port=self.listener.getsockname()[1],
            target=b"/",
            head=b"POST / HTTP/1.1\r\n\r\n",
            body=b"",
            timeout_s=timeout_s,
        )

    async def answer(self) -> bytes:
        """Accept, read what comes and answer it; b"" when the sender closed instead."""
        loop = asyncio.get_running_loop()
        sock, _ = await loop.sock_accept(self.listener)
        sock.setblocking(False)
        with sock:
            data = await loop.sock_recv(sock, 4096)
            if data:
                await loop.sock_sendall(sock, b"HTTP/1.1 204 No Content\r\n\r\n")
            return data


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Give a receiver and close it."""
    made = Receiver(ManualClock())
    yield made
    made.listener.close()


def _sender(receiver: Receiver) -> HttpSender:
    policy = EgressPolicy.of(allow_http=True, allow_cidrs=["127.0.0.0/8"])
    return HttpSender(policy, dial=receiver.dial, clock=receiver.clock)


@pytest.mark.parametrize(
    ("frozen_s", "outcome"), [(14.9, Outcome.DELIVERED), (15.0, Outcome.TIMEOUT)]
)
async def test_a_process_that_was_frozen_before_the_write_sends_nothing(
    receiver: Receiver, frozen_s: float, outcome: Outcome
) -> None:
    """Its socket is ready before any timer fires; only the machine's clock knows better."""
    receiver.frozen_s = frozen_s
    sender = _sender(receiver)
    answering = asyncio.create_task(receiver.answer())

    result = await sent(sender, receiver.request(15.0))
    await sender.close()

    assert result.outcome is outcome
    assert bool(await answering) is (outcome is Outcome.DELIVERED)


async def test_who_lost_the_right_to_send_meanwhile_sends_nothing(receiver: Receiver) -> None:
    """The lease is asked after the dial; nobody is charged, and the connection is kept."""
    sender = _sender(receiver)
    answering = asyncio.create_task(receiver.answer())
    rights = iter([False, True])

    first = await sent(sender, receiver.request(15.0), may_send=lambda: next(rights))
    second = await sent(sender, receiver.request(15.0), may_send=lambda: next(rights))
    await sender.close()

    assert first.outcome is Outcome.CANCELLED
    assert (second.outcome, second.is_reused) == (Outcome.DELIVERED, True)
    assert await answering


async def test_closing_ends_the_dials_under_way() -> None:
    """It waits for no receiver; whoever was not cut off hears an end that charges nobody."""

    async def dial(address: IPAddress, port: int) -> socket.socket:
        dialled.set()
        await asyncio.Event().wait()
        raise AssertionError

    dialled = asyncio.Event()
    ends: list[AttemptResult] = []
    policy = EgressPolicy.of(allow_http=True, allow_cidrs=["127.0.0.0/8"])
    sender = HttpSender(policy, dial=dial)
    request = PreparedRequest(
        scheme="http", host="127.0.0.1", port=8080, target=b"/", head=b"", body=b"", timeout_s=60.0
    )
    sender.begin(request, ends.append)
    await dialled.wait()

    async with asyncio.timeout(5):
        await sender.close()

    assert [end.outcome for end in ends] == [Outcome.CANCELLED]
