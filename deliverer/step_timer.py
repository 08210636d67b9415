"""Have the next step of a partition come in time, with few timers of the event loop."""

import asyncio
from collections.abc import Callable

EARLY_S = 0.05
LATE_S = 0.002


class StepTimer:
    """Call once, when the last one asked for; a timer that fires about then is left alone."""

    def __init__(
        self,
        call: Callable[[], None],
        *,
        loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.get_running_loop,
    ) -> None:
        self._call = call
        self._loop = loop
        self._at = 0.0
        self._handle: asyncio.TimerHandle | None = None

    def arm(self, delay_s: float) -> None:
        """Call in so many seconds, or a little earlier or later."""
        loop = self._loop()
        at = loop.time() + max(0.0, delay_s)
        if self._handle is not None:
            if -EARLY_S <= self._at - at <= LATE_S:
                return
            self._handle.cancel()
        self._at = at
        self._handle = loop.call_at(at, self._fire)

    def cancel(self) -> None:
        """Call no more."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _fire(self) -> None:
        self._handle = None
        self._call()
