"""The ports of a worker: the fakes it is tested with have the shape of the real things."""

import inspect

import pytest

from chassis.ownership import Ownership
from chassis.tick import TickProducer
from deliverer.attempts import Attempter
from deliverer.delays import DelayReader
from deliverer.disabling import Disabler
from deliverer.parts import Attempts, Delays, Disabling, Group, Reader, Subscriptions, Sweeps
from deliverer.registry import Registry
from deliverer.state import StateReader
from deliverer.sweep import SweepReader
from deliverer.ticking import TickWriter
from tests.fakes.deliverer import (
    FakeAttempts,
    FakeDelays,
    FakeDisabling,
    FakeGroup,
    FakeReader,
    FakeRegistry,
    FakeSweeps,
    FakeWriter,
)


@pytest.mark.parametrize(
    ("port", "real", "fake"),
    [
        (Attempts, Attempter, FakeAttempts),
        (Delays, DelayReader, FakeDelays),
        (Disabling, Disabler, FakeDisabling),
        (Group, Ownership, FakeGroup),
        (Reader, StateReader, FakeReader),
        (Subscriptions, Registry, FakeRegistry),
        (Sweeps, SweepReader, FakeSweeps),
        (TickWriter, TickProducer, FakeWriter),
    ],
)
def test_real_and_fake_have_the_methods_of_their_port(port: type, real: type, fake: type) -> None:
    """A parameter renamed on one side would only show in production."""
    names = [name for name in dir(port) if not name.startswith("_")]
    assert names

    for name in names:
        wanted = list(inspect.signature(getattr(port, name)).parameters)
        for holder in (real, fake):
            assert list(inspect.signature(getattr(holder, name)).parameters) == wanted, holder
