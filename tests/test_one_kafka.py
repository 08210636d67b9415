"""The Kafka of a run in workers: one for all, started for the first that asks."""

from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Client

import pytest

from hooklane.embedded_kafka import EmbeddedKafkaError
from tests.one_kafka import KafkaLent, borrow


class FakeNode:
    """Notes what is done to it; may fail to start."""

    bootstrap_servers = "127.0.0.1:9"

    def __init__(self, fault: str = "") -> None:
        self.fault = fault
        self.done: list[str] = []

    def start(self) -> None:
        """Start, once."""
        if self.fault:
            raise EmbeddedKafkaError(self.fault)
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


def test_each_worker_is_told_why_there_is_none() -> None:
    """A worker whose wait would never end tells nobody anything."""
    with KafkaLent(lambda: FakeNode("no Java")) as lent:
        for _ in range(2):
            with pytest.raises(EmbeddedKafkaError, match=r"^no Java$"):
                borrow(*lent.lender)


def test_a_worker_that_dies_while_it_asks_stops_nothing() -> None:
    """The next one is answered."""
    with KafkaLent(FakeNode) as lent:
        host, port, key = lent.lender
        with Client((host, port), authkey=key.encode()):
            pass

        assert borrow(host, port, key) == "127.0.0.1:9"
