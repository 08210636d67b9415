"""Tests of the alarm before retention removes what still waits (L3)."""

import msgspec

from deliverer.policy.items import Limits, WindowState
from deliverer.policy.machine import Machine
from deliverer.policy.retention import Endangered, endangered
from tests.unit.deliverer.policy.build import (
    STRICT,
    TIERS,
    Registry,
    delivery,
    end,
    failing,
    feed,
    machine,
    read_back,
    start,
    state,
    tick,
)

NONE = [None] * len(TIERS)


def _waiting() -> Machine:
    """Return a machine whose lane of `p` lags at 1 and 3, and whose mark is at the head, 4."""
    registry = Registry(s=STRICT, p=msgspec.structs.replace(STRICT, status="paused"))
    made = machine(registry, limits=Limits())
    feed(made, delivery(0), delivery(1, "p/0"), delivery(2), delivery(3, "p/0"))
    for _ in range(2):
        end(made, start(made))
    assert tick(made).window.w == 4
    return made


def test_a_lane_is_endangered_from_its_cursor_on() -> None:
    """Although the mark of the partition has left it behind."""
    made = _waiting()

    assert endangered(made.view, [1, *NONE]) == [None, *NONE]
    assert endangered(made.view, [2, *NONE]) == [Endangered(1, 1, "p/0"), *NONE]


def test_a_partition_whose_records_are_unread_is_endangered_by_its_mark() -> None:
    """No lane knows of them yet."""
    made = machine(recovered=state(window=WindowState(7, [], [(0, [])] * 3)))

    assert endangered(made.view, [8, *NONE])[0] == Endangered(1, 7)
    assert endangered(made.view, [7, *NONE])[0] is None


def test_nothing_is_endangered_when_nothing_waits() -> None:
    """The log may be as old as it likes."""
    made = machine()
    feed(made, delivery(0))
    end(made, start(made))
    tick(made)

    assert endangered(made.view, [1, *NONE]) == [None, *NONE]


def test_a_retry_that_waits_too_long_endangers_its_delay_topic() -> None:
    """Its record is there and nowhere else."""
    made = machine()
    feed(made, delivery(0))
    park = failing(made)
    read_back(made, park)

    assert endangered(made.view, [None, 1, None, None])[1] == Endangered(1, 0)
    assert endangered(made.view, [None, 0, None, None]) == [None, *NONE]


def test_the_remedy_names_the_subscription_whose_lane_it_is() -> None:
    """Else nobody in particular holds the partition back."""
    assert Endangered(1, 1, "sub_1/0/7").remedy.startswith("resume, mend or disable sub_1,")
    assert "hooklane doctor" in Endangered(1, 1).remedy
