"""The two clocks of production, and the manual one of the tests."""

import time

from chassis.clock import Clock, SystemClock
from tests.fakes.clock import ManualClock


def test_the_system_clock_reads_epoch_milliseconds() -> None:
    """The wall clock counts milliseconds since 1970, like Kafka's timestamps."""
    before = time.time_ns() // 1_000_000

    now = SystemClock().now_ms()

    assert before <= now <= time.time_ns() // 1_000_000


def test_the_monotonic_clock_never_goes_back() -> None:
    """Two readings are in order."""
    clock: Clock = SystemClock()

    first, second = clock.monotonic(), clock.monotonic()

    assert first <= second


def test_the_manual_clock_advances_both_times() -> None:
    """A test lets wall and monotonic time pass together."""
    clock = ManualClock(now_ms=1_000, monotonic=5.0)

    clock.advance(1.5)

    assert (clock.now_ms(), clock.monotonic()) == (2_500, 6.5)


def test_a_jump_leaves_monotonic_time_alone() -> None:
    """NTP sets the wall clock only."""
    clock = ManualClock(now_ms=1_000, monotonic=5.0)

    clock.jump(-600)

    assert (clock.now_ms(), clock.monotonic()) == (400, 5.0)
