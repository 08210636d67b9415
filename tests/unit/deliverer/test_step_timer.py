"""When the next step of a partition comes by itself."""

from typing import Any

import pytest

from deliverer.step_timer import EARLY_S, LATE_S, StepTimer
from tests.fakes.transport import HandLoop


class Rig:
    """A timer over a loop that is moved by hand, and the times at which it called."""

    def __init__(self) -> None:
        self.loop: Any = HandLoop()
        self.calls: list[float] = []
        self.timer = StepTimer(lambda: self.calls.append(self.loop.now), loop=lambda: self.loop)


@pytest.mark.parametrize(
    ("first_s", "second_s", "called_at"),
    [
        (1.0, 1.0 + EARLY_S - 0.001, 1.0),
        (1.0, 1.0 + EARLY_S + 0.001, 1.0 + EARLY_S + 0.001),
        (1.0, 1.0 - LATE_S + 0.001, 1.0),
        (1.0, 1.0 - LATE_S - 0.001, 1.0 - LATE_S - 0.001),
        (1.0, 0.005, 0.005),
        (1.0, -3.0, 0.0),
    ],
)
def test_it_calls_once_about_when_it_was_asked_to_last(
    first_s: float, second_s: float, called_at: float
) -> None:
    """What waits for a tick or a retry waits milliseconds more at most; most timers are kept."""
    rig = Rig()

    rig.timer.arm(first_s)
    rig.timer.arm(second_s)
    assert rig.loop.armed == 1
    rig.loop.advance(5.0)

    assert rig.calls == [pytest.approx(called_at)]


def test_after_it_called_it_calls_again() -> None:
    """A step that is due at once after another must come, too."""
    rig = Rig()

    rig.timer.arm(1.0)
    rig.loop.advance(1.0)
    rig.timer.arm(0.01)
    rig.loop.advance(1.0)

    assert rig.calls == [1.0, pytest.approx(1.01)]


def test_cancelled_it_does_not_call() -> None:
    """A partition that is not ours takes no more steps; cancelling twice is no fault."""
    rig = Rig()

    rig.timer.arm(1.0)
    rig.timer.cancel()
    rig.timer.cancel()
    rig.loop.advance(5.0)

    assert rig.calls == []
