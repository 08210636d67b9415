"""Fixtures of the long fault runs: brokers that a test may break, and what it measures."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hooklane.embedded_kafka import EmbeddedKafka
from tests.e2e.conftest import receiver, stack
from tests.e2e.stack import Stack
from tests.fault.cluster import NODES, Cluster
from tests.fault.figures import Figures, Note

__all__ = ["receiver", "stack"]

FIGURES = pytest.StashKey[Figures]()


@dataclass
class BreakableStack:
    """The services and the very broker they run on."""

    stack: Stack
    broker: EmbeddedKafka


@pytest.fixture
async def breakable(
    own_kafka: Callable[..., EmbeddedKafka], prefix: str, tmp_path: Path
) -> AsyncIterator[BreakableStack]:
    """Start a broker for this test alone and create the topics on it."""
    broker = await asyncio.to_thread(own_kafka)
    made = Stack(broker.bootstrap_servers, prefix, tmp_path)
    await made.topics()
    yield BreakableStack(made, broker)
    await made.stop()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Start three nodes that are controllers too; every test leaves all of them running."""
    yield from _running(Cluster(controllers=NODES))


@pytest.fixture
def lean_cluster() -> Iterator[Cluster]:
    """Start three nodes, the first of which alone is a controller."""
    yield from _running(Cluster(controllers=1))


def _running(made: Cluster) -> Iterator[Cluster]:
    try:
        made.start_all()
        yield made
    finally:
        made.close()


def replicated(cluster: Cluster, prefix: str, folder: Path) -> Stack:
    """Make a stack whose topics are on all nodes of a cluster."""
    return Stack(cluster.bootstrap_servers, prefix, folder, replication_factor=NODES)


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Note:
    """Give a function that keeps a figure until the end of the session."""
    return Note(request.node.name, request.config.stash.setdefault(FIGURES, Figures()))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the figures of the session."""
    figures = config.stash.get(FIGURES, Figures())
    if figures.rows:
        terminalreporter.section("measured")
        for line in figures.lines():
            terminalreporter.write_line(line)
