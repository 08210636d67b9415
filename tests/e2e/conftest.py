"""Fixtures of the whole pipeline: a stack of processes and a receiver."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conftest import Broker
from tests.e2e.receiver import Receiver
from tests.e2e.stack import Stack


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Listen on loopback for the length of one test."""
    listening = Receiver()
    await listening.start()
    yield listening
    await listening.stop()


@pytest.fixture
async def stack(kafka: Broker, prefix: str, tmp_path: Path) -> AsyncIterator[Stack]:
    """Create topics for one test; it starts the services it wants, all are ended after it."""
    made = Stack(kafka.bootstrap_servers, prefix, tmp_path)
    await made.topics()
    yield made
    await made.stop()
