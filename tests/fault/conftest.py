"""Fixtures of the long fault runs: a stack on a broker of its own, which the test may break."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from hooklane.embedded_kafka import EmbeddedKafka
from tests.e2e.conftest import receiver, stack
from tests.e2e.stack import Stack

__all__ = ["receiver", "stack"]


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
