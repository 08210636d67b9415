"""One Kafka for all processes of a test run: started for the first that asks, ended with the run.

With pytest-xdist the tests run in workers, and none of them may own what the others use. So the
controller owns the node, and lends its address. Workers ask at a socket in a folder of this user:
tests knock at TCP ports, and the one thread that answers would wait for whoever said nothing.
"""

import contextlib
import secrets
import threading
from collections.abc import Callable
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener
from typing import NamedTuple, Protocol, Self

from hooklane.embedded_kafka import EmbeddedKafka, EmbeddedKafkaError

WORKERS_MAX = 64


class Lender(NamedTuple):
    """Where to ask, and with which key; the key as text, so that a worker can be told."""

    address: str
    key: str


class Node(Protocol):
    """What is lent: `EmbeddedKafka`, which starts once however often it is told to."""

    @property
    def bootstrap_servers(self) -> str: ...  # noqa: D102

    def start(self) -> None: ...  # noqa: D102

    def close(self) -> None: ...  # noqa: D102


class KafkaLent:
    """Answers each that asks with the address of the one node."""

    def __init__(self, make: Callable[[], Node] = EmbeddedKafka) -> None:
        """Listen at once; nothing is started yet."""
        key = secrets.token_hex()
        self._listener = Listener(family="AF_UNIX", backlog=WORKERS_MAX, authkey=key.encode())
        self.lender = Lender(str(self._listener.address), key)
        self._node = make()
        self._thread = threading.Thread(target=self._answer_all, name="kafka-lent", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Answer nobody any more, then end the node."""
        with contextlib.suppress(OSError, EOFError):  # the thread may have died
            _ask(self.lender, goes_on=False)
        self._thread.join()
        self._node.close()

    def _answer_all(self) -> None:
        refused = (OSError, EOFError, AuthenticationError)
        goes_on = True
        with self._listener:  # however this ends: whoever asks later is refused, and need not wait
            while goes_on:
                with contextlib.suppress(*refused), self._listener.accept() as asking:
                    goes_on = bool(asking.recv())
                    self._answer(asking, goes_on=goes_on)

    def _answer(self, asking: Connection, *, goes_on: bool) -> None:
        servers = reason = ""
        if goes_on:
            try:
                self._node.start()
                servers = self._node.bootstrap_servers
            except Exception as error:  # noqa: BLE001 - whatever it is, each worker has to hear it
                reason = str(error) or type(error).__name__
        asking.send((servers, reason))


def borrow(address: str, key: str) -> str:
    """Return the bootstrap servers of the run's Kafka; waits while it starts."""
    servers, reason = _ask(Lender(address, key), goes_on=True)
    if reason:
        raise EmbeddedKafkaError(reason)
    return servers


def _ask(lender: Lender, *, goes_on: bool) -> tuple[str, str]:
    with Client(lender.address, authkey=lender.key.encode()) as asked:
        asked.send(goes_on)
        servers, reason = asked.recv()
    return str(servers), str(reason)
