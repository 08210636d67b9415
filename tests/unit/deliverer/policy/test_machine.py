"""Tests of the machine as the shell sees it."""

from deliverer.policy.machine import Machine
from tests.unit.deliverer.policy.build import (
    LOOSE,
    NOW,
    STRICT,
    Registry,
    delivery,
    end,
    failing,
    feed,
    machine,
    start,
    tick,
)


def test_a_delivery_goes_through() -> None:
    """Read, start, finish, tick: the mark has passed it and nothing is left."""
    made = machine()

    feed(made, delivery(0))
    end(made, start(made))
    snapshot = tick(made)

    assert snapshot.window.w == made.low_mark == 1
    assert made.view.describe()["lanes"] == 0
    assert made.wake(NOW) is None


def test_bytes_are_counted_from_reading_to_the_end() -> None:
    """Queues, read-ahead and bodies in flight share one budget (B1)."""
    made = machine(Registry(s=LOOSE))
    seen = [made.buffered_bytes]
    feed(made, delivery(0), delivery(1))
    seen.append(made.buffered_bytes)
    attempt = start(made)
    seen.append(made.buffered_bytes)
    end(made, attempt)
    seen.append(made.buffered_bytes)
    tick(made)
    seen.append(made.buffered_bytes)

    assert seen == [0, 20, 20, 20, 10]


def test_lanes_are_counted_by_state() -> None:
    """What the gauge shows."""
    made = machine(Registry(s=STRICT, t=STRICT))
    feed(made, delivery(0))
    failing(made)
    feed(made, delivery(1, "t/0"))

    assert made.view.lanes_by_state() == {"live": 1, "held": 1, "lagging": 0}


def test_a_machine_shows_its_state() -> None:
    """A log line or a debugger sees the numbers that matter."""
    made = machine()

    assert isinstance(made, Machine)
    assert "'term': 1" in repr(made)
