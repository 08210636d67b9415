"""A clock that moves only when a test moves it."""


class ManualClock:
    """Start at a round moment; wall and monotonic time advance together."""

    def __init__(self, now_ms: int = 1_700_000_000_000, monotonic: float = 1000.0) -> None:
        self._now_ms = now_ms
        self._monotonic = monotonic

    def now_ms(self) -> int:
        """Return the wall clock in epoch milliseconds."""
        return self._now_ms

    def monotonic(self) -> float:
        """Return the monotonic clock in seconds."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now_ms += round(seconds * 1000)
        self._monotonic += seconds

    def jump(self, milliseconds: int) -> None:
        """Set the wall clock forward or back, as NTP does; monotonic time stays."""
        self._now_ms += milliseconds
