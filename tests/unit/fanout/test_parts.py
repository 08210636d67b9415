"""Tests that the real things fit the ports of the actor."""

from chassis.tick import TickProducer
from fanout.event_log import EventLog
from fanout.parts import Log, Producer, RegistryView
from fanout.registry import Registry
from tests.fakes.fanout import FakeEventLog, FakeProducer, FakeRegistry

PORTS: list[tuple[type, type[object], type[object]]] = [
    (Producer, TickProducer, FakeProducer),
    (RegistryView, Registry, FakeRegistry),
    (Log, EventLog, FakeEventLog),
]


def test_real_things_and_fakes_have_what_the_ports_name() -> None:
    """A fake that drifts from the real thing proves nothing."""
    for port, real, fake in PORTS:
        names = [name for name in vars(port) if not name.startswith("_")]
        assert names
        for name in names:
            wanted = type(vars(port)[name])
            assert type(vars(real)[name]) is wanted, (real, name)
            assert type(vars(fake)[name]) is wanted, (fake, name)
