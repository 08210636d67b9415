"""The Kafka of a run in workers: one for all, started for the first that asks."""

import socket
import struct
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Client
from pathlib import Path

import pytest

from hooklane.embedded_kafka import EmbeddedKafkaError
from tests.one_kafka import KafkaLent, borrow


class FakeNode:
    """Notes what is done to it; may fail to start."""

    bootstrap_servers = "127.0.0.1:9"

    def __init__(self, fault: BaseException | None = None) -> None:
        self.fault = fault
        self.done: list[str] = []

    def start(self) -> None:
        """Start, once."""
        if self.fault:
            raise self.fault
        if "start" not in self.done:
            self.done.append("start")

    def close(self) -> None:
        """End."""
        self.done.append("close")


def test_all_workers_get_the_same_address() -> None:
    """Nobody asks, nothing starts; the node ends after all."""
    node = FakeNode()
    with KafkaLent(lambda: node) as lent:
        assert node.done == []
        with ThreadPoolExecutor(4) as workers:
            answers = list(workers.map(lambda _: borrow(*lent.lender), range(8)))

        assert set(answers) == {"127.0.0.1:9"}
        assert node.done == ["start"]
    assert node.done == ["start", "close"]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (EmbeddedKafkaError("no Java"), "no Java"),
        (OSError("hardly any port is free"), "hardly any port is free"),
        (RuntimeError(), "RuntimeError"),
    ],
    ids=["its own", "of a call", "without a text"],
)
def test_each_worker_is_told_why_there_is_none(fault: Exception, said: str) -> None:
    """A worker whose wait would never end tells nobody anything."""
    with KafkaLent(lambda: FakeNode(fault)) as lent:
        for _ in range(2):
            with pytest.raises(EmbeddedKafkaError, match=f"^{said}$"):
                borrow(*lent.lender)


def test_a_worker_that_dies_while_it_asks_stops_nothing() -> None:
    """The next one is answered."""
    with KafkaLent(FakeNode) as lent:
        with Client(lent.lender.address, authkey=lent.lender.key.encode()):
            pass

        assert borrow(*lent.lender) == "127.0.0.1:9"


def test_a_stranger_at_the_door_stops_nothing() -> None:
    """Kafka's frames begin as those of a worker do, and hold no key."""
    with KafkaLent(FakeNode) as lent, socket.socket(socket.AF_UNIX) as stranger:
        stranger.connect(lent.lender.address)
        stranger.sendall(struct.pack(">i", 20) + bytes(20))

        assert borrow(*lent.lender) == "127.0.0.1:9"


def test_strangers_do_not_find_the_door() -> None:
    """One who connects and is silent would keep all others waiting."""
    with KafkaLent(FakeNode) as lent:
        door = Path(lent.lender.address)

        assert door.is_socket()
        assert door.parent.stat().st_mode & 0o077 == 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_died_keeps_nobody_waiting() -> None:
    """Not the worker that asked, not the next, not the end of the run."""
    node = FakeNode(SystemExit())
    with KafkaLent(lambda: node) as lent:
        for _ in range(2):
            with pytest.raises((OSError, EOFError)):
                borrow(*lent.lender)

    assert node.done == ["close"]
