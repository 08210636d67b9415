"""The probe speaks Kafka's frames and takes nothing for granted."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator

import pytest

from hooklane import broker_probe
from hooklane.broker_probe import NotYet

Server = Callable[[list[bytes]], int]


def answer(error: int) -> bytes:
    """Frame an answer that carries this error code."""
    body = struct.pack(">iih", 1, 0, error) + b"rest"
    return struct.pack(">i", len(body)) + body


def located(port: int) -> bytes:
    """Frame an answer that names a coordinator at this port."""
    host = b"127.0.0.1"
    place = struct.pack(">hih", -1, 2, len(host)) + host + struct.pack(">i", port)
    body = struct.pack(">iih", 1, 0, 0) + place
    return struct.pack(">i", len(body)) + body


@pytest.fixture
def serve() -> Iterator[Server]:
    """Give a function that serves these answers to one connection and returns its port."""
    threads: list[threading.Thread] = []
    listeners: list[socket.socket] = []

    def start(answers: list[bytes]) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def run() -> None:
            connection, _ = listener.accept()
            with connection:
                for one in answers:
                    connection.recv(4096)
                    connection.sendall(one)

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        return int(listener.getsockname()[1])

    yield start
    for thread in threads:
        thread.join(10)
    for listener in listeners:
        listener.close()


def test_requests_have_kafkas_frame() -> None:
    """Size, api key, version, correlation, client id, then the body."""
    raw = broker_probe.find_coordinator("k", 1)

    size, api, version, correlation, name = struct.unpack_from(">ihhih", raw)

    assert (size, api, version, correlation) == (len(raw) - 4, 10, 2, 1)
    assert raw[14 : 14 + name] == b"hooklane-probe"
    assert raw[14 + name :] == b"\x00\x01k\x01"


def test_three_answers_without_error_mean_ready(serve: Server) -> None:
    """Both coordinators, and a producer id from where the second one is: the broker is ready."""
    elsewhere = serve([answer(0)])
    asked = serve([answer(0), located(elsewhere)])

    assert broker_probe.probe("127.0.0.1", asked, timeout_s=5) is None


def test_a_coordinator_elsewhere_that_is_not_ready_is_waited_for(serve: Server) -> None:
    """In a cluster another node may be the one that has no transactions yet."""
    elsewhere = serve([answer(14)])
    asked = serve([answer(0), located(elsewhere)])

    state = broker_probe.probe("127.0.0.1", asked, timeout_s=5)

    assert state == NotYet("transactions: Kafka error 14")


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ([answer(15)], "group coordinator: Kafka error 15"),
        ([answer(0), answer(15)], "transaction coordinator: Kafka error 15"),
        ([answer(0), answer(0)], "no answer"),
        ([answer(0)[:6]], "no answer"),
        ([b"HTTP/1.1 400 Bad Request\r\n"], "is not Kafka's"),
        ([struct.pack(">i", 2) + b"ab"], "no answer"),
    ],
)
def test_anything_else_means_not_yet(serve: Server, answers: list[bytes], reason: str) -> None:
    """Errors, cut answers and other protocols are a reason, never an exception."""
    state = broker_probe.probe("127.0.0.1", serve(answers), timeout_s=5)

    assert isinstance(state, NotYet)
    assert reason in state.reason


def test_a_closed_port_means_not_yet() -> None:
    """Nothing listens before the broker binds."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        state = broker_probe.probe("127.0.0.1", held.getsockname()[1], timeout_s=5)

    assert isinstance(state, NotYet)
