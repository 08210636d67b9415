"""What every room's tests share: a real Kafka for a whole run, and names of their own in it."""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from hooklane import surroundings
from hooklane.embedded_kafka import EmbeddedKafka

OUTSIDE = "HOOKLANE_KAFKA__BOOTSTRAP_SERVERS"


@dataclass(frozen=True)
class Broker:
    """Where the Kafka of this run is."""

    bootstrap_servers: str


@pytest.fixture(scope="session")
def kafka() -> Iterator[Broker]:
    """Give the one Kafka of the run; an outside one when HOOKLANE_KAFKA__… names it.

    Shared by all tests: use topics of the fixture `prefix`, never stop it (see `own_kafka`).
    """
    given = surroundings.environ().get(OUTSIDE, "")
    if given:
        yield Broker(given)
        return
    with EmbeddedKafka() as node:
        yield Broker(node.bootstrap_servers)


@pytest.fixture
def prefix() -> str:
    """Give a topic prefix that no other test has."""
    return f"t{secrets.token_hex(5)}"


@pytest.fixture
def own_kafka() -> Iterator[Callable[..., EmbeddedKafka]]:
    """Give a factory of started nodes that a test may stop, kill, pause and restart.

    The methods block: `await asyncio.to_thread(node.restart)` inside a running loop.
    """
    nodes: list[EmbeddedKafka] = []

    def start(**options: object) -> EmbeddedKafka:
        node = EmbeddedKafka(**options)  # type: ignore[arg-type]  # passed through as given
        nodes.append(node)
        node.start()
        return node

    yield start
    for node in nodes:
        node.close()
