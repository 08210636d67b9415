"""`hooklane receiver` as a command."""

import socket

import pytest

from hooklane import receiver_command
from hooklane.exits import FAILURE, INVALID, CommandFailed


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
