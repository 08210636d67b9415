"""The only place that asks the machine what time it is; everybody else is told."""

import time
from typing import Protocol


class Clock(Protocol):
    """What code that needs the time takes as an argument."""

    def now_ms(self) -> int:
        """Return the wall clock in epoch milliseconds; it may jump."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back; only differences mean something."""
        ...


class SystemClock:
    """The machine's own clocks."""

    __slots__ = ()

    def now_ms(self) -> int:
        """Return the wall clock in epoch milliseconds."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Return seconds of the monotonic clock, the one asyncio's timers use."""
        return time.monotonic()
