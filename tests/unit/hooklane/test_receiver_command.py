"""`hooklane receiver` as a command."""

import asyncio
import socket
from contextlib import redirect_stdout, suppress

import aiohttp
import pytest

from hooklane import receiver_command
from hooklane.exits import FAILURE, INVALID, CommandFailed
from hooklane.kafka_properties import free_ports
from tests.fakes.clock import ManualClock
from tests.fakes.unread import Unread


def test_a_bad_secret_is_invalid() -> None:
    """The secret is checked before anything listens."""
    with pytest.raises(CommandFailed, match="secret") as caught:
        receiver_command.run("127.0.0.1", 0, "whsec_no")

    assert caught.value.code == INVALID


def test_a_taken_port_is_one_line() -> None:
    """Another program on the port is said with its address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CommandFailed, match=f"127.0.0.1:{port}") as caught:
            receiver_command.run("127.0.0.1", port, None)

    assert caught.value.code == FAILURE


async def test_a_reader_who_leaves_ends_it_and_costs_no_answer() -> None:
    """As in `| head`: the sender would try again what was taken."""
    (port,) = free_ports(1)
    with redirect_stdout(Unread()):
        serving = asyncio.create_task(
            receiver_command._serve("127.0.0.1", port, None, ManualClock())
        )
        assert await first_answer(f"http://127.0.0.1:{port}/") == 204
        with pytest.raises(BrokenPipeError):
            await serving


async def first_answer(url: str) -> int:
    """Post as soon as somebody listens; gives the status."""
    async with aiohttp.ClientSession() as session, asyncio.timeout(10):
        while True:
            with suppress(aiohttp.ClientConnectorError):
                return (await session.post(url, data=b"{}")).status
            await asyncio.sleep(0)
