"""What every room's tests share: a real Kafka for a whole run, and names of their own in it."""

import logging
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from hooklane import surroundings
from hooklane.embedded_kafka import EmbeddedKafka
from tests.one_kafka import KafkaLent, borrow

OUTSIDE = "HOOKLANE_KAFKA__BOOTSTRAP_SERVERS"
LENT = pytest.StashKey[KafkaLent]()
LENT_AT = "kafka_lent_at"


@dataclass(frozen=True)
class Broker:
    """Where the Kafka of this run is."""

    bootstrap_servers: str


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist where to ask for the Kafka that all of them share."""
    if LENT not in node.config.stash:
        node.config.stash[LENT] = KafkaLent().__enter__()
    node.workerinput[LENT_AT] = tuple(node.config.stash[LENT].lender)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the Kafka that the workers shared."""
    if LENT in config.stash:
        config.stash[LENT].close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what is marked so behind all others."""
    items.sort(key=lambda item: item.get_closest_marker("last") is not None)


@pytest.fixture(autouse=True)
def library_log() -> Iterator[None]:
    """Undo what a command does to aiokafka's log: here its process is that of all tests."""
    library = logging.getLogger("aiokafka")
    level = library.level
    yield
    library.setLevel(level)


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """Give the one Kafka of the run; an outside one when HOOKLANE_KAFKA__… names it.

    Shared by all tests: use topics of the fixture `prefix`, never stop it (see `own_kafka`).
    """
    given = surroundings.environ().get(OUTSIDE, "")
    lender = getattr(request.config, "workerinput", {}).get(LENT_AT)
    if given:
        yield Broker(given)
    elif lender:
        yield Broker(borrow(*lender))
    else:
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
