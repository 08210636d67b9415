"""Ports for processes that a test starts: no two of a run are told the same one.

A port is drawn long before the process listens on it. With some hundred draws in a run, two that
are under way at once were the same one too often.
"""

import secrets
from collections.abc import Callable

from hooklane import surroundings
from hooklane.kafka_properties import free_ports

_given: set[int] = set()


def free_port() -> int:
    """Find a loopback port that nobody listens on and that nobody else of this run was given."""
    worker = surroundings.environ().get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    workers = surroundings.environ().get("PYTEST_XDIST_WORKER_COUNT", "1")
    while True:
        (port,) = free_ports(1, below=share_of(int(worker), int(workers)))
        if port not in _given:
            _given.add(port)
            return port


def share_of(worker: int, workers: int) -> Callable[[int], int]:
    """Return how a worker of pytest-xdist draws: from a part of the range that is its own."""

    def below(count: int) -> int:
        size = count // workers
        return worker * size + secrets.randbelow(size)

    return below
